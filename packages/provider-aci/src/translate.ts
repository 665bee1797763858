// A pod as a container group: the body of its creation, and what is told of sizes and fields. Pure.
import {
  type Container,
  type LateText,
  type PodRequest,
  type PodSpec,
  type ResolvedContainer,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ownerTags, shortName } from "@virtual-kubelet/virtual-kubelet/cloud";
import { admitPod, gpuResource, isApiAccess, reachOf } from "./admission.ts";
import type { AciConfig } from "./config.ts";
import { type GroupExtras, groupProperties, identityOf } from "./group-properties.ts";
import { translatedMounts, type VolumePart } from "./mounts.ts";
import { containerPorts, translatedNetwork } from "./network.ts";
import { type PodWishes, wishesOf } from "./pod-annotations.ts";
import { ignored, unsupported } from "./pod-faults.ts";
import { translatedProbes } from "./probes.ts";
import { registryCredentials } from "./registries.ts";
import { containerSecurity, podSecurity } from "./security.ts";
import { groupSizes, type SizedContainer } from "./sizes.ts";
import { type StartSteps, withSteps } from "./start-steps.ts";
import { tagOptions } from "./tags.ts";
import { holdsToken, translatedVolumes } from "./volumes.ts";
import type { ContainerGroup, ContainerProperties, EnvironmentVariable, InitContainerDefinition } from "./wire.ts";

export interface TranslationOptions {
  readonly config: AciConfig;
  readonly clusterDomain: string;
  /** "linux" or "windows". */
  readonly operatingSystem: string;
  readonly extras?: GroupExtras | undefined;
}

export interface TranslatedGroup {
  readonly name: string;
  readonly group: ContainerGroup;
  readonly notes: readonly CreateNote[];
}

const longestName = 63;
/** Brings files into volumes before all others run. */
export const helperContainer = "virtual-kubelet-files";

/** Of [a-z0-9-], the same for the same pod at any time. */
export function groupName({ owner }: Pick<PodRequest, "owner">): string {
  return shortName(`${owner.namespace}-${owner.name}`, { uid: owner.uid, max: longestName });
}

/** Throws Unsupported or Invalid with the field. */
export function translateGroup(request: PodRequest, options: TranslationOptions): TranslatedGroup {
  const { owner, pod, revision, resolved } = request;
  const { config, operatingSystem, clusterDomain, extras = {} } = options;
  admitPod(pod, { config, operatingSystem });
  if (resolved === undefined)
    throw new VirtualKubeletError("Internal", `what pod ${owner.namespace}/${owner.name} refers to is not resolved`);
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const wishes = wishesOf(pod, config);
  const notes: CreateNote[] = [...podSecurity(spec, config), ...idleFields(spec, resolved.hostname, owner.name)];
  const sizes = groupSizes(spec, config.defaultRequests);
  notes.push(...sizes.notes);

  const omitted = new Set(
    operatingSystem === "windows" ? (spec.volumes ?? []).map(({ name }) => name).filter(isApiAccess) : [],
  );
  const renewed = new Set((spec.volumes ?? []).filter(holdsToken).map(({ name }) => name));
  const parts: VolumePart[] = [];
  const mounted = new Set<string>();
  const built = (["initContainers", "containers"] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => {
      const path = `spec.${list}[${index}]`;
      const given = resolved.containers.find(({ name }) => name === container.name);
      if (given === undefined) throw new VirtualKubeletError("Internal", `${path} is not resolved`);
      const kept = { ...given, mounts: given.mounts.filter(({ volume }) => !omitted.has(volume)) };
      const mounts = translatedMounts(kept, path, resolved.volumes, config.helperImage === "" ? new Set() : renewed);
      parts.push(...mounts.parts);
      for (const { name } of mounts.mounts) mounted.add(name);
      const security = containerSecurity(container, spec, path, config);
      notes.push(...security.notes);
      const hosts =
        list === "containers" && (spec.hostAliases ?? []).length > 0
          ? { text: aliases(spec), field: "spec.hostAliases" }
          : undefined;
      const start = started(container, kept, path, { copies: mounts.copies, hosts });
      const common = {
        image: given.image,
        ...(start.command !== undefined && { command: start.command }),
        ...(start.env.length > 0 && { environmentVariables: start.env }),
        ...(mounts.mounts.length > 0 && { volumeMounts: mounts.mounts }),
        ...(security.context !== undefined && { securityContext: security.context }),
      };
      return { list, container, path, common };
    }),
  );
  const volumes = translatedVolumes({
    ...{ spec: { ...spec, volumes: (spec.volumes ?? []).filter(({ name }) => !omitted.has(name)) } },
    ...{ namespace: owner.namespace, resolved: resolved.volumes, mounted, parts, config },
  });
  notes.push(...volumes.notes);
  const network = translatedNetwork(pod, resolved.resolvConf, wishes, config, clusterDomain);
  notes.push(...network.notes);
  const registries = registryCredentials(
    resolved.imageCredentials,
    resolved.containers.map(({ image }) => image),
    config,
  );
  const identity = identityOf(wishes, registries);
  const reach = reachOf(config, wishes);
  const initContainers = built
    .filter(({ list }) => list === "initContainers")
    .map(({ container, common }): InitContainerDefinition => ({ name: container.name, properties: common }));
  const containers = built
    .filter(({ list }) => list === "containers")
    .map(({ container, path, common }) => {
      const ports = containerPorts(container, path);
      const properties: ContainerProperties = {
        ...common,
        ...(ports.length > 0 && { ports }),
        resources: withGPU(sizes.containers.get(container.name), container, wishes),
        ...translatedProbes(container, path, reach),
      };
      return { name: container.name, properties };
    });
  const group: ContainerGroup = {
    location: config.region,
    tags: { ...config.tags, ...wishes.tags, ...ownerTags(owner, revision, tagOptions) },
    ...(wishes.zones.length > 0 && { zones: wishes.zones }),
    ...(identity !== undefined && { identity }),
    properties: {
      osType: operatingSystem === "windows" ? "Windows" : "Linux",
      restartPolicy: policyOf(spec),
      ...(initContainers.length > 0 && { initContainers }),
      containers,
      ...(volumes.volumes.length > 0 && { volumes: volumes.volumes }),
      ...(registries.length > 0 && { imageRegistryCredentials: registries }),
      ...network.properties,
      ...groupProperties(owner, wishes, config, operatingSystem, extras),
    },
  };
  return { name: groupName(request), group, notes };
}

