// Makes of a provider's successive summaries what is told of a node: only pods and containers that the API knows to run, every
// figure believed by the rules of stats-samples.ts, sums where the provider gives none. Holds a few numbers per container.
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod } from "../kube/types.gen.ts";
import type { ContainerStats, CPUStats, MemoryStats, PodStats, StatsSummary } from "../stats-summary.ts";
import {
  type CpuTrack,
  counterOf,
  hasCpu,
  hasMemory,
  isCurrent,
  type MemoryTrack,
  nextCpu,
  nextMemory,
  timeOf,
} from "./stats-samples.ts";
import {
  type ContainerUsage,
  type CpuFigure,
  type MemoryFigure,
  type NodeUsage,
  type PodUsage,
  timeText,
} from "./stats-usage.ts";

/** Start times that are computed afresh for each summary waver by this much. */
const startToleranceMs = 1_000;
/** How far the backend's clock may be behind before newcomers are taken for what was missing until now. */
const clockToleranceMs = 5_000;

interface Tracks {
  cpu: CpuTrack | undefined;
  memory: MemoryTrack | undefined;
  /** Added to the counter where a sum is made: what earlier runs used, less what had been used when this came into the sum. */
  before: number | undefined;
}

interface ContainerTracks extends Tracks {
  startMs: number | undefined;
}

interface PodTracks extends Tracks {
  readonly containers: Map<string, ContainerTracks>;
}

export class StatsHistory {
  readonly #name: string;
  readonly #pods = new Map<string, PodTracks>();
  readonly #node: Tracks = { cpu: undefined, memory: undefined, before: undefined };
  /** What pods used that are gone, in nanoseconds; from 1, for zero is no figure to readers. */
  #gone = 1;
  #updatedAt: number | undefined;

  constructor(nodeName: string) {
    this.#name = nodeName;
  }

  /** How many pods are remembered: those of the last update. */
  get size(): number {
    return this.#pods.size;
  }

  /** Takes in a summary, new or the last one again; `pods` are those bound to the node, `now` epoch milliseconds. */
  update(summary: StatsSummary, pods: readonly Stored<Pod>[], now: number): NodeUsage {
    const given = new Map(summary.pods.map((pod) => [pod.podRef.uid || nameOf(pod.podRef), pod]));
    const present = new Set<string>();
    const told: PodUsage[] = [];
    for (const pod of pods) {
      const { uid } = pod.metadata;
      if (present.has(uid) || pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") continue;
      present.add(uid);
      const usage = this.#updatePod(pod, given.get(uid) ?? given.get(nameOf(pod.metadata)), now);
      if (usage.containers.length > 0 || usage.stats !== undefined) told.push(usage);
    }
    for (const [uid, tracks] of this.#pods) {
      if (present.has(uid)) continue;
      this.#gone += totalOf(tracks);
      this.#pods.delete(uid);
    }
    const usage = this.#updateNode(summary, told, now);
    this.#updatedAt = now;
    return usage;
  }

  #updatePod(pod: Stored<Pod>, stats: PodStats | undefined, now: number): PodUsage {
    const { uid } = pod.metadata;
    let tracks = this.#pods.get(uid);
    if (tracks === undefined) {
      tracks = { containers: new Map(), cpu: undefined, memory: undefined, before: undefined };
      this.#pods.set(uid, tracks);
    }
    const startMs = timeOf(stats?.startTime) ?? timeOf(pod.status?.startTime);
    const given = new Map(stats?.containers.map((container) => [container.name, container]));
    const containers: ContainerUsage[] = [];
    for (const status of runningContainers(pod)) {
      const container = tracks.containers.get(status.name) ?? newContainer();
      tracks.containers.set(status.name, container);
      const of = given.get(status.name);
      updateContainer(container, status, of, now);
      if (container.cpu !== undefined) {
        const whole = tracks.cpu === undefined || this.#isNewcomer(container.startMs);
        container.before ??= whole ? 0 : -container.cpu.counter;
      }
      containers.push({
        name: status.name,
        startMs: container.startMs,
        ...figuresOf(container, now),
        status,
        stats: of,
      });
    }
    const cpu = hasCpu(stats?.cpu) ? stats?.cpu : sumOfCpu(sum(tracks.containers.values()), containers);
    tracks.cpu = nextCpu(tracks.cpu, cpu, startMs, now);
    tracks.memory = nextMemory(tracks.memory, hasMemory(stats?.memory) ? stats?.memory : sumOfMemory(containers), now);
    // The node's sum begins with this process and not with its pods: a restart must not show as hours of usage at once.
    if (tracks.cpu !== undefined) {
      const whole = this.#updatedAt !== undefined && this.#isNewcomer(startMs);
      tracks.before ??= whole ? 0 : -tracks.cpu.counter;
    }
    return { pod, startMs, containers, ...figuresOf(tracks, now), stats };
  }

  #updateNode(summary: StatsSummary, pods: readonly PodUsage[], now: number): NodeUsage {
    const stats = summary.node;
    const node = this.#node;
    const used = this.#gone + sum(this.#pods.values());
    // Without pods it uses nothing, which has to be said by the smallest figures: zeros are none to readers.
    const idle = { time: timeText(now) };
    const sums =
      pods.length > 0
        ? { cpu: sumOfCpu(used, pods), memory: sumOfMemory(pods) }
        : { cpu: { ...idle, usageNanoCores: 0, usageCoreNanoSeconds: used }, memory: { ...idle, workingSetBytes: 1 } };
    node.cpu = nextCpu(node.cpu, hasCpu(stats.cpu) ? stats.cpu : sums.cpu, timeOf(stats.startTime), now);
    node.memory = nextMemory(node.memory, hasMemory(stats.memory) ? stats.memory : sums.memory, now);
    return { name: this.#name, ...figuresOf(node, now), pods, stats };
  }

