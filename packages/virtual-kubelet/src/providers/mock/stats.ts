// The stats summary of a mock node, out of what its containers use.
import type { Time } from "../../kube/types.gen.ts";
import type {
  ContainerStats,
  FsStats,
  InterfaceStats,
  NetworkStats,
  PodStats,
  StatsSummary,
} from "../../stats-summary.ts";
import type { PodUsage } from "./runs.ts";

export interface NodeFigures {
  readonly node: string;
  /** Bytes. */
  readonly memory: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
}

/** From the start of a run to its first sample. */
const firstSampleMs = 1000;
const mebibyte = 1024 ** 2;
/** Of the node itself, beside its pods. */
const systemCores = 0.05;
const systemMemory = 256 * mebibyte;
const diskBytes = 100 * 1024 ** 3;
const diskInodes = 6_553_600;

/** Keeps what the node has used, so that its counters go on rising when pods have gone. */
export class NodeStatsKeeper {
  readonly #figures: NodeFigures;
  /** Core nanoseconds of runs, by what they had when they were last seen. */
  #seen = new Map<string, number>();
  #podsSoFar = 0;

  constructor(figures: NodeFigures) {
    this.#figures = figures;
  }

  /** `now` in epoch milliseconds, not before that of the call before. */
  summary(usages: readonly PodUsage[], now: number): StatsSummary {
    const seen = new Map<string, number>();
    for (const { owner, containers } of usages) {
      for (const { name, startedAt, cpuCoreNanoSeconds } of containers) {
        const key = `${owner.uid}/${name}/${startedAt}`;
        this.#podsSoFar += Math.max(0, cpuCoreNanoSeconds - (this.#seen.get(key) ?? 0));
        seen.set(key, cpuCoreNanoSeconds);
      }
    }
    this.#seen = seen;
    const pods = usages.map((usage) => podStats(usage, now)).filter((pod) => pod !== undefined);
    return { node: this.#node(usages, now), pods };
  }

  #node(usages: readonly PodUsage[], now: number): StatsSummary["node"] {
    const { node, memory, startedAt } = this.#figures;
    const time = timeOf(now);
    const containers = usages.flatMap((usage) => usage.containers);
    const used = sum(containers.map(({ memoryBytes }) => memoryBytes)) + systemMemory;
    const seconds = Math.max(0, now - startedAt) / 1000;
    const fs = fsStats(time, 4 * 1024 ** 3 + containers.length * 32 * mebibyte, 100_000);
    return {
      nodeName: node,
      startTime: timeOf(startedAt),
      cpu: {
        time,
        usageNanoCores: Math.round(sum(containers.map(({ cpuNanoCores }) => cpuNanoCores)) + systemCores * 1e9),
        usageCoreNanoSeconds: Math.round(this.#podsSoFar + Math.max(0.001, seconds) * systemCores * 1e9),
      },
      memory: {
        time,
        availableBytes: Math.max(0, memory - used),
        usageBytes: used,
        workingSetBytes: used,
        rssBytes: Math.round(used * 0.8),
        pageFaults: Math.round(seconds * 100),
        majorPageFaults: 0,
      },
      network: networkStats(time, seconds * 2 + this.#podsSoFar / 1e9),
      fs,
      runtime: { imageFs: fs, containerFs: fs },
      rlimit: { time, maxpid: 4_194_304, curproc: 100 + containers.length },
    };
  }
}

function podStats({ owner, acceptedAt, containers }: PodUsage, now: number): PodStats | undefined {
  const time = timeOf(now);
  const sampled = containers.filter(({ startedAt }) => now - startedAt >= firstSampleMs);
  if (sampled.length === 0) return undefined;
  const { name, namespace, uid } = owner;
  const stats = sampled.map(
    ({ name: container, startedAt, cpuNanoCores, cpuCoreNanoSeconds, memoryBytes }): ContainerStats => ({
      name: container,
      startTime: timeOf(startedAt),
      // A process that exists has used something: zero would say that nothing is known.
      cpu: { time, usageNanoCores: cpuNanoCores, usageCoreNanoSeconds: Math.max(1, cpuCoreNanoSeconds) },
      memory: memoryStats(time, memoryBytes),
      rootfs: fsStats(time, 32 * mebibyte, 500),
      logs: fsStats(time, 4096 + Math.floor((now - startedAt) / 5000) * 80, 1),
    }),
  );
  const memory = sum(sampled.map(({ memoryBytes }) => memoryBytes));
  const seconds = (now - acceptedAt) / 1000;
  return {
    podRef: { name, namespace, uid },
    startTime: timeOf(acceptedAt),
    containers: stats,
    cpu: {
      time,
      usageNanoCores: sum(sampled.map(({ cpuNanoCores }) => cpuNanoCores)),
      usageCoreNanoSeconds: Math.max(1, sum(sampled.map(({ cpuCoreNanoSeconds }) => cpuCoreNanoSeconds))),
    },
    memory: memoryStats(time, memory),
    network: networkStats(time, seconds),
    "ephemeral-storage": fsStats(time, sampled.length * 32 * mebibyte, sampled.length * 500),
    process_stats: { process_count: sampled.length },
  };
}

function memoryStats(time: Time, bytes: number): NonNullable<ContainerStats["memory"]> {
  const workingSetBytes = Math.max(1, bytes);
  const rssBytes = Math.round(workingSetBytes * 0.9);
  return { time, usageBytes: workingSetBytes, workingSetBytes, rssBytes, pageFaults: 1000, majorPageFaults: 0 };
}

/** So much traffic comes with each second. */
function networkStats(time: Time, seconds: number): NetworkStats {
  const own: InterfaceStats = {
    name: "eth0",
    rxBytes: Math.floor(seconds * 2048),
    rxErrors: 0,
    txBytes: Math.floor(seconds * 1024),
    txErrors: 0,
  };
  return { time, ...own, interfaces: [own] };
}

function fsStats(time: Time, usedBytes: number, inodesUsed: number): FsStats {
  return {
    time,
    availableBytes: Math.max(0, diskBytes - usedBytes),
    capacityBytes: diskBytes,
    usedBytes,
    inodesFree: diskInodes - inodesUsed,
    inodes: diskInodes,
    inodesUsed,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function timeOf(ms: number): Time {
  return new Date(ms).toISOString();
}
