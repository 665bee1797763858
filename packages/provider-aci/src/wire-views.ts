// What the cloud says of groups and containers that are there: states, times, codes, happenings. Names are the cloud's own. Types only.

export interface GroupInstanceView {
  readonly events?: readonly InstanceEvent[] | undefined;
  /** Pending, Running, Succeeded, Failed, Stopped, Repairing ... */
  readonly state?: string | undefined;
}

export interface ContainerInstanceView {
  readonly restartCount?: number | undefined;
  readonly currentState?: ContainerState | undefined;
  readonly previousState?: ContainerState | undefined;
  readonly events?: readonly InstanceEvent[] | undefined;
}

export interface ContainerState {
  /** Waiting, Running, Terminated ... */
  readonly state?: string | undefined;
  /** RFC 3339, as all times here. */
  readonly startTime?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly finishTime?: string | undefined;
  readonly detailStatus?: string | undefined;
}

export interface InstanceEvent {
  readonly count?: number | undefined;
  readonly firstTimestamp?: string | undefined;
  readonly lastTimestamp?: string | undefined;
  /** Pulling, Pulled, Created, Started, Killing, Failed ... */
  readonly name?: string | undefined;
  readonly message?: string | undefined;
  /** Normal or Warning. */
  readonly type?: string | undefined;
}
