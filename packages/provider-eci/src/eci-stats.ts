// Figures of running pods: the cloud's newest, of many groups in one call, no more often than it has new ones.
import { type CallContext, type Clock, errorText, type PodStats } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciClient } from "./eci-client.ts";
import type { CpuMetric, GroupMetrics, MemoryMetric, MetricRecord } from "./wire-answers.ts";

type Stats = Omit<PodStats, "podRef">;

const atOnce = 20;
/** The cloud's own period. */
const periodMs = 15_000;

export interface EciStatsOptions {
  readonly client: Pick<EciClient, "metrics">;
  readonly clock: Clock;
}

export class EciStats {
  readonly #options: EciStatsOptions;
  /** By id of a group. */
  readonly #kept = new Map<string, { readonly at: number; readonly metrics: GroupMetrics | undefined }>();
  #failing = false;

  constructor(options: EciStatsOptions) {
    this.#options = options;
  }

  /** By UID; those whose call fails are left out. */
  async of(groups: readonly CloudGroup[], context: CallContext): Promise<ReadonlyMap<string, Stats>> {
    const { client, clock } = this.#options;
    const wanted = new Set(groups.map(({ id }) => id));
    for (const id of this.#kept.keys()) if (!wanted.has(id)) this.#kept.delete(id);
    const now = clock.now();
    const old = [...wanted].filter((id) => now - (this.#kept.get(id)?.at ?? 0) >= periodMs);
    const faults: string[] = [];
    await Promise.all(
      Array.from({ length: Math.ceil(old.length / atOnce) }, async (_, index) => {
        const ids = old.slice(index * atOnce, (index + 1) * atOnce);
        try {
          const found = await client.metrics(ids, { ...context, urgency: "later" });
          const byId = new Map(found.map((each) => [each.ContainerGroupId, each]));
          for (const id of ids) this.#kept.set(id, { at: now, metrics: byId.get(id) });
        } catch (error) {
          context.signal.throwIfAborted();
          faults.push(errorText(error));
        }
      }),
    );
    if (faults.length > 0 && !this.#failing) context.log.warn({ err: faults[0] }, "figures of pods cannot be had");
    this.#failing = faults.length > 0;
    return new Map(
      groups.flatMap((group): [string, Stats][] => {
        const stats = groupStats(group, this.#kept.get(group.id)?.metrics);
        return stats === undefined ? [] : [[group.owner.uid, stats]];
      }),
    );
  }
}

/** Undefined where the cloud has none yet. Pure. */
export function groupStats(
  { containers, startTime = "" }: CloudGroup,
  metrics: GroupMetrics | undefined,
): Stats | undefined {
  const record = metrics?.Records.reduce<MetricRecord | undefined>(
    (newest, each) =>
      newest === undefined || Date.parse(each.Timestamp) >= Date.parse(newest.Timestamp) ? each : newest,
    undefined,
  );
  if (record === undefined) return undefined;
  const { Timestamp, CPU, Memory, Network, Filesystem = [], Containers = [] } = record;
  const time = new Date(Timestamp).toISOString().replace(/\.\d+Z$/, "Z");
  const figures = { ...cpuOf(time, CPU), ...memoryOf(time, Memory) };
  const interfaces = (Network?.Interfaces ?? []).map(({ Name = "", RxBytes, RxErrors, TxBytes, TxErrors }) => ({
    ...{ name: Name, rxBytes: RxBytes, rxErrors: RxErrors, txBytes: TxBytes, txErrors: TxErrors },
  }));
  const main = interfaces.find(({ name }) => name === "eth0") ?? interfaces[0];
  const [root] = Filesystem;
  return {
    startTime: startTime === "" ? time : startTime,
    containers: containers.flatMap(({ name, state }) => {
      const found = Containers.find(({ Name }) => Name === name);
      if (state.running === undefined || found === undefined) return [];
      const begun = state.running.startedAt ?? startTime;
      return [{ name, startTime: begun, ...cpuOf(time, found.CPU), ...memoryOf(time, found.Memory) }];
    }),
    ...figures,
    ...(main !== undefined && { network: { time, ...main, interfaces } }),
    ...(root !== undefined && {
      "ephemeral-storage": {
        ...{ time, capacityBytes: root.Capacity, availableBytes: root.Available, usedBytes: root.Usage },
      },
    }),
  };
}

function cpuOf(time: string, cpu: CpuMetric | undefined): Pick<Stats, "cpu"> {
  if (cpu === undefined) return {};
  const { UsageNanoCores, UsageCoreNanoSeconds } = cpu;
  return { cpu: { time, usageNanoCores: UsageNanoCores, usageCoreNanoSeconds: UsageCoreNanoSeconds } };
}

function memoryOf(time: string, memory: MemoryMetric | undefined): Pick<Stats, "memory"> {
  if (memory === undefined) return {};
  const { UsageBytes, AvailableBytes, WorkingSet, Rss } = memory;
  return {
    memory: {
      ...{ time, usageBytes: UsageBytes, availableBytes: AvailableBytes, workingSetBytes: WorkingSet, rssBytes: Rss },
    },
  };
}
