// What the web view is told, as JSON: the contract between the process and the browser. Types only; times are epoch milliseconds.

/** One look at the process, as far as the caller may see it and asked for it. */
export interface ViewState {
  readonly now: number;
  readonly startedAt: number;
  readonly version: string;
  /** Why there is less to see than there will be; absent: all is there. */
  readonly starting?: string | undefined;
  readonly nodes: NodeList;
  /** Pods of all these nodes by phase. */
  readonly phases: Readonly<Record<string, number>>;
  readonly pods: PodList;
  readonly queues: readonly QueueState[];
  /** The newest first. */
  readonly events: readonly EventState[];
  /** The pod that was asked for; "unknown": there is none, or none any more. */
  readonly pod?: PodDetails | "unknown" | undefined;
}

export interface NodeList {
  readonly total: number;
  readonly ready: number;
  /** Those that are not ready first; the first of many. */
  readonly rows: readonly NodeState[];
}

export interface NodeState {
  readonly name: string;
  /** Status of the condition Ready; "Missing": the API has no such Node. */
  readonly ready: "True" | "False" | "Unknown" | "Missing";
  readonly readySince?: number | undefined;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly unschedulable: boolean;
  readonly kubeletVersion?: string | undefined;
  readonly runtime?: string | undefined;
  /** As kubectl writes them: key=value:effect. */
  readonly taints: readonly string[];
  readonly resources: readonly ResourceState[];
  readonly leaseRenewedAt?: number | undefined;
  readonly leaseSeconds?: number | undefined;
  readonly pods: number;
  readonly calls: SlotState;
  readonly deletions: SlotState;
  /** Why its back end could not be listed. */
  readonly trouble?: string | undefined;
}

export interface ResourceState {
  readonly name: string;
  readonly capacity: string;
  readonly allocatable: string;
  /** Share of what is allocatable that its pods ask for, 0 to 1. */
  readonly requested?: number | undefined;
}

/** Provider calls that a node may have under way. */
export interface SlotState {
  readonly taken: number;
  readonly limit: number;
  readonly waiting: number;
}

export interface QueueState {
  readonly name: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  /** Of the key that waits for the longest. */
  readonly oldestSeconds: number;
}

export interface EventState {
  readonly at: number;
  readonly warning: boolean;
  /** "pod shop/web" or "node vk". */
  readonly object: string;
  readonly pod?: string | undefined;
  /** That of the pod, or itself. */
  readonly node: string;
  readonly reason: string;
  readonly message: string;
}

export interface PodList {
  readonly total: number;
  /** How many of them have something that holds them up, or ended badly. */
  readonly inTrouble: number;
  /** How many fit the filter; `rows` has the first of them. */
  readonly matching: number;
  readonly rows: readonly PodRow[];
}

export interface PodRow {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  /** That of the API; "Gone" when the object is not there any more. */
  readonly phase: string;
  /** What holds it up, in a few words. */
  readonly reason?: string | undefined;
  readonly ready: string;
  readonly restarts: number;
  /** When it was bound. */
  readonly since: number;
  readonly deleting: boolean;
  /** The next attempt at what failed. */
  readonly retryAt?: number | undefined;
}

export interface PodDetails {
  readonly row: PodRow;
  readonly message?: string | undefined;
  readonly retries: readonly RetryState[];
  readonly containers: readonly ContainerState[];
  readonly timeline: readonly TimelineRow[];
  /** So many rows in its middle were left out. */
  readonly omitted: number;
}

/** Work on the pod that failed and will be tried again. */
export interface RetryState {
  readonly queue: string;
  readonly failures: number;
  readonly nextAt: number | undefined;
  readonly error?: string | undefined;
}

export interface ContainerState {
  readonly name: string;
  readonly state: string;
  readonly restarts: number;
}

export type TimelineKind = "pod" | "container" | "provider call" | "API call" | "retry" | "event";

export interface TimelineRow {
  readonly at: number;
  readonly kind: TimelineKind;
  readonly what: string;
  /** Of a call: "ok", the kind of error, or "under way". */
  readonly outcome?: string | undefined;
  readonly durationMs?: number | undefined;
  readonly detail?: string | undefined;
  readonly bad: boolean;
  /** Of a retry: when. */
  readonly nextAt?: number | undefined;
}
