// Which pod goes first when the node runs short of something, and what is said of it: the kubelet's order. Pure.
import type { Pod } from "../kube/types.gen.ts";
import type { ContainerStats } from "../stats-summary.ts";
import { isCritical, priorityOf } from "../status/pod-priority.ts";
import { podRequests, quantities } from "../status/pod-resources.ts";

export type Pressure = "MemoryPressure" | "DiskPressure" | "PIDPressure";

export interface EvictionCandidate {
  readonly pod: Pod;
  /** Running containers; empty where nothing is known of their use. */
  readonly stats: readonly ContainerStats[];
  /** Bytes of the node's disk, volumes included; absent: what its containers take. */
  readonly storageBytes?: number | undefined;
}

/** Name of the resource that a pressure is about, as in requests and messages. */
export const scarce: Readonly<Record<Pressure, string>> = {
  MemoryPressure: "memory",
  DiskPressure: "ephemeral-storage",
  PIDPressure: "pids",
};

/**
 * In the order in which they go: those that use more than they requested, then by priority, the lowest first, then by how
 * much more they use than they requested.
 */
export function evictionOrder(
  pressure: Pressure,
  candidates: readonly EvictionCandidate[],
): readonly EvictionCandidate[] {
  const resource = scarce[pressure];
  return candidates
    .filter(({ pod }) => !isCritical(pod))
    .map((candidate) => ({ candidate, excess: excessOf(candidate, resource) }))
    .sort(
      (a, b) =>
        Number(b.excess > 0) - Number(a.excess > 0) ||
        priorityOf(a.candidate.pod) - priorityOf(b.candidate.pod) ||
        b.excess - a.excess,
    )
    .map(({ candidate }) => candidate);
}

/** "The node was low on resource: memory. Container c was using 2048Ki, request is 1Mi, has larger consumption of memory. ". */
export function evictionMessage(pressure: Pressure, { pod, stats }: EvictionCandidate): string {
  const resource = scarce[pressure];
  const parts = [`The node was low on resource: ${resource}. `];
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  for (const one of stats) {
    const used = usageOf(one, resource);
    const requests = containers.find(({ name }) => name === one.name)?.resources?.requests;
    const requested = Number(quantities(requests).get(resource) ?? 0n);
    if (used <= requested) continue;
    const what = `Container ${one.name} was using ${Math.ceil(used / 1024)}Ki`;
    parts.push(`${what}, request is ${requests?.[resource] ?? "0"}, has larger consumption of ${resource}. `);
  }
  return parts.join("");
}

/** Bytes used beyond the request; below 0 where it uses less. */
function excessOf({ pod, stats, storageBytes }: EvictionCandidate, resource: string): number {
  const all = resource === scarce.DiskPressure ? storageBytes : undefined;
  const used = all ?? stats.reduce((sum, one) => sum + usageOf(one, resource), 0);
  return used - Number(podRequests(pod).get(resource) ?? 0n);
}

function usageOf({ memory, rootfs, logs }: ContainerStats, resource: string): number {
  if (resource === "memory") return memory?.workingSetBytes ?? 0;
  return resource === "pids" ? 0 : (rootfs?.usedBytes ?? 0) + (logs?.usedBytes ?? 0);
}
