// From requests and limits to the numbers that the kernel takes, as kubelets reckon them. Pure.
import {
  type ContainerSpec,
  type KillRank,
  milliUnits,
  parseQuantity,
  type ResourceRequirements,
  wholeUnits,
} from "@virtual-kubelet/virtual-kubelet";
import type { ContainerCreate } from "../engine/engine-client.ts";

/** What of the engine's host goes into the numbers. */
export interface LimitHost {
  readonly memoryBytes: number;
  /** The engine may not set a lower oom_score_adj: -1000, or more where it has not the capability. */
  readonly lowestOomScoreAdj: number;
  /** Processes and threads of one container, where there is no group of the pod to hold its limit; absent: none. */
  readonly containerPids?: number | undefined;
}

type HostConfig = ContainerCreate["HostConfig"];

/** Parts of a create's HostConfig. */
export type ContainerLimits = Pick<
  HostConfig,
  "CpuShares" | "CpuPeriod" | "CpuQuota" | "Memory" | "MemorySwap" | "PidsLimit" | "OomScoreAdj"
>;

/** Parts of an update: what is not limited any more is said so. */
export type ChangedLimits = Pick<HostConfig, "CpuShares" | "CpuPeriod" | "CpuQuota" | "Memory" | "MemorySwap">;

/** Microseconds. */
const period = 100_000;
const leastQuota = 1000;
const leastShares = 2;
const mostShares = 262_144;

/** Of a container. Absent is without limit, but for processes: they are limited for the whole pod where that can be, never by an engine's default. */
export function limitsOf(
  { resources, killRank }: Pick<ContainerSpec, "resources" | "killRank">,
  host: LimitHost,
): ContainerLimits {
  const { quota, memory } = amounts(resources);
  return {
    CpuShares: cpuShares(resources),
    ...(quota !== undefined && { CpuPeriod: period, CpuQuota: quota }),
    // With swap it is the same: none.
    ...(memory !== undefined && { Memory: memory, MemorySwap: memory }),
    PidsLimit: host.containerPids ?? -1,
    OomScoreAdj: oomScoreAdj(killRank, host),
  };
}

/** Of the container that holds a pod's network: it takes next to nothing, and goes last. */
export function infraLimits(host: LimitHost): ContainerLimits {
  return { CpuShares: leastShares, PidsLimit: -1, OomScoreAdj: Math.max(infraOomScoreAdj, host.lowestOomScoreAdj) };
}

/** To change a running container's; -1 takes a limit away. */
export function changedLimits(resources: ResourceRequirements): Required<ChangedLimits> {
  const { quota = -1, memory = -1 } = amounts(resources);
  return { CpuShares: cpuShares(resources), CpuPeriod: period, CpuQuota: quota, Memory: memory, MemorySwap: memory };
}

const guaranteedOomScoreAdj = -997;
const infraOomScoreAdj = -998;

/** Burstable ones by the share of the host's memory that was asked for, between the other two classes. */
export function oomScoreAdj(rank: KillRank | undefined, { memoryBytes, lowestOomScoreAdj }: LimitHost): number {
  if (rank === undefined || rank.qosClass === "BestEffort") return 1000;
  if (rank.qosClass === "Guaranteed") return Math.max(guaranteedOomScoreAdj, lowestOomScoreAdj);
  const score = 1000 - Math.floor((1000 * rank.memoryRequestBytes) / Math.max(1, memoryBytes));
  return Math.max(1000 + guaranteedOomScoreAdj, Math.min(999, score), lowestOomScoreAdj);
}

/** What is limited and asks for nothing asks for its limit. */
export function cpuShares({ requests, limits }: ResourceRequirements): number {
  const asked = requests?.["cpu"] ?? limits?.["cpu"];
  const shares = asked === undefined ? 0 : Math.floor((milli(asked) * 1024) / 1000);
  return Math.min(mostShares, Math.max(leastShares, shares));
}

/** Bytes; microseconds in each period. Zero is no limit. */
function amounts({ limits }: ResourceRequirements): {
  readonly quota?: number | undefined;
  readonly memory?: number | undefined;
} {
  const [cpu, memory] = [limits?.["cpu"], limits?.["memory"]];
  const quota = cpu === undefined ? 0 : milli(cpu) * (period / 1000);
  const bytes = memory === undefined ? 0 : Number(wholeUnits(parseQuantity(memory)));
  return {
    ...(quota > 0 && { quota: Math.max(leastQuota, quota) }),
    ...(bytes > 0 && { memory: bytes }),
  };
}

const milli = (quantity: string): number => Number(milliUnits(parseQuantity(quantity)));
