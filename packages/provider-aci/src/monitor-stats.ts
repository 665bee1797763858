// Figures of a pod from the cloud's monitor: averages of whole minutes, by container. Pure, over what was counted before.
import type { ContainerStats, PodStats } from "@virtual-kubelet/virtual-kubelet";
import type { MetricSeries } from "./arm-client.ts";
import type { PodRuns } from "./extension-stats.ts";

export const metricNames: readonly string[] = ["CpuUsage", "MemoryUsage"];
const minute = 60_000;

/** CPU time of a run, counted minute by minute. */
interface Counted {
  readonly startTime: string;
  /** Minutes before it are counted, epoch milliseconds. */
  readonly until: number;
  readonly nanoseconds: number;
}

export type CountedRuns = ReadonlyMap<string, Counted>;

/** From when on figures are to be asked for, so that none is missed that is not counted yet. */
export function askFrom(counted: CountedRuns, now: number): number {
  const latest = Math.max(0, ...[...counted.values()].map(({ until }) => until));
  return Math.max(now - 30 * minute, Math.min(latest === 0 ? now - 5 * minute : latest, now - 3 * minute));
}

export function monitorStats(
  series: readonly MetricSeries[],
  before: CountedRuns,
  { startTime, containers }: PodRuns,
): { readonly stats: Omit<PodStats, "podRef">; readonly counted: CountedRuns } {
  const counted = new Map<string, Counted>();
  const found = [...containers].flatMap(([name, since]): ContainerStats[] => {
    // A pod of one container has figures of the group alone.
    const of = (metric: string): MetricSeries["points"] =>
      (
        series.find((each) => each.name === metric && each.container === name) ??
        (containers.size === 1
          ? series.find((each) => each.name === metric && each.container === undefined)
          : undefined)
      )?.points ?? [];
    const [cpu, memory] = [of("CpuUsage"), of("MemoryUsage")];
    const old = before.get(name);
    const known = old?.startTime === since ? old : { startTime: since, until: 0, nanoseconds: 0 };
    const run = cpu
      .filter(({ time }) => time >= known.until && time + minute > Date.parse(since))
      .reduce(
        (sum, { time, average }): Counted => ({
          ...{ startTime: since, until: time + minute },
          // Thousandths of a core for a minute.
          nanoseconds: sum.nanoseconds + average * 1e6 * 60,
        }),
        known,
      );
    counted.set(name, run);
    const [lastCPU, lastMemory] = [cpu.at(-1), memory.at(-1)];
    if (lastCPU === undefined && lastMemory === undefined) return [];
    const at = (point: { readonly time: number }): string => new Date(point.time + minute).toISOString();
    return [
      {
        ...{ name, startTime: since },
        ...(lastCPU !== undefined && {
          cpu: {
            time: at(lastCPU),
            usageNanoCores: Math.round(lastCPU.average * 1e6),
            usageCoreNanoSeconds: Math.round(run.nanoseconds),
          },
        }),
        ...(lastMemory !== undefined && {
          memory: {
            time: at(lastMemory),
            usageBytes: Math.round(lastMemory.average),
            workingSetBytes: Math.round(lastMemory.average),
          },
        }),
      },
    ];
  });
  return { stats: { startTime, containers: found }, counted };
}
