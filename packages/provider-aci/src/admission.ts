// What of a pod the cloud cannot have, as far as the API object alone tells it: so that it is refused before anything is made. Pure.
import {
  type Container,
  effectivePolicy,
  type Pod,
  type PodSpec,
  type VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { invalid, placedContainers, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciConfig } from "./config.ts";
import { needsImage, shellField } from "./images/image-processes.ts";
import { imageSource } from "./images/image-source.ts";
import { containerPorts } from "./network.ts";
import { annotations, type PodWishes, wishesOf } from "./pod-annotations.ts";
import { checkProbes, type Reach } from "./probes.ts";
import { containerSecurity, podSecurity } from "./security.ts";
import { checkSidecars } from "./sidecars.ts";
import { helperHint, noDirectories } from "./volumes.ts";

export const gpuResource = "nvidia.com/gpu";
const fileVolumes = ["configMap", "secret", "downwardAPI", "projected"] as const;

type Volume = NonNullable<PodSpec["volumes"]>[number];

export interface AdmissionRules {
  readonly config: AciConfig;
  readonly operatingSystem: string;
}

export function reachOf({ network }: AciConfig, wishes: PodWishes): Reach {
  return { network: network.subnet !== undefined || wishes.subnetID !== undefined, publicIP: network.publicIP };
}

/** Throws Unsupported or Invalid with the field. */
export function admitPod(pod: Pod, { config, operatingSystem }: AdmissionRules): void {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const wishes = wishesOf(pod, config);
  podSecurity(spec, config);
  checkSpot(pod, wishes, config);
  if (spec.shareProcessNamespace === true)
    throw unsupported("spec.shareProcessNamespace", "each container of the cloud has processes of its own");
  if (spec.runtimeClassName !== undefined && spec.runtimeClassName !== "")
    throw unsupported("spec.runtimeClassName", "the cloud has one runtime");
  checkSidecars(spec);
  const all = placedContainers(spec);
  for (const { container, kind, field: path } of all) {
    if (kind === "init") checkInit(container, path);
    checkStart(container, path, spec, { config, operatingSystem });
    checkResources(container, path, wishes, kind === "init");
    checkMounts(container, path, spec);
    containerSecurity(container, spec, path, config);
    if (container.securityContext?.privileged === true && !wishes.confidential)
      throw unsupported(`${path}.securityContext.privileged`, "the cloud has it in confidential groups alone");
  }
  const reach = reachOf(config, wishes);
  for (const { container, kind, field: path } of all) {
    if (kind === "init") continue;
    if (kind === "main") checkPolicy(container, path, spec);
    containerPorts(container, path);
    checkProbes(container, path, reach);
  }
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const path = `spec.volumes[${index}]`;
    if (volume.csi !== undefined && volume.csi.driver !== "file.csi.azure.com")
      throw unsupported(`${path}.csi.driver`, `the cloud has file.csi.azure.com alone, not ${volume.csi.driver}`);
    if (
      operatingSystem === "windows" &&
      fileVolumes.some((kind) => volume[kind] !== undefined) &&
      !isApiAccess(volume.name)
    )
      throw unsupported(path, "groups of Windows have no such volumes");
    const nested = config.helperImage === "" ? nestedPath(volume) : undefined;
    if (nested !== undefined && isMountedWhole(volume.name, spec))
      throw unsupported(path, `${noDirectories(nested)}: ${helperHint}`);
  }
}

/** What groups of spare capacity cannot have. */
function checkSpot({ metadata, spec }: Pod, wishes: PodWishes, config: AciConfig): void {
  if (wishes.priority !== "Spot") return;
  const said = metadata?.annotations?.[annotations.priority] !== undefined;
  const refused = (what: string): VirtualKubeletError =>
    unsupported(
      `metadata.annotations[${annotations.priority}]`,
      `the cloud has no Spot groups ${what}${said ? "" : "; Spot is what the provider's configuration says: Regular here says otherwise"}`,
    );
  const { network, publicIP } = reachOf(config, wishes);
  if (network) throw refused("in subnets");
  if (wishes.zones.length > 0) throw refused("in zones");
  if (wishes.confidential) throw refused("that are confidential");
  const containers = placedContainers(spec ?? { containers: [] }).filter(({ kind }) => kind !== "init");
  const asks = (part: (container: Container) => boolean): boolean =>
    containers.some(({ container }) => part(container));
  if (publicIP && asks(({ ports = [] }) => ports.length > 0)) throw refused("with ports");
  if (asks(({ resources }) => Number(resources?.limits?.[gpuResource] ?? 0) > 0)) throw refused("with GPUs");
}

