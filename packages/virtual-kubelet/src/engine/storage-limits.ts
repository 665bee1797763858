// Whether a pod uses more of the node's disk than it may, and what is said of it: the kubelet's rules. Pure.
import { addQuantity, parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { Container, Pod } from "../kube/types.gen.ts";
import type { ContainerStats, FsStats, PodStats } from "../stats-summary.ts";
import { isSidecar } from "../status/restart-policy.ts";

const resource = "ephemeral-storage";

/** What is known of a pod's use; what is unknown is within all limits. */
export interface StorageUse {
  /** Running containers. */
  readonly containers: readonly ContainerStats[];
  /** Its volumes and the whole of it, where the runtime tells. */
  readonly pod?: Pick<PodStats, "volume" | "ephemeral-storage"> | undefined;
}

/** Is there anything to be looked at? */
export function hasStorageLimits({ spec }: Pod): boolean {
  return (
    spec?.volumes?.some(({ emptyDir }) => bytes(emptyDir?.sizeLimit) > 0n) === true ||
    spec?.containers.some((container) => bytes(limitOf(container)) > 0n) === true ||
    spec?.initContainers?.some((container) => bytes(limitOf(container)) > 0n) === true
  );
}

/**
 * Why a pod is to be evicted; undefined: it is within its limits. First the volumes, then the pod as a whole, then its
 * containers: 'Usage of EmptyDir volume "x" exceeds the limit "1Mi". '.
 */
export function storageExcess(pod: Pod, { containers, pod: figures }: StorageUse): string | undefined {
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const used = figures?.volume?.find((volume) => volume.name === name)?.usedBytes;
    if (isBeyond(used, emptyDir?.sizeLimit))
      return `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(emptyDir?.sizeLimit)}. `;
  }
  const total = totalLimit(pod);
  if (isBeyond(figures?.["ephemeral-storage"]?.usedBytes, total))
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${total}. `;
  for (const container of pod.spec?.containers ?? []) {
    const stats = containers.find(({ name }) => name === container.name);
    const limit = limitOf(container);
    if (isBeyond(sum(stats?.rootfs, stats?.logs), limit))
      return `Container ${container.name} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `;
  }
  return undefined;
}

/** Of the containers that have one: those that run together, or of the init container that has more. */
function totalLimit({ spec }: Pod): string | undefined {
  const init = spec?.initContainers ?? [];
  const together = added([...init.filter(isSidecar), ...(spec?.containers ?? [])].map(limitOf));
  return init
    .map((container, index) =>
      isSidecar(container) ? undefined : added([...init.slice(0, index).filter(isSidecar), container].map(limitOf)),
    )
    .reduce((most, each) => (bytes(each) > bytes(most) ? each : most), together);
}

function added(limits: readonly (string | undefined)[]): string | undefined {
  return limits.reduce((total, limit) => {
    if (total === undefined || limit === undefined) return total ?? limit;
    return addQuantity(total, limit);
  }, undefined);
}

function limitOf({ resources }: Container): string | undefined {
  return resources?.limits?.[resource];
}

function isBeyond(used: number | undefined, limit: string | undefined): boolean {
  const most = bytes(limit);
  return used !== undefined && most > 0n && BigInt(used) > most;
}

function bytes(quantity: string | undefined): bigint {
  return quantity === undefined ? 0n : wholeUnits(parseQuantity(quantity));
}

function sum(...parts: readonly (FsStats | undefined)[]): number {
  return parts.reduce((total, part) => total + (part?.usedBytes ?? 0), 0);
}
