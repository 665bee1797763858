// What goes to and comes from Nomad's HTTP API, by its own names: the parts that are used here. Durations are nanoseconds, times of
// allocations' tasks RFC 3339, others nanoseconds since the epoch. Types only.

export interface NomadJob {
  readonly ID: string;
  readonly Name: string;
  readonly Type: "batch" | "service";
  readonly Region?: string | undefined;
  readonly Namespace?: string | undefined;
  readonly NodePool?: string | undefined;
  readonly Datacenters: readonly string[];
  readonly Priority: number;
  readonly Meta: Readonly<Record<string, string>>;
  readonly Constraints?: readonly NomadConstraint[] | undefined;
  readonly TaskGroups: readonly NomadTaskGroup[];
}

export interface NomadConstraint {
  readonly LTarget: string;
  readonly Operand: string;
  readonly RTarget: string;
}

export interface NomadTaskGroup {
  readonly Name: string;
  readonly Count: 1;
  readonly RestartPolicy: NomadRestartPolicy;
  readonly ReschedulePolicy: { readonly Attempts: 0; readonly Unlimited: false };
  /** Absent for batch jobs: these are never migrated. */
  readonly Migrate?: { readonly MaxParallel: number } | undefined;
  /** MaxParallel 0: no deployments. */
  readonly Update?: { readonly MaxParallel: 0 } | undefined;
  readonly Disconnect?: { readonly Replace: false } | undefined;
  readonly EphemeralDisk: { readonly SizeMB: number; readonly Sticky: false; readonly Migrate: false };
  readonly Networks?: readonly NomadNetwork[] | undefined;
  readonly Volumes?: Readonly<Record<string, NomadVolumeRequest>> | undefined;
  readonly Tasks: readonly NomadTask[];
}

export interface NomadRestartPolicy {
  readonly Attempts: number;
  readonly Interval: number;
  readonly Delay: number;
  readonly Mode: "fail" | "delay";
}

export interface NomadNetwork {
  readonly Mode: string;
  readonly Hostname?: string | undefined;
  readonly DNS?:
    | {
        readonly Servers: readonly string[];
        readonly Searches: readonly string[];
        readonly Options: readonly string[];
      }
    | undefined;
  readonly ReservedPorts?: readonly NomadPort[] | undefined;
  readonly DynamicPorts?: readonly NomadPort[] | undefined;
}

export interface NomadPort {
  readonly Label: string;
  readonly Value?: number | undefined;
  readonly To?: number | undefined;
}

export interface NomadVolumeRequest {
  readonly Name: string;
  readonly Type: "host" | "csi";
  readonly Source: string;
  readonly ReadOnly: boolean;
  readonly AccessMode?: string | undefined;
  readonly AttachmentMode?: string | undefined;
}

export interface NomadTask {
  readonly Name: string;
  readonly Driver: string;
  readonly User?: string | undefined;
  readonly Leader?: boolean | undefined;
  readonly Lifecycle?: { readonly Hook: "prestart" | "poststart" | "poststop"; readonly Sidecar: boolean } | undefined;
  readonly Config: Readonly<Record<string, unknown>>;
  readonly Env?: Readonly<Record<string, string>> | undefined;
  readonly Templates?: readonly NomadTemplate[] | undefined;
  readonly RestartPolicy?: NomadRestartPolicy | undefined;
  readonly Resources: NomadResources;
  readonly KillTimeout: number;
  readonly KillSignal?: string | undefined;
  readonly LogConfig?: { readonly MaxFiles: number; readonly MaxFileSizeMB: number } | undefined;
  readonly VolumeMounts?: readonly NomadVolumeMount[] | undefined;
}

export interface NomadTemplate {
  readonly EmbeddedTmpl: string;
  /** Below the task's directory: `secrets/…`, `local/…`. */
  readonly DestPath: string;
  readonly Perms?: string | undefined;
  readonly Uid?: number | undefined;
  readonly Gid?: number | undefined;
  readonly Envvars?: boolean | undefined;
  readonly ChangeMode: "noop" | "restart" | "signal" | "script";
  readonly ErrMissingKey?: boolean | undefined;
}