function started(
  container: Container,
  given: ResolvedContainer,
  path: string,
  steps: Pick<StartSteps, "copies" | "hosts">,
): { readonly command: readonly string[] | undefined; readonly env: readonly EnvironmentVariable[] } {
  const texts = (list: readonly LateText[] | undefined): readonly string[] =>
    (list ?? []).map((text) => plain(text, path));
  const own = [...texts(given.command), ...texts(given.command === undefined ? undefined : given.args)];
  const workingDir =
    container.workingDir === undefined || container.workingDir === ""
      ? undefined
      : { path: container.workingDir, field: `${path}.workingDir` };
  return {
    command: withSteps(own.length === 0 ? undefined : own, { ...steps, workingDir }),
    env: given.env.map(({ name, value, secret }) =>
      secret === true ? { name, secureValue: plain(value, path) } : { name, value: plain(value, path) },
    ),
  };
}

function plain(text: LateText, path: string): string {
  if (typeof text !== "string") throw unsupported(path, "addresses are not known before the container is made");
  return text;
}

function withGPU(sized: SizedContainer | undefined, { resources }: Container, { gpuSKU }: PodWishes): SizedContainer {
  const { requests, limits } = sized ?? { requests: { cpu: 1, memoryInGB: 1 } };
  const count = Number(resources?.limits?.[gpuResource] ?? resources?.requests?.[gpuResource] ?? 0);
  if (count === 0 || gpuSKU === undefined) return { requests, ...(limits !== undefined && { limits }) };
  const gpu = { count, sku: gpuSKU };
  return { requests: { ...requests, gpu }, limits: { ...limits, gpu } };
}

function policyOf({ restartPolicy }: PodSpec): "Always" | "OnFailure" | "Never" {
  return restartPolicy === "Never" || restartPolicy === "OnFailure" ? restartPolicy : "Always";
}

/** Lines for /etc/hosts. */
function aliases({ hostAliases = [] }: PodSpec): string {
  return hostAliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}\n`).join("");
}

/** What has no effect, and harms nobody by it. */
function idleFields(spec: PodSpec, hostname: string, name: string): readonly CreateNote[] {
  const own = spec.hostname !== undefined && spec.hostname !== "" && hostname !== name;
  const storage = [...(spec.initContainers ?? []), ...spec.containers].find(
    ({ resources }) => resources?.limits?.["ephemeral-storage"] !== undefined,
  );
  return [
    ...(own || spec.setHostnameAsFQDN === true
      ? [ignored("spec.hostname", "the cloud names its hosts by itself")]
      : []),
    ...(storage === undefined
      ? []
      : [ignored(`${storage.name}: resources.limits[ephemeral-storage]`, "the cloud limits none")]),
  ];
}