/** A path in a directory, by the items of its sources. */
function nestedPath({ configMap, secret, downwardAPI, projected }: Volume): string | undefined {
  const sources = [configMap, secret, downwardAPI];
  for (const source of projected?.sources ?? []) {
    const { serviceAccountToken: token } = source;
    if (token?.path.includes("/") === true) return token.path;
    sources.push(source.configMap, source.secret, source.downwardAPI);
  }
  return sources.flatMap((source) => source?.items ?? []).find(({ path }) => path.includes("/"))?.path;
}

function isMountedWhole(volume: string, { initContainers = [], containers }: PodSpec): boolean {
  return [...initContainers, ...containers].some(({ volumeMounts = [] }) =>
    volumeMounts.some(({ name, subPath, subPathExpr }) => name === volume && !subPath && !subPathExpr),
  );
}

/** What the API server adds to every pod; it is left out on Windows, with a note. */
export function isApiAccess(volume: string): boolean {
  return volume.startsWith("kube-api-access-");
}

function checkStart(
  container: Container,
  path: string,
  spec: PodSpec,
  { config, operatingSystem }: AdmissionRules,
): void {
  const byShell = operatingSystem === "windows" ? shellField(container, spec, path) : undefined;
  if (byShell !== undefined) throw unsupported(byShell, "the cloud has no such setting, and Windows no /bin/sh");
  const field = needsImage(container, spec, path);
  if (field === undefined) return;
  const source = imageSource(container.image ?? "", config);
  if (typeof source !== "string") return;
  const why = field.endsWith(".args")
    ? "the cloud has no arguments beside an image's own entrypoint"
    : "the cloud has no such setting: a shell of the image does it, before a command that is known";
  throw unsupported(field, `${why}; it needs a \`command\`, since the image's own is not asked for: ${source}`);
}

function checkPolicy(container: Container, path: string, spec: PodSpec): void {
  if ((container.restartPolicyRules ?? []).length > 0)
    throw unsupported(`${path}.restartPolicyRules`, "the cloud restarts all containers by one policy");
  if (effectivePolicy(container, spec) !== (spec.restartPolicy ?? "Always"))
    throw unsupported(`${path}.restartPolicy`, "the cloud restarts all containers by one policy");
}

function checkInit(container: Container, path: string): void {
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] as const)
    if (container[probe] !== undefined) throw unsupported(`${path}.${probe}`, "init containers of the cloud have none");
  if (container.restartPolicy !== undefined)
    throw unsupported(`${path}.restartPolicy`, "the cloud restarts all containers by one policy");
}

const known = ["cpu", "memory", "ephemeral-storage", gpuResource];

function checkResources({ resources }: Container, path: string, wishes: PodWishes, isInit: boolean): void {
  for (const part of ["requests", "limits"] as const)
    for (const [name, amount] of Object.entries(resources?.[part] ?? {})) {
      const field = `${path}.resources.${part}[${name}]`;
      if (!known.includes(name)) throw unsupported(field, "the cloud has no such resource");
      if (name !== gpuResource || amount === "0") continue;
      if (!/^\d+$/.test(amount)) throw invalid(field, `"${amount}" must be a whole number`);
      if (isInit) throw unsupported(field, "init containers of the cloud have none");
      if (wishes.gpuSKU === undefined)
        throw unsupported(
          field,
          "which one is said by the annotation virtual-kubelet.io/gpu-type, or gpuSKU of the provider's configuration",
        );
    }
}

function checkMounts({ volumeMounts = [], volumeDevices = [] }: Container, path: string, spec: PodSpec): void {
  if (volumeDevices.length > 0) throw unsupported(`${path}.volumeDevices[0]`, "the cloud has no block devices");
  for (const [index, mount] of volumeMounts.entries()) {
    const field = `${path}.volumeMounts[${index}]`;
    if (mount.recursiveReadOnly === "Enabled")
      throw unsupported(`${field}.recursiveReadOnly`, "the cloud does not say whether it is");
    if (mount.mountPropagation !== undefined && mount.mountPropagation !== "None")
      throw unsupported(`${field}.mountPropagation`, "the cloud has None alone");
    const volume = spec.volumes?.find(({ name }) => name === mount.name);
    const part = mount.subPathExpr || mount.subPath;
    if (part && volume !== undefined && fileVolumes.every((kind) => volume[kind] === undefined))
      throw unsupported(
        `${field}.${mount.subPathExpr ? "subPathExpr" : "subPath"}`,
        "the cloud mounts volumes as a whole; parts only of ConfigMaps, Secrets and the like",
      );
  }
}
