// From a pod and what is known of the cluster to what has to run. Pure: asked again with more known, it answers more.

import { pullPolicy, withTag } from "../image-name.ts";
import type { Stored } from "../kube/resource.ts";
import type { Container, EphemeralContainer, Pod, PodSpec, Secret, Service, VolumeMount } from "../kube/types.gen.ts";
import type {
  LateText,
  ReferenceFault,
  Resolution,
  ResolvedContainer,
  ResolvedMount,
  VolumesResolution,
} from "../resolved-pod.ts";
import { containerEnvironment, type Environment } from "./environment.ts";
import { expand } from "./expansion.ts";
import { hostNames, hostsAdded, hostsFile } from "./host-names.ts";
import { imageCredentials } from "./pull-secrets.ts";
import { type DnsSettings, resolvConf } from "./resolv-conf.ts";
import { hasClusterIP, serviceVariables } from "./service-environment.ts";
import { type Findings, newFindings, type Sources } from "./sources.ts";
import { isInside } from "./volume-files.ts";
import { podVolumes } from "./volumes.ts";

export interface ResolveSettings {
  /** Absent: the address of the cluster's DNS Service, where there is one. */
  readonly clusterDNS?: readonly string[] | undefined;
  readonly clusterDomain: string;
  /** Content of the host's resolv.conf, where it is to be known to pods. */
  readonly hostResolvConf?: string | undefined;
}

/** The Service of the cluster's DNS. */
const dnsService = { namespace: "kube-system", name: "kube-dns" };

export function resolvePod(pod: Stored<Pod>, sources: Sources, settings: ResolveSettings): Resolution {
  const findings = newFindings();
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const seen = sources.services();
  if (seen.state === "pending") findings.pending = true;
  if (seen.state === "unreadable")
    findings.faults.push({
      field: "spec.enableServiceLinks",
      reason: "FailedToReadServices",
      message: `services cannot be read: ${seen.message}`,
    });
  const services = seen.state === "found" ? [...seen.value] : [];
  const variables = serviceVariables(services, pod.metadata.namespace ?? "", spec.enableServiceLinks !== false);
  const names = hostNames(pod, settings.clusterDomain);
  if (names.fault !== undefined)
    findings.faults.push({
      field: "spec.setHostnameAsFQDN",
      reason: "FailedCreatePodSandBox",
      message: names.fault,
    });
  const volumes = podVolumes(pod, sources, findings);
  const containers = [...containersOf(spec)].map(({ container, path }) => {
    const environment = containerEnvironment({ pod, container, path, serviceVariables: variables, sources }, findings);
    return resolvedContainer(container, path, environment, findings);
  });
  const runtimeHandler = handlerOf(spec, sources, findings);
  const credentials = imageCredentials(pullSecrets(pod, spec, sources, findings));

  const { faults, notes, refusals, pending } = findings;
  const [refusal] = refusals;
  if (refusal !== undefined) return { type: "refused", ...refusal };
  const isPartial = faults.length > 0 && !pending && faults.every(({ container }) => container !== undefined);
  if (faults.length > 0 && !isPartial) return { type: "missing", faults, notes };
  if (pending) return { type: "pending" };
  const clusterDNS = settings.clusterDNS ?? dnsAddresses(services);
  const dns: DnsSettings = { clusterDNS, clusterDomain: settings.clusterDomain, host: settings.hostResolvConf };
  const { hostname, fqdn, setHostnameAsFQDN } = names;
  const resolved = {
    ...{ hostname, fqdn, setHostnameAsFQDN, containers, volumes },
    resolvConf: resolvConf(pod, dns),
    hosts: hostsFile(pod, names),
    hostsAdded: hostsAdded(pod),
    imageCredentials: credentials,
    ...(runtimeHandler !== "" && { runtimeHandler }),
  };
  if (!isPartial) return { type: "ready", resolved, notes };
  const partial = { ...resolved, containers: containers.map((container) => marked(container, faults)) };
  return { type: "missing", faults, notes, partial };
}

/** "": the backend's own choice. */
function handlerOf({ runtimeClassName: name }: PodSpec, sources: Sources, findings: Findings): string {
  if (name === undefined || name === "") return "";
  const seen = sources.runtimeClass(name);
  if (seen.state === "found") return seen.value.handler;
  if (seen.state === "pending") findings.pending = true;
  else {
    const why = seen.state === "absent" ? "not found" : `cannot be read: ${seen.message}`;
    const message = `RuntimeClass "${name}" ${why}`;
    findings.faults.push({ field: "spec.runtimeClassName", reason: "FailedCreatePodSandBox", message });
  }
  return "";
}

