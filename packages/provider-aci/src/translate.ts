// A pod as a container group: the body of its creation, and what is told of sizes and fields. Pure.
import { type PodRequest, type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ownerTags, shortName } from "@virtual-kubelet/virtual-kubelet/cloud";
import { admitPod, isApiAccess } from "./admission.ts";
import type { AciConfig } from "./config.ts";
import { helperOf } from "./files-helper.ts";
import { type GroupExtras, groupProperties, identityOf } from "./group-properties.ts";
import { translatedNetwork } from "./network.ts";
import { wishesOf } from "./pod-annotations.ts";
import { podNotes } from "./pod-notes.ts";
import { registryCredentials } from "./registries.ts";
import { sidecarOpener, sidecarVolumes } from "./sidecars.ts";
import { tagOptions } from "./tags.ts";
import { translatedContainers } from "./translate-containers.ts";
import { translatedVolumes } from "./volumes.ts";
import type { ContainerGroup } from "./wire.ts";

export interface TranslationOptions {
  readonly config: AciConfig;
  readonly clusterDomain: string;
  /** "linux" or "windows". */
  readonly operatingSystem: string;
  readonly extras?: GroupExtras | undefined;
  /** Addresses of the node, where it has some. */
  readonly hostIPs?: readonly string[] | undefined;
}

export interface TranslatedGroup {
  readonly name: string;
  readonly group: ContainerGroup;
  readonly notes: readonly CreateNote[];
}

const longestName = 63;

/** Of [a-z0-9-], the same for the same pod at any time. */
export function groupName({ owner }: Pick<PodRequest, "owner">): string {
  return shortName(`${owner.namespace}-${owner.name}`, { uid: owner.uid, max: longestName });
}

/** Throws Unsupported or Invalid with the field. */
export function translateGroup(request: PodRequest, options: TranslationOptions): TranslatedGroup {
  const { owner, pod, revision, resolved } = request;
  const { config, operatingSystem, clusterDomain, extras = {}, hostIPs } = options;
  admitPod(pod, { config, operatingSystem });
  if (resolved === undefined)
    throw new VirtualKubeletError("Internal", `what pod ${owner.namespace}/${owner.name} refers to is not resolved`);
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const wishes = wishesOf(pod, config);
  const omitted = new Set(
    operatingSystem === "windows" ? (spec.volumes ?? []).map(({ name }) => name).filter(isApiAccess) : [],
  );
  const { initContainers, containers, mounted, parts } = translatedContainers({
    ...{ spec, resolved, wishes, config, omitted, hostIPs },
  });
  const volumes = translatedVolumes({
    ...{ spec: { ...spec, volumes: (spec.volumes ?? []).filter(({ name }) => !omitted.has(name)) } },
    ...{ namespace: owner.namespace, resolved: resolved.volumes, mounted, parts, config },
  });
  const allVolumes = [...volumes.volumes, ...sidecarVolumes(spec)];
  const network = translatedNetwork(pod, resolved.resolvConf, wishes, config, clusterDomain);
  const helper = helperOf(volumes.delivered, spec, config);
  const allInit = [...helper, ...sidecarOpener(spec), ...initContainers];
  const images = resolved.containers.map(({ image }) => image);
  const registries = registryCredentials(
    resolved.imageCredentials,
    helper.length === 0 ? images : [...images, config.helperImage],
    config,
  );
  const identity = identityOf(wishes, registries);
  const group: ContainerGroup = {
    location: config.region,
    tags: { ...config.tags, ...wishes.tags, ...ownerTags(owner, revision, tagOptions) },
    ...(wishes.zones.length > 0 && { zones: wishes.zones }),
    ...(identity !== undefined && { identity }),
    properties: {
      osType: operatingSystem === "windows" ? "Windows" : "Linux",
      restartPolicy: policyOf(spec),
      ...(allInit.length > 0 && { initContainers: allInit }),
      containers,
      ...(allVolumes.length > 0 && { volumes: allVolumes }),
      ...(registries.length > 0 && { imageRegistryCredentials: registries }),
      ...network.properties,
      ...groupProperties(owner, wishes, config, operatingSystem, extras),
    },
  };
  const notes = [...podNotes(pod, config), ...volumes.notes, ...network.notes];
  return { name: groupName(request), group, notes };
}

function policyOf({ restartPolicy }: PodSpec): "Always" | "OnFailure" | "Never" {
  return restartPolicy === "Never" || restartPolicy === "OnFailure" ? restartPolicy : "Always";
}
