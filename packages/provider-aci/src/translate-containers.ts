// The containers of a pod as a group has them. Pure.
import type { Container, PodSpec, ResolvedContainer, ResolvedPod } from "@virtual-kubelet/virtual-kubelet";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import {
  type PlacedContainer,
  placedContainers,
  unsupported,
  withoutLateTexts,
} from "@virtual-kubelet/virtual-kubelet/cloud";
import { gpuResource, reachOf } from "./admission.ts";
import type { AciConfig } from "./config.ts";
import { translatedMounts, type VolumePart } from "./mounts.ts";
import { containerPorts } from "./network.ts";
import type { PodWishes } from "./pod-annotations.ts";
import { translatedProbes } from "./probes.ts";
import { containerSecurity } from "./security.ts";
import { inOrder, sidecarField, sidecarMounts } from "./sidecars.ts";
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
  const common = (placed: PlacedContainer): InitContainerDefinition["properties"] => {
    const made = commonProperties(placed, input);
    parts.push(...made.parts);
    for (const { name } of made.properties.volumeMounts ?? []) mounted.add(name);
    return made.properties;
  };
  const placed = placedContainers(spec);
  const initContainers = placed
    .filter(({ kind }) => kind === "init")
    .map((each) => ({ name: each.container.name, properties: common(each) }));
  const containers = placed
    .filter(({ kind }) => kind !== "init")
    .map((each) => {
      const { container, field } = each;
      const ports = containerPorts(container, field);
      const properties: ContainerProperties = {
        ...common(each),
        ...(ports.length > 0 && { ports }),
        resources: withGPU(sizes.containers.get(container.name), container, wishes),
        ...translatedProbes(container, field, reach),
      };
      return { name: container.name, properties };
    });
  return { initContainers, containers, mounted, parts };
}

function commonProperties(
  placed: PlacedContainer,
  { spec, resolved, config, omitted, hostIPs }: ContainersInput,
): { readonly properties: InitContainerDefinition["properties"]; readonly parts: readonly VolumePart[] } {
  const { container, field: path } = placed;
  const given = resolved.containers.find(({ name }) => name === container.name);
  if (given === undefined) throw new VirtualKubeletError("Internal", `${path} is not resolved`);
  const kept = { ...given, mounts: given.mounts.filter(({ volume }) => !omitted.has(volume)) };
  // What the helper brings is changed by a command in a container: it has to be able to.
  const renewed = new Set(resolved.volumes.filter(({ type }) => type === "files").map(({ name }) => name));
  const { mounts, parts, copies } = translatedMounts(
    ...([kept, path, resolved.volumes, config.helperImage === "" ? new Set<string>() : renewed] as const),
  );
  const { context } = containerSecurity(container, spec, path, config);
  const hosts = (spec.hostAliases ?? []).length > 0 ? { text: aliases(spec), field: "spec.hostAliases" } : undefined;
  const start = started(placed, kept, spec, { copies, hosts }, hostIPs);
  const volumeMounts = [...mounts, ...sidecarMounts(spec, placed)];
  const properties = {
    image: given.image,
    ...(start.command !== undefined && { command: start.command }),
    ...(start.env.length > 0 && { environmentVariables: start.env }),
    ...(volumeMounts.length > 0 && { volumeMounts }),
    ...(context !== undefined && { securityContext: context }),
  };
  return { properties, parts };
}

function started(
  placed: PlacedContainer,
  given: ResolvedContainer,
  spec: PodSpec,
  steps: Pick<StartSteps, "copies" | "hosts">,
  hostIPs: readonly string[] | undefined,
): { readonly command: readonly string[] | undefined; readonly env: readonly EnvironmentVariable[] } {
  const { container, kind, field: path } = placed;
  const plain = withoutLateTexts(given, { field: path, spec: container, hostIPs });
  const own = [...(plain.command ?? []), ...(plain.args ?? [])];
  const workingDir =
    container.workingDir === undefined || container.workingDir === ""
      ? undefined
      : { path: container.workingDir, field: `${path}.workingDir` };
  const command = withSteps(own.length === 0 ? undefined : own, { ...steps, workingDir });
  const sidecar = kind === "init" ? undefined : sidecarField(spec);
  if (command === undefined && sidecar !== undefined)
    throw unsupported(sidecar, `${path} needs a \`command\`: a shell of its image keeps the order before it`);
  return {
    command: command === undefined ? undefined : inOrder(command, spec, placed),
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
