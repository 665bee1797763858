// Figures that the process keeps as metrics anyway, by node and by queue.
import type { Metrics } from "../metrics.ts";
import type { QueueState } from "./view-state.ts";

export interface ProcessFigures {
  readonly queues: readonly QueueState[];
  /** Share of what is allocatable, 0 to 1; undefined where the node has none of it. */
  requested(node: string, resource: string): number | undefined;
  /** Epoch milliseconds, to the second. */
  leaseRenewedAt(node: string): number | undefined;
  readonly leaseSeconds: number | undefined;
}

export async function readFigures(metrics: Metrics, now: number): Promise<ProcessFigures> {
  // In this order: the first of each group has the others set.
  const depth = await metrics.queueDepth.get();
  const oldest = await metrics.queueOldest.get();
  await metrics.pods.get();
  const allocatable = byKey((await metrics.nodeAllocatable.get()).values, "node", "resource");
  const requested = byKey((await metrics.nodeRequested.get()).values, "node", "resource");
  const leaseAge = byKey((await metrics.leaseAge.get()).values, "node");
  const duration = (await metrics.leaseDuration.get()).values[0]?.value;

  const depths = byKey(depth.values, "queue", "state");
  const ages = byKey(oldest.values, "queue", "state");
  const names = [...new Set(depth.values.map(({ labels }) => String(labels.queue)))];
  return {
    queues: names.map((name) => ({
      name,
      waiting: depths.get(`${name} waiting`) ?? 0,
      active: depths.get(`${name} active`) ?? 0,
      delayed: depths.get(`${name} delayed`) ?? 0,
      oldestSeconds: Math.round(ages.get(`${name} waiting`) ?? 0),
    })),
    requested: (node, resource) => {
      const room = allocatable.get(`${node} ${resource}`);
      const asked = requested.get(`${node} ${resource}`);
      return room === undefined || room === 0 || asked === undefined ? undefined : asked / room;
    },
    leaseRenewedAt: (node) => {
      const age = leaseAge.get(node);
      return age === undefined ? undefined : Math.round(now / 1000 - age) * 1000;
    },
    leaseSeconds: duration,
  };
}

function byKey<L extends string>(
  values: readonly { readonly value: number; readonly labels: Partial<Record<L, string | number>> }[],
  ...labels: readonly L[]
): ReadonlyMap<string, number> {
  return new Map(values.map((one) => [labels.map((label) => String(one.labels[label])).join(" "), one.value]));
}