  /** Has it started since the last update? Then all that it used is new. */
  #isNewcomer(startMs: number | undefined): boolean {
    if (this.#updatedAt === undefined) return true;
    return startMs !== undefined && startMs >= this.#updatedAt - clockToleranceMs;
  }
}

const nameOf = ({ namespace, name }: { readonly namespace?: string; readonly name: string }): string =>
  `${namespace ?? ""}/${name}`;

function newContainer(): ContainerTracks {
  return { startMs: undefined, cpu: undefined, memory: undefined, before: undefined };
}

/** Each once, as the API has them: what has ended or not begun has no usage, whatever the provider still says of it. */
export function runningContainers(pod: Stored<Pod>): Iterable<ContainerStatus> {
  const { containerStatuses, initContainerStatuses, ephemeralContainerStatuses } = pod.status ?? {};
  const running = new Map<string, ContainerStatus>();
  for (const list of [initContainerStatuses, containerStatuses, ephemeralContainerStatuses]) {
    for (const status of list ?? []) if (status.state?.running !== undefined) running.set(status.name, status);
  }
  return running.values();
}

function updateContainer(
  tracks: ContainerTracks,
  status: ContainerStatus,
  stats: ContainerStats | undefined,
  now: number,
): void {
  const starts = [timeOf(stats?.startTime), timeOf(status.state?.running?.startedAt)].filter((ms) => ms !== undefined);
  const startMs = starts.length === 0 ? undefined : Math.max(...starts);
  if (isNewRun(tracks, startMs, counterOf(stats?.cpu))) {
    if (tracks.before !== undefined) tracks.before += tracks.cpu?.counter ?? 0;
    tracks.cpu = undefined;
    tracks.memory = undefined;
    tracks.startMs = startMs;
  }
  // Kept as it was first told: metrics-server gives up on a start that moves.
  tracks.startMs ??= startMs;
  tracks.cpu = nextCpu(tracks.cpu, ofRun(stats?.cpu, tracks.startMs), tracks.startMs, now);
  tracks.memory = nextMemory(tracks.memory, ofRun(stats?.memory, tracks.startMs), now);
}

function isNewRun(tracks: ContainerTracks, startMs: number | undefined, counter: number | undefined): boolean {
  if (startMs === undefined || tracks.startMs === undefined || startMs <= tracks.startMs) return false;
  const fell = counter !== undefined && tracks.cpu?.raw !== undefined && counter < tracks.cpu.raw;
  return fell || startMs > tracks.startMs + startToleranceMs;
}

/** A sample from before the run began is of the one before it. */
function ofRun<T extends CPUStats | MemoryStats>(stats: T | undefined, startMs: number | undefined): T | undefined {
  const sampleMs = timeOf(stats?.time);
  const isOlder = sampleMs !== undefined && startMs !== undefined && sampleMs < startMs - startToleranceMs;
  return isOlder ? undefined : stats;
}

interface Figures {
  readonly cpu: CpuFigure | undefined;
  readonly memory: MemoryFigure | undefined;
}

function figuresOf({ cpu, memory }: Tracks, now: number): Figures {
  return { cpu: isCurrent(cpu, now) ? cpu : undefined, memory: isCurrent(memory, now) ? memory : undefined };
}

const totalOf = ({ before, cpu }: Tracks): number => (before ?? 0) + (cpu?.counter ?? 0);

function sum(parts: Iterable<Tracks>): number {
  let used = 0;
  for (const part of parts) used += totalOf(part);
  return used;
}

/** The counter `used` as of the newest of the parts; undefined while none has a figure. */
function sumOfCpu(used: number, parts: readonly Figures[]): CPUStats | undefined {
  let timeMs = 0;
  let rate: number | undefined = 0;
  for (const { cpu } of parts) {
    if (cpu === undefined) continue;
    timeMs = Math.max(timeMs, cpu.timeMs);
    rate = rate === undefined || cpu.rate === undefined ? undefined : rate + cpu.rate;
  }
  if (timeMs === 0) return undefined;
  return { time: timeText(timeMs), usageCoreNanoSeconds: Math.max(1, used), usageNanoCores: rate };
}

function sumOfMemory(parts: readonly Figures[]): MemoryStats | undefined {
  let timeMs = 0;
  let workingSetBytes = 0;
  let usageBytes: number | undefined = 0;
  let rssBytes: number | undefined = 0;
  for (const { memory } of parts) {
    if (memory === undefined) continue;
    timeMs = Math.max(timeMs, memory.timeMs);
    workingSetBytes += memory.workingSet;
    usageBytes = plus(usageBytes, memory.stats.usageBytes);
    rssBytes = plus(rssBytes, memory.stats.rssBytes);
  }
  if (timeMs === 0) return undefined;
  return { time: timeText(timeMs), workingSetBytes, usageBytes, rssBytes };
}

/** Undefined as soon as one of them is unknown. */
function plus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}
