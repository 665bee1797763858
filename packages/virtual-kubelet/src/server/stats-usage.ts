// What is told of a node's usage: the model that every reader's format is rendered from, and its form as a stats Summary.
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod } from "../kube/types.gen.ts";
import type { ContainerStats, CPUStats, MemoryStats, NodeStats, PodStats, StatsSummary } from "../stats-summary.ts";

/** Times are epoch milliseconds. */
export interface CpuFigure {
  readonly timeMs: number;
  /** Nanoseconds of a core, at least 1; never falls within a run. */
  readonly counter: number;
  /** Billionths of a core. */
  readonly rate: number | undefined;
}

export interface MemoryFigure {
  readonly timeMs: number;
  /** Bytes, at least 1. */
  readonly workingSet: number;
  readonly stats: MemoryStats;
}

/** A container that runs, as its pod's status has it. */
export interface ContainerUsage {
  readonly name: string;
  readonly startMs: number | undefined;
  readonly cpu: CpuFigure | undefined;
  readonly memory: MemoryFigure | undefined;
  readonly status: ContainerStatus;
  /** What else the provider says of it. */
  readonly stats: ContainerStats | undefined;
}

export interface PodUsage {
  readonly pod: Stored<Pod>;
  readonly startMs: number | undefined;
  readonly containers: readonly ContainerUsage[];
  readonly cpu: CpuFigure | undefined;
  readonly memory: MemoryFigure | undefined;
  readonly stats: PodStats | undefined;
}

export interface NodeUsage {
  readonly name: string;
  readonly cpu: CpuFigure | undefined;
  readonly memory: MemoryFigure | undefined;
  readonly pods: readonly PodUsage[];
  readonly stats: NodeStats;
}

/** A summary has few different times, each many times over. */
const texts = new Map<number, string>();

/** RFC 3339 of epoch milliseconds; those of 1970 when the time is unknown. */
export function timeText(ms: number = 0): string {
  let text = texts.get(ms);
  if (text === undefined) {
    text = new Date(ms).toISOString();
    if (texts.size >= 1_000) texts.clear();
    texts.set(ms, text);
  }
  return text;
}

function cpuStats(figure: CpuFigure | undefined): CPUStats | undefined {
  if (figure === undefined) return undefined;
  return { time: timeText(figure.timeMs), usageNanoCores: figure.rate, usageCoreNanoSeconds: figure.counter };
}

function memoryStats(figure: MemoryFigure | undefined): MemoryStats | undefined {
  if (figure === undefined) return undefined;
  return { ...figure.stats, time: timeText(figure.timeMs), workingSetBytes: figure.workingSet };
}

/** The usage as /stats/summary has it; `cpuAndMemoryOnly` leaves out file systems, networks, volumes and processes. */
export function summaryOf(usage: NodeUsage, cpuAndMemoryOnly = false): StatsSummary {
  const { stats } = usage;
  const node = cpuAndMemoryOnly
    ? { startTime: stats.startTime, systemContainers: stats.systemContainers, swap: stats.swap }
    : stats;
  return {
    node: { ...node, nodeName: usage.name, cpu: cpuStats(usage.cpu), memory: memoryStats(usage.memory) },
    pods: usage.pods.map((pod) => podStats(pod, cpuAndMemoryOnly)),
  };
}

function podStats({ pod, startMs, containers, cpu, memory, stats }: PodUsage, cpuAndMemoryOnly: boolean): PodStats {
  const { name, namespace = "", uid } = pod.metadata;
  return {
    ...(cpuAndMemoryOnly ? { swap: stats?.swap } : stats),
    podRef: { name, namespace, uid },
    startTime: timeText(startMs),
    containers: containers.map((container) => ({
      ...(cpuAndMemoryOnly ? { swap: container.stats?.swap } : container.stats),
      name: container.name,
      startTime: timeText(container.startMs),
      cpu: cpuStats(container.cpu),
      memory: memoryStats(container.memory),
    })),
    cpu: cpuStats(cpu),
    memory: memoryStats(memory),
  };
}
