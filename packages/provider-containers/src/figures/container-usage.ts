// What a running container uses, out of its control groups, its layer and its log.
import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { ContainerStats, FsStats } from "@virtual-kubelet/virtual-kubelet";
import {
  type CgroupFigures,
  type CpuRates,
  cgroupFigures,
  fsStats,
  type StorageMeter,
} from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainerDetails } from "../engine/engine-client.ts";
import type { ContainerPlace } from "./container-place.ts";

export interface UsageTools {
  readonly rates: CpuRates;
  readonly storage: StorageMeter;
  readonly now: number;
}

/** undefined: it has no figures yet, or no more. */
export function containerUsage(
  name: string,
  details: ContainerDetails,
  place: ContainerPlace,
  tools: UsageTools,
): ContainerStats | undefined {
  const figures = cgroupFigures(place.groups);
  const rootfs = place.layer === undefined ? undefined : measured(place.layer, tools.storage);
  const logs = logUsage(details.logPath, tools.now);
  if (figures.workingSetBytes === undefined || details.startedAt === undefined) return undefined;
  return {
    name,
    startTime: new Date(details.startedAt).toISOString(),
    ...usageOf(details.id, figures, tools),
    ...(rootfs !== undefined && { rootfs }),
    ...(logs !== undefined && { logs }),
  };
}

/** Of a group of a container, or of a whole pod. */
export function usageOf(
  id: string,
  figures: CgroupFigures,
  { rates, now }: UsageTools,
): Pick<ContainerStats, "cpu" | "memory" | "swap"> {
  const time = new Date(now).toISOString();
  const { cpuNanoseconds, workingSetBytes, memoryLimitBytes, swapBytes } = figures;
  return {
    ...(cpuNanoseconds !== undefined && { cpu: rates.of(id, cpuNanoseconds, now) }),
    ...(workingSetBytes !== undefined && {
      memory: {
        ...{ time, workingSetBytes, usageBytes: figures.memoryBytes, rssBytes: figures.rssBytes },
        ...{ pageFaults: figures.pageFaults, majorPageFaults: figures.majorPageFaults },
        ...(memoryLimitBytes !== undefined && { availableBytes: Math.max(0, memoryLimitBytes - workingSetBytes) }),
      },
    }),
    ...(swapBytes !== undefined && { swap: { time, swapUsageBytes: swapBytes } }),
  };
}

/** Of a directory, as last measured; undefined: not yet. */
export function measured(path: string, storage: StorageMeter): FsStats | undefined {
  const figure = storage.of(path);
  if (figure === undefined) return undefined;
  try {
    return { ...fsStats(path, new Date(figure.at).toISOString()), usedBytes: figure.bytes };
  } catch {
    // It was removed meanwhile.
    return undefined;
  }
}

/** The file that is written and those that it was rotated to. */
function logUsage(path: string, now: number): FsStats | undefined {
  if (path === "") return undefined;
  let [bytes, index] = [0, 0];
  for (let file = path; ; file = `${path}.${++index}`) {
    const blocks = statSync(file, { throwIfNoEntry: false })?.blocks;
    if (blocks === undefined) break;
    bytes += blocks * 512;
  }
  if (index === 0) return undefined;
  return { ...fsStats(dirname(path), new Date(now).toISOString()), usedBytes: bytes };
}
