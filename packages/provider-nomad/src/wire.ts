// What comes from Nomad's HTTP API, by its own names: the parts that are used here. Times of allocations' tasks are RFC 3339, others
// nanoseconds since the epoch. Types only.

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

/** GET /v1/client/fs/ls/:alloc. */
export interface NomadFile {
  readonly Name: string;
  readonly Size: number;
}

/** PUT /v1/var/:path. */
export interface NomadVariable {
  readonly Path: string;
  readonly Items: Readonly<Record<string, string>>;
  /** Nanoseconds since the epoch. */
  readonly ModifyTime?: number | undefined;
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