export interface NomadResources {
  readonly CPU: number;
  readonly MemoryMB: number;
  readonly MemoryMaxMB?: number | undefined;
  readonly Devices?: readonly { readonly Name: string; readonly Count: number }[] | undefined;
}

export interface NomadVolumeMount {
  readonly Volume: string;
  readonly Destination: string;
  readonly ReadOnly: boolean;
  readonly PropagationMode?: string | undefined;
}

/** GET /v1/jobs?meta=true. */
export interface NomadJobStub {
  readonly ID: string;
  readonly Name: string;
  readonly Namespace?: string | undefined;
  readonly Type: string;
  readonly Status: "pending" | "running" | "dead";
  readonly StatusDescription?: string | undefined;
  readonly Stop: boolean;
  readonly SubmitTime?: number | undefined;
  readonly ModifyIndex: number;
  readonly Meta?: Readonly<Record<string, string>> | undefined;
}

/** GET /v1/job/:id, as far as it is read. */
export interface NomadJobAnswer extends NomadJobStub {
  readonly JobModifyIndex?: number | undefined;
  readonly TaskGroups: readonly {
    readonly Name: string;
    readonly Tasks: readonly {
      readonly Name: string;
      readonly Lifecycle?: { readonly Hook: string; readonly Sidecar: boolean } | null | undefined;
    }[];
  }[];
}

/** PUT /v1/jobs and DELETE /v1/job/:id. */
export interface NomadEvalAnswer {
  readonly EvalID: string;
  readonly Warnings?: string | undefined;
}

/** PUT /v1/job/:id/plan. */
export interface NomadPlanAnswer {
  readonly Warnings?: string | undefined;
  readonly FailedTGAllocs?: Readonly<Record<string, NomadPlacementMetric>> | undefined;
}

/** Why no node takes a group. */
export interface NomadPlacementMetric {
  readonly NodesEvaluated: number;
  readonly NodesFiltered?: number | undefined;
  readonly NodesExhausted?: number | undefined;
  readonly ClassFiltered?: Readonly<Record<string, number>> | undefined;
  readonly ConstraintFiltered?: Readonly<Record<string, number>> | undefined;
  readonly DimensionExhausted?: Readonly<Record<string, number>> | undefined;
  readonly QuotaExhausted?: readonly string[] | undefined;
}

