// A stats summary from what a cloud says of its running pods; the node's figures are their sum. Pure.
import type { CPUStats, MemoryStats, PodStats, StatsSummary } from "../stats-summary.ts";
import type { CloudGroup } from "./cloud-backend.ts";

/** `found` by UID; a pod of whose containers nothing is known yet, or any more, is left out. */
export function cloudStats(
  node: { readonly nodeName: string; readonly startTime: string },
  groups: readonly Pick<CloudGroup, "owner">[],
  found: ReadonlyMap<string, Omit<PodStats, "podRef">>,
  now: number,
): StatsSummary {
  const pods = groups.flatMap(({ owner }): PodStats[] => {
    const stats = found.get(owner.uid);
    if (stats === undefined || stats.containers.length === 0) return [];
    const { name, namespace, uid } = owner;
    return [{ podRef: { name, namespace, uid }, ...stats }];
  });
  const time = new Date(now).toISOString();
  const sum = (
    figure: (stats: {
      readonly cpu?: CPUStats | undefined;
      readonly memory?: MemoryStats | undefined;
    }) => number | undefined,
  ): number =>
    pods.reduce((total, pod) => {
      const own = figure(pod);
      return total + (own ?? pod.containers.reduce((all, container) => all + (figure(container) ?? 0), 0));
    }, 0);
  return {
    node: {
      ...node,
      // No counter: pods come and go, and it would fall.
      cpu: { time, usageNanoCores: sum(({ cpu }) => cpu?.usageNanoCores) },
      memory: { time, workingSetBytes: sum(({ memory }) => memory?.workingSetBytes) },
    },
    pods,
  };
}
