// The environment of a container: variables of Services, of whole objects (envFrom), and single ones (env), as the kubelet
// puts them together. Pure over what is known of the cluster.
import type { Stored } from "../kube/resource.ts";
import type {
  Container,
  EnvFromSource,
  EnvVar,
  EphemeralContainer,
  FileKeySelector,
  Pod,
  ResourceFieldSelector,
} from "../kube/types.gen.ts";
import type { LateText, ResolvedEnvVar } from "../resolved-pod.ts";
import { expand, type Lookup } from "./expansion.ts";
import { environmentField } from "./field-ref.ts";
import { kinds, type ObjectKind, unreadable } from "./object-kinds.ts";
import { resourceValue } from "./resource-field-ref.ts";
import type { Findings, Sources, View } from "./sources.ts";
import { isInside } from "./volume-files.ts";

export interface EnvironmentInput {
  readonly pod: Stored<Pod>;
  readonly container: Container | EphemeralContainer;
  /** Path of the container in the pod. */
  readonly path: string;
  readonly serviceVariables: ReadonlyMap<string, string>;
  readonly sources: Pick<Sources, "configMap" | "secret" | "node">;
}

interface Variable {
  readonly value: LateText;
  readonly secret: boolean;
}

/** What a container's commands, arguments and paths are expanded with, too. */
export interface Environment {
  readonly variables: readonly ResolvedEnvVar[];
  readonly lookup: Lookup;
}

export function containerEnvironment(input: EnvironmentInput, findings: Findings): Environment {
  const builder = new Builder(input, findings);
  for (const [index, source] of (input.container.envFrom ?? []).entries()) builder.takeAll(source, index);
  for (const [index, variable] of (input.container.env ?? []).entries()) builder.take(variable, index);
  return builder.environment();
}

class Builder {
  readonly #input: EnvironmentInput;
  readonly #findings: Findings;
  readonly #own = new Map<string, Variable>();

  constructor(input: EnvironmentInput, findings: Findings) {
    this.#input = input;
    this.#findings = findings;
  }

  environment(): Environment {
    const { serviceVariables } = this.#input;
    const variables: ResolvedEnvVar[] = [];
    for (const [name, value] of serviceVariables) if (!this.#own.has(name)) variables.push({ name, value });
    for (const [name, { value, secret }] of this.#own) variables.push({ name, value, ...(secret ? { secret } : {}) });
    return { variables, lookup: (name) => this.#lookup(name)?.value };
  }

  /** envFrom: later sources override earlier ones. */
  takeAll({ configMapRef, secretRef, prefix = "" }: EnvFromSource, index: number): void {
    const kind = configMapRef === undefined ? kinds.secret : kinds.configMap;
    const ref = configMapRef ?? secretRef;
    if (ref === undefined) return;
    const field = `${this.#input.path}.envFrom[${index}].${kind.envFrom}`;
    const data = this.#data(kind, ref.name ?? "", ref.optional === true, field);
    if (data === undefined) return;
    const invalid: string[] = [];
    for (const key of Object.keys(data).sort()) {
      const name = prefix + key;
      if (isVariableName(name)) this.#set(name, kind.text(data[key] ?? ""), kind === kinds.secret);
      else invalid.push(key);
    }
    if (invalid.length === 0) return;
    const from = `${kind.envFromName} ${this.#input.pod.metadata.namespace}/${ref.name}`;
    const message = `Keys [${invalid.join(", ")}] from the EnvFrom ${from} were skipped since they are considered invalid environment variable names.`;
    const { name: container } = this.#input.container;
    this.#findings.notes.push({ field, reason: "InvalidEnvironmentVariableNames", message, container });
  }

  /** env: in order, each may use the ones before. */
  take({ name, value, valueFrom }: EnvVar, index: number): void {
    const field = `${this.#input.path}.env[${index}].valueFrom`;
    if (value !== undefined && value !== "") {
      let secret = false;
      const expanded = expand(value, (used) => {
        const variable = this.#lookup(used);
        secret ||= variable?.secret === true;
        return variable?.value;
      });
      this.#set(name, expanded, secret);
    } else if (valueFrom?.configMapKeyRef !== undefined) {
      this.#takeKey(name, kinds.configMap, valueFrom.configMapKeyRef, `${field}.configMapKeyRef`);
    } else if (valueFrom?.secretKeyRef !== undefined) {
      this.#takeKey(name, kinds.secret, valueFrom.secretKeyRef, `${field}.secretKeyRef`);
    } else if (valueFrom?.fieldRef !== undefined) {
      const { fieldPath } = valueFrom.fieldRef;
      this.#setOrRefuse(
        name,
        environmentField(this.#input.pod, fieldPath),
        `${field}.fieldRef.fieldPath`,
        `no such field for a variable: ${fieldPath}`,
      );
    } else if (valueFrom?.resourceFieldRef !== undefined) {
      this.#takeResource(name, valueFrom.resourceFieldRef, `${field}.resourceFieldRef`);
    } else if (valueFrom?.fileKeyRef !== undefined) {
      this.#takeFileKey(name, valueFrom.fileKeyRef, `${field}.fileKeyRef`);
    } else this.#set(name, "", false);
  }

  #takeKey(
    variable: string,
    kind: ObjectKind,
    ref: { readonly name?: string; readonly key: string; readonly optional?: boolean },
    field: string,
  ): void {
    const { name = "", key, optional = false } = ref;
    const data = this.#data(kind, name, optional, field);
    if (data === undefined) return;
    const value = Object.hasOwn(data, key) ? data[key] : undefined;
    if (value !== undefined) this.#set(variable, kind.text(value), kind === kinds.secret);
    else {
      const message = `couldn't find key ${key} in ${kind.name} ${this.#input.pod.metadata.namespace}/${name}`;
      this.#lacks(optional, field, `${kind.name}KeyNotFound`, message);
    }
  }

  #takeFileKey(name: string, { volumeName, path, key, optional = false }: FileKeySelector, field: string): void {
    const { volumes = [] } = this.#input.pod.spec ?? {};
    const isThere = volumes.some((volume) => volume.name === volumeName && volume.emptyDir !== undefined);
    if (!isThere || !isInside(path)) {
      const message = isThere
        ? `path "${path}" must be relative and without ".."`
        : `the pod has no emptyDir volume "${volumeName}"`;
      this.#findings.refusals.push({ field, message });
      return;
    }
    // Where an optional one is not there, what the name stood for before stays.
    const before = optional ? this.#lookup(name) : undefined;
    const fileKey = { volume: volumeName, path, key, optional };
    this.#set(name, [{ fileKey, otherwise: before?.value }], before?.secret === true);
  }

  #takeResource(name: string, ref: ResourceFieldSelector, field: string): void {
    const { pod, container, sources } = this.#input;
    // Only what has no limit of its own asks for the node's.
    const node = this.#known(sources.node(pod.spec?.nodeName ?? ""));
    const value = resourceValue(pod, container.name, ref, node);
    if ("fault" in value) this.#findings.refusals.push({ field, message: value.fault });
    else this.#set(name, value.text, false);
  }

