// The containers of a pod as a group has them. Pure.
import type { Container, PodSpec, ResolvedContainer, ResolvedPod } from "@virtual-kubelet/virtual-kubelet";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { withoutLateTexts } from "@virtual-kubelet/virtual-kubelet/cloud";
import { gpuResource, reachOf } from "./admission.ts";
import type { AciConfig } from "./config.ts";
import { translatedMounts, type VolumePart } from "./mounts.ts";
import { containerPorts } from "./network.ts";
import type { PodWishes } from "./pod-annotations.ts";
import { translatedProbes } from "./probes.ts";
import { containerSecurity } from "./security.ts";
import { groupSizes, type SizedContainer } from "./sizes.ts";
import { type StartSteps, withSteps } from "./start-steps.ts";
import type {
  Container as CloudContainer,
  ContainerProperties,
  EnvironmentVariable,
  InitContainerDefinition,
} from "./wire-containers.ts";

export interface ContainersInput {
  readonly spec: PodSpec;
  readonly resolved: ResolvedPod;
  readonly wishes: PodWishes;
  readonly config: AciConfig;
  /** Volumes that are left out, with their mounts. */
  readonly omitted: ReadonlySet<string>;
  /** Addresses of the node, where it has some. */
  readonly hostIPs?: readonly string[] | undefined;
}

export interface TranslatedContainers {
  readonly initContainers: readonly InitContainerDefinition[];
  readonly containers: readonly CloudContainer[];
  /** Names of volumes that are mounted as a whole. */
  readonly mounted: ReadonlySet<string>;
  readonly parts: readonly VolumePart[];
}

/** Throws Unsupported with the field. */
export function translatedContainers(input: ContainersInput): TranslatedContainers {
  const { spec, wishes, config } = input;
  const sizes = groupSizes(spec, config.defaultRequests);
  const reach = reachOf(config, wishes);
  const parts: VolumePart[] = [];
  const mounted = new Set<string>();
  const common = (container: Container, path: string): InitContainerDefinition["properties"] => {
    const made = commonProperties(container, path, input);
    parts.push(...made.parts);
    for (const { name } of made.properties.volumeMounts ?? []) mounted.add(name);
    return made.properties;
  };
  const initContainers = (spec.initContainers ?? []).map((container, index) => ({
    name: container.name,
    properties: common(container, `spec.initContainers[${index}]`),
  }));
  const containers = spec.containers.map((container, index) => {
    const path = `spec.containers[${index}]`;
    const ports = containerPorts(container, path);
    const properties: ContainerProperties = {
      ...common(container, path),
      ...(ports.length > 0 && { ports }),
      resources: withGPU(sizes.containers.get(container.name), container, wishes),
      ...translatedProbes(container, path, reach),
    };
    return { name: container.name, properties };
  });
  return { initContainers, containers, mounted, parts };
}

function commonProperties(
  container: Container,
  path: string,
  { spec, resolved, config, omitted, hostIPs }: ContainersInput,
): { readonly properties: InitContainerDefinition["properties"]; readonly parts: readonly VolumePart[] } {
  const given = resolved.containers.find(({ name }) => name === container.name);
  if (given === undefined) throw new VirtualKubeletError("Internal", `${path} is not resolved`);
  const kept = { ...given, mounts: given.mounts.filter(({ volume }) => !omitted.has(volume)) };
  // What the helper brings is changed by a command in a container: it has to be able to.
  const renewed = new Set(resolved.volumes.filter(({ type }) => type === "files").map(({ name }) => name));
  const { mounts, parts, copies } = translatedMounts(
    ...([kept, path, resolved.volumes, config.helperImage === "" ? new Set<string>() : renewed] as const),
  );
  const { context } = containerSecurity(container, spec, path, config);
  const isMain = path.startsWith("spec.containers");
  const hosts =
    isMain && (spec.hostAliases ?? []).length > 0 ? { text: aliases(spec), field: "spec.hostAliases" } : undefined;
  const start = started(container, kept, path, { copies, hosts }, hostIPs);
  const properties = {
    image: given.image,
    ...(start.command !== undefined && { command: start.command }),
    ...(start.env.length > 0 && { environmentVariables: start.env }),
    ...(mounts.length > 0 && { volumeMounts: mounts }),
    ...(context !== undefined && { securityContext: context }),
  };
  return { properties, parts };
}

function started(
  container: Container,
  given: ResolvedContainer,
  path: string,
  steps: Pick<StartSteps, "copies" | "hosts">,
  hostIPs: readonly string[] | undefined,
): { readonly command: readonly string[] | undefined; readonly env: readonly EnvironmentVariable[] } {
  const plain = withoutLateTexts(given, { field: path, spec: container, hostIPs });
  const own = [...(plain.command ?? []), ...(plain.args ?? [])];
  const workingDir =
    container.workingDir === undefined || container.workingDir === ""
      ? undefined
      : { path: container.workingDir, field: `${path}.workingDir` };
  return {
    command: withSteps(own.length === 0 ? undefined : own, { ...steps, workingDir }),
    env: plain.env.map(({ name, value, secret }) => (secret === true ? { name, secureValue: value } : { name, value })),
  };
}

function withGPU(sized: SizedContainer | undefined, { resources }: Container, { gpuSKU }: PodWishes): SizedContainer {
  const { requests, limits } = sized ?? { requests: { cpu: 1, memoryInGB: 1 } };
  const count = Number(resources?.limits?.[gpuResource] ?? resources?.requests?.[gpuResource] ?? 0);
  if (count === 0 || gpuSKU === undefined) return { requests, ...(limits !== undefined && { limits }) };
  const gpu = { count, sku: gpuSKU };
  return { requests: { ...requests, gpu }, limits: { ...limits, gpu } };
}

/** Lines for /etc/hosts. */
function aliases({ hostAliases = [] }: PodSpec): string {
  return hostAliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}\n`).join("");
}
