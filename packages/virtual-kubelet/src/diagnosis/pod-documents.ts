// What a file of YAML or JSON documents holds for `plan`: pods, alone or as templates, and objects that they may refer to. Pure.
import { parseAllDocuments } from "yaml";
import { isObject } from "../kube/stored.ts";
import type { ConfigMap, PersistentVolumeClaim, Pod, Secret, Service } from "../kube/types.gen.ts";
import type { PersistentVolume } from "../resolve/volume-claim.ts";

export interface PlannedDocument {
  /** Kind and name of the document, e.g. `Deployment web`. */
  readonly origin: string;
  readonly pod: Pod;
}

export interface Documents {
  readonly pods: readonly PlannedDocument[];
  readonly configMaps: readonly ConfigMap[];
  readonly secrets: readonly Secret[];
  readonly services: readonly Service[];
  readonly claims: readonly PersistentVolumeClaim[];
  readonly persistentVolumes: readonly PersistentVolume[];
  /** Kinds and names of those that run nothing and that no pod refers to by its spec. */
  readonly others: readonly string[];
  /** Why documents cannot be read. */
  readonly faults: readonly string[];
}

/** `name` is how messages call the file. Lists are taken apart. */
export function readDocuments(text: string, name: string): Documents {
  const found = {
    pods: [] as PlannedDocument[],
    configMaps: [] as ConfigMap[],
    secrets: [] as Secret[],
    services: [] as Service[],
    claims: [] as PersistentVolumeClaim[],
    persistentVolumes: [] as PersistentVolume[],
    others: [] as string[],
    faults: [] as string[],
  };
  const take = (value: unknown, where: string): void => {
    if (value === undefined) return;
    if (!isObject(value) || typeof value["kind"] !== "string") {
      found.faults.push(`${where}: no Kubernetes object: it has no kind`);
      return;
    }
    const { kind, items } = value;
    if (kind.endsWith("List") && Array.isArray(items)) {
      for (const [index, item] of items.entries()) take(item, `${where}, item ${index + 1}`);
      return;
    }
    const metadata = isObject(value["metadata"]) ? value["metadata"] : {};
    const title = textOf(metadata["name"]) ?? textOf(metadata["generateName"]) ?? "(no name)";
    const origin = `${kind} ${title}`;
    const path = podPaths[kind];
    if (path !== undefined) {
      const template = path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), value);
      const pod = named(template, title, textOf(metadata["namespace"]));
      const fault = podFault(pod, path.join("."));
      if (fault === undefined && isPod(pod)) found.pods.push({ origin, pod });
      else found.faults.push(`${where} (${origin}): ${fault ?? "no pod"}`);
    } else if (isOf<ConfigMap>(value, "ConfigMap")) found.configMaps.push(value);
    else if (isOf<Secret>(value, "Secret")) found.secrets.push(value);
    else if (isOf<Service>(value, "Service")) found.services.push(value);
    else if (isOf<PersistentVolumeClaim>(value, "PersistentVolumeClaim")) found.claims.push(value);
    else if (isOf<PersistentVolume>(value, "PersistentVolume")) found.persistentVolumes.push(value);
    else found.others.push(origin);
  };
  const documents = parseAllDocuments(text);
  // The parser answers an object of its own for no document at all.
  for (const [index, document] of (Array.isArray(documents) ? documents : []).entries()) {
    const where = `${name}, document ${index + 1}`;
    const [error] = document.errors;
    if (error !== undefined) found.faults.push(`${where}: ${error.message.split("\n")[0] ?? ""}`);
    else take(withoutNulls(document.toJS()), where);
  }
  return found;
}

/** Where each kind has its pod. */
const podPaths: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ["template"],
  ReplicationController: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

function named(template: unknown, name: string, namespace: string | undefined): unknown {
  if (!isObject(template)) return undefined;
  const metadata = isObject(template["metadata"]) ? template["metadata"] : {};
  return { ...template, kind: "Pod", metadata: { ...metadata, name, namespace: namespace ?? "default" } };
}

/** Lists of a pod that are gone through; each entry is a map, and those of containers have names. */
function podFault(pod: unknown, path: string): string | undefined {
  const at = path === "" ? "" : `${path}.`;
  if (!isObject(pod)) return `${path} is missing`;
  const { spec } = pod;
  if (!isObject(spec)) return `${at}spec is missing`;
  if (!Array.isArray(spec["containers"]) || spec["containers"].length === 0) return `${at}spec.containers is missing`;
  for (const key of ["containers", "initContainers", "ephemeralContainers", "volumes", "tolerations"]) {
    const list: unknown = spec[key] ?? [];
    if (!Array.isArray(list)) return `${at}spec.${key} is no list`;
    for (const [index, entry] of list.entries()) {
      if (!isObject(entry)) return `${at}spec.${key}[${index}] is no map`;
      if (key !== "tolerations" && typeof entry["name"] !== "string")
        return `${at}spec.${key}[${index}].name is missing`;
      for (const inner of ["env", "envFrom", "ports", "volumeMounts", "command", "args"])
        if (entry[inner] !== undefined && !Array.isArray(entry[inner]))
          return `${at}spec.${key}[${index}].${inner} is no list`;
    }
  }
  return undefined;
}

function isPod(value: unknown): value is Pod {
  return podFault(value, "") === undefined;
}

function isOf<T extends ConfigMap | Secret | Service | PersistentVolumeClaim | PersistentVolume>(
  value: unknown,
  kind: string,
): value is T {
  return isObject(value) && value["kind"] === kind;
}

/** The API server takes nothing for absent. */
function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      inner === null ? [] : [[key, amounts.has(key) ? withTexts(inner) : withoutNulls(inner)]],
    ),
  );
}

const amounts: ReadonlySet<string> = new Set(["requests", "limits", "overhead"]);

/** Quantities may be written as numbers. */
function withTexts(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, typeof inner === "number" ? String(inner) : inner]),
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