/** Contents of the volumes alone: what may still change when the pod runs. */
export function resolveVolumes(pod: Stored<Pod>, sources: Sources): VolumesResolution {
  const findings = newFindings();
  const volumes = podVolumes(pod, sources, findings).filter(({ type }) => type === "files");
  return { volumes, faults: findings.faults };
}

function* containersOf(
  spec: PodSpec,
): Generator<{ readonly container: Container | EphemeralContainer; readonly path: string }> {
  for (const list of ["initContainers", "containers", "ephemeralContainers"] as const)
    for (const [index, container] of (spec[list] ?? []).entries()) yield { container, path: `spec.${list}[${index}]` };
}

/** Of several faults the first is told, as a kubelet does. */
function marked(container: ResolvedContainer, faults: readonly ReferenceFault[]): ResolvedContainer {
  const fault = faults.find((each) => each.container === container.name);
  return fault === undefined ? container : { ...container, missing: fault.message };
}

function resolvedContainer(
  container: Container | EphemeralContainer,
  path: string,
  { variables, lookup }: Environment,
  findings: Findings,
): ResolvedContainer {
  const { name, image = "", imagePullPolicy, command = [], args = [], volumeMounts = [] } = container;
  const texts = (list: readonly string[]): readonly LateText[] => list.map((text) => expand(text, lookup));
  // What a missing variable leaves open is told of with the variable.
  const isWhole = !findings.pending && findings.faults.every((fault) => fault.container !== name);
  return {
    name,
    image: withTag(image),
    imagePullPolicy: pullPolicy(image, imagePullPolicy),
    ...(command.length === 0 ? {} : { command: texts(command) }),
    ...(args.length === 0 ? {} : { args: texts(args) }),
    env: variables,
    mounts: volumeMounts.map((mount, index) => {
      const { resolved, fault } = resolvedMount(mount, lookup);
      if (fault !== undefined && isWhole) {
        const field = `${path}.volumeMounts[${index}].${mount.subPathExpr ? "subPathExpr" : "subPath"}`;
        findings.faults.push({ field, reason: "Failed", message: fault, container: name });
      }
      return resolved;
    }),
  };
}

function resolvedMount(
  mount: VolumeMount,
  lookup: Environment["lookup"],
): { readonly resolved: ResolvedMount; readonly fault?: string } {
  const { name, mountPath, readOnly = false, subPath, subPathExpr, recursiveReadOnly, mountPropagation } = mount;
  const plain: ResolvedMount = {
    ...{ volume: name, mountPath, readOnly },
    ...((recursiveReadOnly === "Enabled" || recursiveReadOnly === "IfPossible") && { recursiveReadOnly }),
    ...((mountPropagation === "HostToContainer" || mountPropagation === "Bidirectional") && { mountPropagation }),
  };
  if (!subPathExpr && !subPath) return { resolved: plain };
  const unknown: string[] = [];
  const path = subPathExpr
    ? expand(subPathExpr, (variable) => {
        const value = lookup(variable);
        if (value === undefined) unknown.push(variable);
        return value;
      })
    : (subPath ?? "");
  const resolved = { ...plain, subPath: path };
  if (unknown[0] !== undefined) return { resolved, fault: `subPathExpr: missing value for "${unknown[0]}"` };
  // An address in it is harmless.
  const shape = typeof path === "string" ? path : path.map((part) => (typeof part === "string" ? part : "0")).join("");
  return isInside(shape) ? { resolved } : { resolved, fault: `subPath "${shape}" must be relative and without ".."` };
}

function pullSecrets(pod: Stored<Pod>, spec: PodSpec, sources: Sources, findings: Findings): readonly Secret[] {
  const missing: string[] = [];
  const found = (spec.imagePullSecrets ?? []).flatMap(({ name = "" }) => {
    if (name === "") return [];
    const view = sources.secret(pod.metadata.namespace ?? "", name);
    if (view.state === "found") return [view.value];
    if (view.state === "pending") findings.pending = true;
    else missing.push(name);
    return [];
  });
  if (missing.length > 0) {
    const message = `Unable to retrieve some image pull secrets (${missing.join(", ")}); attempting to pull the image may not succeed.`;
    findings.notes.push({ field: "spec.imagePullSecrets", reason: "FailedToRetrieveImagePullSecret", message });
  }
  return found;
}

function dnsAddresses(services: readonly Stored<Service>[]): readonly string[] {
  const dns = services.find(
    ({ metadata }) => metadata.namespace === dnsService.namespace && metadata.name === dnsService.name,
  );
  if (dns === undefined || !hasClusterIP(dns)) return [];
  return dns.spec?.clusterIPs ?? [dns.spec?.clusterIP ?? ""];
}
