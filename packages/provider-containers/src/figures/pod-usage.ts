// What a pod uses beside its containers, or all of them together: volumes, disk, network, its control group.
import { readFileSync, statSync } from "node:fs";
import type { ContainerStats, FsStats, NetworkStats, PodStats, RuntimeStats } from "@virtual-kubelet/virtual-kubelet";
import { type CgroupFigures, fsStats, parseInterfaces } from "@virtual-kubelet/virtual-kubelet/host";
import { measured, type UsageTools, usageOf } from "./container-usage.ts";
import type { MeasuredPod } from "./measured-pod.ts";

type PodUsage = RuntimeStats["pods"] extends ReadonlyMap<string, infer Usage> | undefined ? Usage : never;

export function podUsage(
  pod: MeasuredPod,
  parts: {
    readonly containers: readonly ContainerStats[];
    /** Of its group; undefined where it has none. */
    readonly group: CgroupFigures | undefined;
    /** The node's, on whose file system a volume on disk is. */
    readonly directory: string;
  },
  tools: UsageTools,
): PodUsage {
  const { containers, group, directory } = parts;
  const whole: Partial<PodStats> = group === undefined ? {} : usageOf(`pod ${pod.uid}`, group, tools);
  const time = new Date(tools.now).toISOString();
  const volumes = pod.volumes.flatMap(({ name, path }) => {
    const stats = measured(path, tools.storage);
    return stats === undefined ? [] : [{ stats: { name, ...stats }, onDisk: deviceOf(path) === deviceOf(directory) }];
  });
  const onDisk: readonly FsStats[] = [
    ...volumes.flatMap((volume) => (volume.onDisk ? [volume.stats] : [])),
    ...containers.flatMap(({ rootfs, logs }) => [rootfs ?? [], logs ?? []].flat()),
  ];
  const network = pod.hostNetwork ? undefined : networkUsage(pod.infra?.pid ?? 0, tools.now);
  return {
    ...whole,
    ...(group?.tasks !== undefined && { process_stats: { process_count: group.tasks } }),
    ...(volumes.length > 0 && { volume: volumes.map(({ stats }) => stats) }),
    ...(onDisk.length > 0 && {
      "ephemeral-storage": {
        ...fsStats(directory, time),
        usedBytes: onDisk.reduce((sum, { usedBytes = 0 }) => sum + usedBytes, 0),
      },
    }),
    ...(network !== undefined && { network }),
  };
}

/** What is in memory is on a file system of its own. */
const deviceOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.dev;

function networkUsage(pid: number, now: number): NetworkStats | undefined {
  if (pid <= 0) return undefined;
  try {
    const interfaces = parseInterfaces(readFileSync(`/proc/${pid}/net/dev`, "utf8"));
    const first = interfaces.find(({ name }) => name === "eth0") ?? interfaces[0];
    return first && { time: new Date(now).toISOString(), ...first, interfaces };
  } catch {
    // It has just ended.
    return undefined;
  }
}