  /** The data of an object; undefined where it is not there, which is told. */
  #data(kind: ObjectKind, name: string, optional: boolean, field: string): ObjectKind["none"] | undefined {
    const { sources, pod } = this.#input;
    const view = kind.data(sources, pod.metadata.namespace ?? "", name);
    if (view.state === "found") return view.value;
    if (view.state === "pending") this.#findings.pending = true;
    else if (view.state === "absent") {
      this.#lacks(optional, field, `${kind.name}NotFound`, `${kind.lowerName} "${name}" not found`);
    } else {
      // Not known to be absent: a pod must not begin without what it may well have.
      const reason = `FailedToRead${optional ? "Optional" : "Mandatory"}${kind.name}`;
      const message = unreadable(kind, name, view.message);
      this.#findings.faults.push({ field, reason, message, container: this.#input.container.name });
    }
    return undefined;
  }

  #known<T>(view: View<T>): T | undefined {
    if (view.state === "pending") this.#findings.pending = true;
    return view.state === "found" ? view.value : undefined;
  }

  #lacks(optional: boolean, field: string, what: string, message: string): void {
    const fault = {
      field,
      reason: `${optional ? "Optional" : "Mandatory"}${what}`,
      message,
      container: this.#input.container.name,
    };
    (optional ? this.#findings.notes : this.#findings.faults).push(fault);
  }

  #setOrRefuse(name: string, value: LateText | undefined, field: string, message: string): void {
    if (value === undefined) this.#findings.refusals.push({ field, message });
    else this.#set(name, value, false);
  }

  #set(name: string, value: LateText, secret: boolean): void {
    // A name that is set again has the place of its last value.
    this.#own.delete(name);
    this.#own.set(name, { value, secret });
  }

  #lookup(name: string): Variable | undefined {
    const own = this.#own.get(name);
    if (own !== undefined) return own;
    const value = this.#input.serviceVariables.get(name);
    return value === undefined ? undefined : { value, secret: false };
  }
}

/** Any printable ASCII but "=". */
function isVariableName(name: string): boolean {
  return /^[ -<>-~]+$/.test(name);
}