/** GET /v1/job/:id/evaluations and /v1/evaluations. */
export interface NomadEvaluation {
  readonly ID: string;
  readonly JobID: string;
  readonly Type?: string | undefined;
  readonly TriggeredBy: string;
  readonly Status: "blocked" | "pending" | "complete" | "failed" | "canceled";
  readonly StatusDescription?: string | undefined;
  readonly FailedTGAllocs?: Readonly<Record<string, NomadPlacementMetric>> | undefined;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

/** GET /v1/job/:id/allocations and /v1/allocations (both with TaskStates and, with `resources=true`, ports), /v1/allocation/:id. */
export interface NomadAllocation {
  readonly ID: string;
  readonly JobID: string;
  readonly Namespace?: string | undefined;
  readonly NodeID: string;
  readonly NodeName?: string | undefined;
  readonly TaskGroup: string;
  readonly DesiredStatus: "run" | "stop" | "evict";
  readonly DesiredDescription?: string | undefined;
  readonly ClientStatus: "pending" | "running" | "complete" | "failed" | "lost" | "unknown";
  readonly ClientDescription?: string | undefined;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  /** Nanoseconds since the epoch. */
  readonly CreateTime: number;
  readonly ModifyTime?: number | undefined;
  readonly TaskStates?: Readonly<Record<string, NomadTaskState>> | null | undefined;
  readonly NetworkStatus?:
    | { readonly Address?: string | undefined; readonly AddressIPv6?: string | undefined }
    | null
    | undefined;
  readonly AllocatedResources?:
    | {
        readonly Shared?:
          | {
              readonly Ports?: readonly NomadAllocatedPort[] | null | undefined;
              readonly Networks?:
                | readonly { readonly IP?: string | undefined; readonly Mode?: string | undefined }[]
                | null
                | undefined;
            }
          | undefined;
      }
    | null
    | undefined;
}

export interface NomadAllocatedPort {
  readonly Label: string;
  readonly Value: number;
  readonly To: number;
  readonly HostIP: string;
}

export interface NomadTaskState {
  readonly State: "pending" | "running" | "dead";
  readonly Failed: boolean;
  readonly Restarts: number;
  readonly LastRestart?: string | null | undefined;
  /** RFC 3339; null or year 1: not yet. */
  readonly StartedAt?: string | null | undefined;
  readonly FinishedAt?: string | null | undefined;
  /** The last ten, oldest first. */
  readonly Events?: readonly NomadTaskEvent[] | null | undefined;
}

export interface NomadTaskEvent {
  readonly Type: string;
  /** Nanoseconds since the epoch. */
  readonly Time: number;
  readonly DisplayMessage?: string | undefined;
  readonly Message?: string | undefined;
  /** `exit_code`, `signal`, `oom_killed`, `fails_task`, `driver_error` ... as text. */
  readonly Details?: Readonly<Record<string, string>> | null | undefined;
  readonly ExitCode?: number | undefined;
  readonly Signal?: number | undefined;
}

/** GET /v1/nodes?resources=true. */
export interface NomadNode {
  readonly ID: string;
  readonly Name: string;
  readonly Address?: string | undefined;
  readonly Datacenter: string;
  readonly NodePool?: string | undefined;
  readonly NodeClass?: string | undefined;
  readonly Status: "initializing" | "ready" | "down" | "disconnected";
  readonly SchedulingEligibility: "eligible" | "ineligible";
  readonly Drain: boolean;
  readonly Version?: string | undefined;
  readonly Drivers?:
    | Readonly<Record<string, { readonly Detected: boolean; readonly Healthy: boolean }>>
    | null
    | undefined;
  readonly NodeResources?: NomadNodeResources | null | undefined;
  readonly ReservedResources?:
    | {
        readonly Cpu?: { readonly CpuShares: number } | undefined;
        readonly Memory?: { readonly MemoryMB: number } | undefined;
        readonly Disk?: { readonly DiskMB: number } | undefined;
      }
    | null
    | undefined;
  readonly ModifyIndex: number;
}

export interface NomadNodeResources {
  readonly Cpu: {
    /** MHz of all cores together. */
    readonly CpuShares: number;
    readonly TotalCpuCores: number;
  };
  readonly Memory: { readonly MemoryMB: number };
  readonly Disk: { readonly DiskMB: number };
  readonly Devices?:
    | readonly {
        readonly Vendor: string;
        readonly Type: string;
        readonly Name: string;
        readonly Instances?: readonly { readonly ID: string; readonly Healthy: boolean }[] | null | undefined;
      }[]
    | null
    | undefined;
}

/** GET /v1/client/allocation/:id/stats. */
export interface NomadAllocationStats {
  /** Nanoseconds since the epoch. */
  readonly Timestamp: number;
  readonly Tasks: Readonly<Record<string, NomadTaskStats>>;
}

export interface NomadTaskStats {
  readonly Timestamp: number;
  readonly ResourceUsage:
    | {
        readonly MemoryStats?:
          | {
              readonly RSS?: number | undefined;
              readonly Usage?: number | undefined;
              readonly Cache?: number | undefined;
            }
          | null
          | undefined;
        /** Percent of one core, and MHz. */
        readonly CpuStats?:
          | { readonly Percent?: number | undefined; readonly TotalTicks?: number | undefined }
          | null
          | undefined;
      }
    | null
    | undefined;
}

/** GET /v1/agent/self, as far as it is read. */
export interface NomadAgentSelf {
  readonly config: {
    readonly Region?: string | undefined;
    readonly Datacenter?: string | undefined;
    readonly Version?: { readonly Version?: string | undefined } | undefined;
  };
  readonly member?: { readonly Name?: string | undefined } | undefined;
}

/** PUT /v1/var/:path. */
export interface NomadVariable {
  readonly Path: string;
  readonly Items: Readonly<Record<string, string>>;
  readonly ModifyIndex?: number | undefined;
}

/** Of a line of GET /v1/event/stream: what an allocation's, a job's or an evaluation's event is about. */
export interface NomadEvent {
  readonly Topic: string;
  readonly Type: string;
  readonly Key: string;
  readonly Index: number;
  /** JobID, where the event has one in its payload or among its filter keys. */
  readonly JobID?: string | undefined;
}
