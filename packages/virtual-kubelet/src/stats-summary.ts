// Types of the stats Summary (k8s.io/kubelet stats/v1alpha1): what nodes, pods and containers use. Types only.
import type { Time } from "./kube/types.gen.ts";

/** Answer of /stats/summary. Absent figures are unknown. */
export interface StatsSummary {
  readonly node: NodeStats;
  readonly pods: readonly PodStats[];
}

export interface NodeStats {
  readonly nodeName: string;
  readonly startTime: Time;
  readonly systemContainers?: readonly ContainerStats[] | undefined;
  readonly cpu?: CPUStats | undefined;
  readonly memory?: MemoryStats | undefined;
  readonly network?: NetworkStats | undefined;
  readonly fs?: FsStats | undefined;
  readonly runtime?: { readonly imageFs?: FsStats | undefined; readonly containerFs?: FsStats | undefined } | undefined;
  readonly rlimit?:
    | { readonly time: Time; readonly maxpid?: number | undefined; readonly curproc?: number | undefined }
    | undefined;
  readonly swap?: SwapStats | undefined;
}

export interface PodStats {
  readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly startTime: Time;
  /** Running ones; a terminated container has no figures. */
  readonly containers: readonly ContainerStats[];
  /** Default, where it is left out: the sum over the containers. */
  readonly cpu?: CPUStats | undefined;
  readonly memory?: MemoryStats | undefined;
  readonly network?: NetworkStats | undefined;
  readonly volume?: readonly VolumeStats[] | undefined;
  readonly "ephemeral-storage"?: FsStats | undefined;
  readonly process_stats?: { readonly process_count?: number | undefined } | undefined;
  readonly swap?: SwapStats | undefined;
}

export interface ContainerStats {
  readonly name: string;
  /** Of the present run. */
  readonly startTime: Time;
  readonly cpu?: CPUStats | undefined;
  readonly memory?: MemoryStats | undefined;
  readonly rootfs?: FsStats | undefined;
  readonly logs?: FsStats | undefined;
  readonly swap?: SwapStats | undefined;
}

export interface CPUStats {
  /** When it was measured. */
  readonly time: Time;
  readonly usageNanoCores?: number | undefined;
  /** Since the start; never falls within a run. */
  readonly usageCoreNanoSeconds?: number | undefined;
}

/** Bytes. */
export interface MemoryStats {
  readonly time: Time;
  readonly availableBytes?: number | undefined;
  readonly usageBytes?: number | undefined;
  readonly workingSetBytes?: number | undefined;
  readonly rssBytes?: number | undefined;
  readonly pageFaults?: number | undefined;
  readonly majorPageFaults?: number | undefined;
}

export interface InterfaceStats {
  readonly name: string;
  readonly rxBytes?: number | undefined;
  readonly rxErrors?: number | undefined;
  readonly txBytes?: number | undefined;
  readonly txErrors?: number | undefined;
}

/** The default interface's own figures stand at the top, all interfaces' in the list. */
export interface NetworkStats extends InterfaceStats {
  readonly time: Time;
  readonly interfaces?: readonly InterfaceStats[] | undefined;
}

export interface FsStats {
  readonly time: Time;
  readonly availableBytes?: number | undefined;
  readonly capacityBytes?: number | undefined;
  readonly usedBytes?: number | undefined;
  readonly inodesFree?: number | undefined;
  readonly inodes?: number | undefined;
  readonly inodesUsed?: number | undefined;
}

export interface VolumeStats extends FsStats {
  readonly name: string;
  readonly pvcRef?: { readonly name: string; readonly namespace: string } | undefined;
}

export interface SwapStats {
  readonly time: Time;
  readonly swapAvailableBytes?: number | undefined;
  readonly swapUsageBytes?: number | undefined;
}
