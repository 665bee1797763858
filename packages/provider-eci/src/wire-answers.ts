// What Elastic Container Instance answers about container groups. Names are the cloud's own; what is not known may be missing. Types only.
import type { Tag } from "./wire.ts";

/**
 * Scheduling, ScheduleFailed, Pending, Running, Succeeded, Failed, Restarting, Updating, Terminating, Expired; or one that is not known yet.
 */
export type GroupStatus = string;

export interface ContainerGroup {
  readonly ContainerGroupId: string;
  readonly ContainerGroupName: string;
  readonly Status: GroupStatus;
  readonly Tags?: readonly Tag[] | undefined;
  readonly RestartPolicy?: string | undefined;
  /** RFC 3339, as all times here. */
  readonly CreationTime?: string | undefined;
  readonly SucceededTime?: string | undefined;
  readonly FailedTime?: string | undefined;
  /** When a spot instance is or was taken back, or the deadline is up. */
  readonly ExpiredTime?: string | undefined;
  readonly IntranetIp?: string | undefined;
  readonly InternetIp?: string | undefined;
  readonly Ipv6Address?: string | undefined;
  readonly RegionId?: string | undefined;
  readonly ZoneId?: string | undefined;
  readonly VSwitchId?: string | undefined;
  readonly SecurityGroupId?: string | undefined;
  readonly InstanceType?: string | undefined;
  readonly SpotStrategy?: string | undefined;
  /** As rounded by the service. */
  readonly Cpu?: number | undefined;
  readonly Memory?: number | undefined;
  readonly Containers?: readonly ContainerView[] | undefined;
  readonly InitContainers?: readonly ContainerView[] | undefined;
  readonly Events?: readonly GroupEvent[] | undefined;
}

export interface ContainerView {
  readonly Name: string;
  readonly Image?: string | undefined;
  readonly Ready?: boolean | undefined;
  readonly RestartCount?: number | undefined;
  readonly CurrentState?: ContainerState | undefined;
  readonly PreviousState?: ContainerState | undefined;
}

export interface ContainerState {
  /** Waiting, Running, Terminated. */
  readonly State?: string | undefined;
  readonly StartTime?: string | undefined;
  readonly FinishTime?: string | undefined;
  readonly ExitCode?: number | undefined;
  readonly Signal?: number | undefined;
  readonly Reason?: string | undefined;
  readonly Message?: string | undefined;
  readonly DetailStatus?: string | undefined;
}

export interface GroupEvent {
  /** `<group>.<hash>`, the same for the same event. */
  readonly Name?: string | undefined;
  /** Normal, Warning. */
  readonly Type?: string | undefined;
  readonly Reason?: string | undefined;
  readonly Message?: string | undefined;
  readonly Count?: number | undefined;
  readonly FirstTimestamp?: string | undefined;
  readonly LastTimestamp?: string | undefined;
}

/** Of DescribeContainerGroupStatus: a group that changed. */
export interface GroupStatusChange {
  readonly ContainerGroupId: string;
  readonly Status?: GroupStatus | undefined;
  /** All else that was said of it, as a text: the same for the same. */
  readonly state: string;
}

export interface GroupMetrics {
  readonly ContainerGroupId: string;
  /** Oldest first. */
  readonly Records: readonly MetricRecord[];
}

export interface MetricRecord {
  readonly Timestamp: string;
  readonly CPU?: CpuMetric | undefined;
  readonly Memory?: MemoryMetric | undefined;
  readonly Network?: { readonly Interfaces?: readonly NetworkMetric[] | undefined } | undefined;
  readonly Filesystem?: readonly FilesystemMetric[] | undefined;
  readonly Containers?:
    | readonly {
        readonly Name: string;
        readonly CPU?: CpuMetric | undefined;
        readonly Memory?: MemoryMetric | undefined;
      }[]
    | undefined;
}

export interface CpuMetric {
  readonly UsageNanoCores?: number | undefined;
  readonly UsageCoreNanoSeconds?: number | undefined;
}

/** Bytes. */
export interface MemoryMetric {
  readonly UsageBytes?: number | undefined;
  readonly AvailableBytes?: number | undefined;
  readonly WorkingSet?: number | undefined;
  readonly Rss?: number | undefined;
}

export interface NetworkMetric {
  readonly Name?: string | undefined;
  readonly RxBytes?: number | undefined;
  readonly RxErrors?: number | undefined;
  readonly TxBytes?: number | undefined;
  readonly TxErrors?: number | undefined;
}

/** Bytes. */
export interface FilesystemMetric {
  readonly FsName?: string | undefined;
  readonly Capacity?: number | undefined;
  readonly Available?: number | undefined;
  readonly Usage?: number | undefined;
}

/** Of ListUsage: what the account may have in the region and has; keys are the cloud's own. */
export interface Usage {
  readonly Attributes: Readonly<Record<string, unknown>>;
}
