// What pods use beside the memory and time of their containers: volumes, disk, network.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fsStats, parseInterfaces } from "../../host/host-figures.ts";
import { volumePath } from "../../host/pod-volumes.ts";
import type { StorageMeter } from "../../host/storage-meter.ts";
import type { ContainerStats, FsStats, NetworkStats, PodStats } from "../../stats-summary.ts";
import type { LiveRun } from "./live-run.ts";
import type { PodRecord } from "./pod-record.ts";

/** All directories of a pod that are measured. */
export function measuredPaths(pod: PodRecord): readonly string[] {
  const roots = [...pod.runs.values()].flatMap((run) =>
    run.record.state().type === "running" ? (writtenRoot(run) ?? []) : [],
  );
  return [...volumes(pod).map(({ path }) => path), ...roots];
}

/** What a run has written into its root directory; undefined where it has the host's root. */
export function rootfsStats(run: LiveRun, meter: StorageMeter): FsStats | undefined {
  const path = writtenRoot(run);
  return path === undefined ? undefined : measured(path, meter);
}

export function podFigures(
  pod: PodRecord,
  containers: readonly ContainerStats[],
  meter: StorageMeter,
  now: number,
): Pick<PodStats, "volume" | "ephemeral-storage" | "network"> {
  const found = volumes(pod).flatMap(({ name, path }) => {
    const stats = measured(path, meter);
    return stats === undefined ? [] : [{ stats: { name, ...stats }, onDisk: isOnDisk(path, pod) }];
  });
  const parts = [
    ...found.filter(({ onDisk }) => onDisk).map(({ stats }) => stats),
    ...containers.flatMap(({ rootfs, logs }) => [rootfs ?? [], logs ?? []].flat()),
  ];
  const network = pod.description.address === undefined ? undefined : networkStats(pod, now);
  return {
    ...(found.length > 0 && { volume: found.map(({ stats }) => stats) }),
    ...(parts.length > 0 && {
      "ephemeral-storage": {
        ...fsStats(pod.directory, new Date(now).toISOString()),
        usedBytes: parts.reduce((sum, { usedBytes = 0 }) => sum + usedBytes, 0),
      },
    }),
    ...(network !== undefined && { network }),
  };
}

function volumes(pod: PodRecord): readonly { readonly name: string; readonly path: string }[] {
  return pod.description.volumes.flatMap(({ name, type }) =>
    type === "hostPath" ? [] : [{ name, path: volumePath(pod.volumes, name) }],
  );
}

function writtenRoot(run: LiveRun): string | undefined {
  return run.record.description.root === undefined ? undefined : join(run.record.directory, "upper");
}

function measured(path: string, meter: StorageMeter): FsStats | undefined {
  const figure = meter.of(path);
  if (figure === undefined) return undefined;
  try {
    return { ...fsStats(path, new Date(figure.at).toISOString()), usedBytes: figure.bytes };
  } catch {
    // It was removed meanwhile.
    return undefined;
  }
}

/** What is in memory is on a file system of its own. */
function isOnDisk(path: string, pod: PodRecord): boolean {
  return deviceOf(path) === deviceOf(pod.directory);
}

function deviceOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.dev;
}

/** As one of its processes sees it. */
function networkStats(pod: PodRecord, now: number): NetworkStats | undefined {
  for (const run of pod.runs.values()) {
    const state = run.record.state();
    if (state.type !== "running") continue;
    try {
      const interfaces = parseInterfaces(readFileSync(`/proc/${state.main.pid}/net/dev`, "utf8"));
      const [first] = interfaces;
      if (first !== undefined) return { time: new Date(now).toISOString(), ...first, interfaces };
    } catch {
      // It has just ended.
    }
  }
  return undefined;
}
