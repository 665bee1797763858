// A pod as a container group: the request that makes it, and what is told of sizes and fields. Pure.
import { createHash } from "node:crypto";
import {
  type Container,
  type PodRequest,
  type PodSpec,
  parseQuantity,
  VirtualKubeletError,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, shortName } from "@virtual-kubelet/virtual-kubelet/cloud";
import { admittedNotes } from "./admission.ts";
import type { EciConfig } from "./config.ts";
import { helperContainer, helperOf } from "./files-helper.ts";
import { translatedNetwork } from "./network.ts";
import { wishesOf } from "./pod-wishes.ts";
import { registryCredentials } from "./registries.ts";
import { sysctlsOf } from "./security.ts";
import { groupSizes } from "./sizes.ts";
import { tagsOf } from "./tags.ts";
import { translatedContainers } from "./translate-containers.ts";
import { translatedVolumes } from "./volumes.ts";
import type { CreateContainerGroupRequest } from "./wire.ts";

export interface TranslationOptions {
  readonly config: EciConfig;
  /** Addresses of the node, where it has some. */
  readonly hostIPs?: readonly string[] | undefined;
}

export interface TranslatedGroup {
  readonly request: CreateContainerGroupRequest;
  readonly notes: readonly CreateNote[];
}

const longestName = 128;
/** GiB that each group has without being asked for. */
const freeStorage = 30;

/** Throws Unsupported or Invalid with the field. */
export function translateGroup(request: PodRequest, { config, hostIPs }: TranslationOptions): TranslatedGroup {
  const { owner, pod, revision, resolved } = request;
  const admitted = admittedNotes(pod, config);
  if (resolved === undefined)
    throw new VirtualKubeletError("Internal", `what pod ${owner.namespace}/${owner.name} refers to is not resolved`);
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const wishes = wishesOf(pod, config);
  const sizes = groupSizes(spec, config);
  const { volumes, delivered, notes } = translatedVolumes(spec, resolved.volumes, config);
  const helper = helperOf(delivered, spec, config.helperImage, volumes.length);
  const writable = new Set(delivered.map(({ volume }) => volume));
  const { initContainers, containers } = translatedContainers({ spec, resolved, sizes, config, writable, hostIPs });
  const images = resolved.containers.map(({ image }) => image);
  const credentials = registryCredentials(
    resolved.imageCredentials,
    helper.containers.length === 0 ? images : [...images, config.helperImage],
  );
  const size = wishes.size ?? sizes.group;
  const allVolumes = [...helper.volumes, ...volumes];
  const allInit = [...helper.containers, ...initContainers];
  const storage = wishes.extraStorage ?? extraStorage(spec);
  const { SecurityContext, HostSecurityContext } = sysctlsOf(spec);
  const host = [...(HostSecurityContext?.Sysctl ?? []), ...(wishes.request.HostSecurityContext?.Sysctl ?? [])];
  return {
    notes: [...admitted, ...notes],
    request: {
      ContainerGroupName: shortName(`${owner.namespace}-${owner.name}`, { uid: owner.uid, max: longestName }),
      ClientToken: clientToken(owner),
      RestartPolicy: policyOf(spec),
      ...wishes.request,
      // A type says it all.
      ...(wishes.request.InstanceType === undefined && { Cpu: size.cpu, Memory: size.memory }),
      ...(storage > 0 && { EphemeralStorage: storage }),
      ...(spec.activeDeadlineSeconds !== undefined && { ActiveDeadlineSeconds: spec.activeDeadlineSeconds }),
      TerminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
      ...(spec.shareProcessNamespace === true && { ShareProcessNamespace: true }),
      ...(SecurityContext !== undefined && { SecurityContext }),
      ...(host.length > 0 && { HostSecurityContext: { Sysctl: host } }),
      ...translatedNetwork(spec, resolved),
      ...(credentials.length > 0 && { ImageRegistryCredential: credentials }),
      ...(allVolumes.length > 0 && { Volume: allVolumes }),
      ...(allInit.length > 0 && { InitContainer: allInit }),
      Container: containers,
      Tag: tagsOf(owner, revision, config.tags),
    },
  };
}

export const hiddenContainers: ReadonlySet<string> = new Set([helperContainer]);

/** The same for the same pod at any time: the cloud makes one group for it. */
export function clientToken({ cluster, uid }: Pick<PodRequest["owner"], "cluster" | "uid">): string {
  return createHash("sha256").update(`${cluster}/${uid}`).digest("hex");
}

export function removalToken(id: string): string {
  return createHash("sha256").update(`remove/${id}`).digest("hex");
}

function policyOf({ restartPolicy }: PodSpec): "Always" | "OnFailure" | "Never" {
  return restartPolicy === "Never" || restartPolicy === "OnFailure" ? restartPolicy : "Always";
}

/** GiB that its containers ask for beyond what is free. */
function extraStorage({ containers, initContainers = [] }: PodSpec): number {
  const asked = ({ resources }: Container): bigint =>
    wholeUnits(
      parseQuantity(resources?.requests?.["ephemeral-storage"] ?? resources?.limits?.["ephemeral-storage"] ?? "0"),
    );
  const main = containers.reduce((sum, container) => sum + asked(container), 0n);
  const most = initContainers.map(asked).reduce((largest, each) => (each > largest ? each : largest), main);
  return Math.max(0, Math.ceil(Number(most) / 2 ** 30) - freeStorage);
}
