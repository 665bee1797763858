// What a cloud brings that runs whole pods: few calls about groups of containers (a container group, a task, a job). Types and
// docs only. CloudProvider makes a Provider of it: it remembers the groups, decides how often each is looked at, tells events
// once, runs the probes and hooks that the cloud does not, and ends pods with grace.

import type { Duplex } from "node:stream";
import type { ProbeType } from "../engine/probe-results.ts";
import type { Container, Node, Pod } from "../kube/types.gen.ts";
import type { BilledSize } from "../provider/billing.ts";
import type { NodeReport } from "../provider/node.ts";
import type { ContainerReport, PodFailure, PodOwner, PodRequest } from "../provider/pods.ts";
import type { ContainerIO, ContainerLogOptions, ContainerLogs, ExecResult } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import type { PodStats } from "../stats-summary.ts";

/** A pod on the cloud. */
export interface GroupRef {
  readonly owner: PodOwner;
  /** The cloud's own id, whole: a resource id, an ARN. At most one group for each pod UID is ever made. */
  readonly id: string;
  /** The API has the pod, and it is not to end: what it lacks may be made for it. Told to `describe` alone. */
  readonly isWanted?: boolean | undefined;
}

/** What the cloud says of a group: facts alone. */
export interface CloudGroup extends GroupRef {
  /** `revision` of the request that it was made by or last changed to, where the cloud keeps it (a tag). */
  readonly revision?: string | undefined;
  /** What made it wrote no cluster (other programs' tags); `owner.cluster` is this node's then. See PodReport.clusterUnknown. */
  readonly clusterUnknown?: true | undefined;
  /** From a listing that lacks the containers: `describe` has the rest. */
  readonly partial?: true | undefined;
  /**
   * How soon it is looked at again: "starting" and "ending" often, "running" seldom, "ended" (nothing runs or will run again, it
   * stays as it is) only by listings.
   */
  readonly stage: "starting" | "running" | "ending" | "ended";
  /**
   * By name, as in the spec; init containers too. `ready` and `started` are absent where the cloud does not probe: CloudProvider
   * fills them in. Times and codes are the cloud's own, never this machine's.
   */
  readonly containers: readonly ContainerReport[];
  readonly podIPs?: readonly string[] | undefined;
  /** When the cloud accepted it, RFC 3339. */
  readonly startTime?: string | undefined;
  /** Ended as a whole by the cloud (spot reclaimed, evicted, failed to start for good), or by stop() with this failure. */
  readonly failure?: PodFailure | undefined;
  /** What the cloud tells of it, all that it still keeps: each is made an Event once, by its key. */
  readonly events?: readonly CloudEvent[] | undefined;
  /** For the API object; see PodReport.annotations for keys. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface CloudEvent {
  /** The same for the same happening in every answer, a count that grew apart: `Pulled/web/2026-01-01T00:00:00Z`. */
  readonly key: string;
  /** Epoch milliseconds. What happened before this process began to look at the group is not told. */
  readonly time: number;
  readonly eventType: "Normal" | "Warning";
  /** In CamelCase, Kubernetes' own where there is one: Pulling, Pulled, Failed, BackOff, Started, Killing. */
  readonly reason: string;
  readonly message: string;
  readonly container?: string | undefined;
}

/** A container of a group. */
export interface GroupContainer {
  readonly group: CloudGroup;
  readonly container: string;
}

/** What createPod came to, to be told in the pod's events: sizes that were rounded, fields that have no effect. No secrets. */
export interface CreateNote {
  readonly eventType: "Normal" | "Warning";
  /** E.g. "ResourcesRounded", "FieldIgnored". */
  readonly reason: string;
  readonly message: string;
}

/**
 * Errors are thrown as VirtualKubeletError: Throttled with retryAfterMs, Quota, Unavailable, Unauthorized, NotFound (the cloud said
 * positively that there is none), Unsupported and Invalid (final, with the field). Every call is idempotent and honours the signal.
 */
export interface CloudBackend {
  /** `type` of `type://id` in container ids, e.g. "aci". */
  readonly type: string;

  /** Throws Unsupported or Invalid, with the field, for a pod that can never run here. Pure: no call. */
  admit(request: PodRequest): void;
  /**
   * Makes the group, idempotent by UID: by the cloud's client token or a name made of the UID. Resolves when the cloud has accepted
   * it; long-running operations are not waited for.
   */
  create(
    request: PodRequest,
    context: CallContext,
  ): Promise<{ readonly id: string; readonly notes: readonly CreateNote[] }>;
  /** Every group of this node (cluster and name), ended ones too, those without a cluster among them; all pages or an error. */
  list(context: CallContext): Promise<readonly CloudGroup[]>;
  /**
   * These as they are now, in as few calls as the cloud has for it; `undefined` in the place of one that the cloud positively no
   * longer has. Given at most `describeAtOnce` refs.
   */
  describe(refs: readonly GroupRef[], context: CallContext): Promise<readonly (CloudGroup | undefined)[]>;
  readonly describeAtOnce: number;
  /**
   * Begins to remove the group, whatever runs in it. With `honoursGrace` the cloud ends containers by TERM and the grace first (as far as it can,
   * by what was set at the creation); without, CloudProvider has them end by `terminate` before. NotFound when there is none.
   */
  remove(ref: GroupRef, options: { readonly gracePeriodSeconds: number }, context: CallContext): Promise<void>;
  readonly honoursGrace: boolean;
  /**
   * Ends the group for good and keeps it, its report and its logs; the failure is in its reports from then on, after a restart of this
   * program too. Absent: stopPod is absent.
   */
  stop?(ref: GroupRef, options: { readonly failure?: PodFailure | undefined }, context: CallContext): Promise<void>;
  /** TERM to the container's own process, by a command in it if need be. Resolves when it was sent. Absent: cannot be done. */
  terminate?(target: GroupContainer, context: CallContext): Promise<void>;
  /**
   * Has a container that failed its liveness or startup probe start anew. Absent, or Unsupported: such probes are refused by admit().
   */
  restartContainer?(target: GroupContainer, context: CallContext): Promise<void>;
  /** Writes what of metadata the cloud keeps (revision, tags). Absent: nothing is kept. */
  updateMetadata?(ref: GroupRef, request: PodRequest, context: CallContext): Promise<void>;
  /** Absent: volumes keep what they were created with. */
  updateVolumes?(
    group: CloudGroup,
    request: PodRequest,
    volumes: readonly ResolvedVolume[],
    context: CallContext,
  ): Promise<void>;

  /** Which of the container's probes the cloud itself carries out, so that `ready` and restarts come from it. */
  nativeProbes(container: Container): readonly ProbeType[];
  /** Whether the cloud runs the container's hooks itself. Default: CloudProvider runs them. */
  readonly nativeHooks?: boolean | undefined;

  exec?(target: GroupContainer, command: readonly string[], io: ContainerIO, context: CallContext): Promise<ExecResult>;
  attach?(target: GroupContainer, io: ContainerIO, context: CallContext): Promise<void>;
  logs?(target: GroupContainer, options: ContainerLogOptions, context: CallContext): Promise<ContainerLogs>;
  portForward?(group: CloudGroup, port: number, connection: Duplex, context: CallContext): Promise<void>;
  /** Of running groups, by UID; one that fails is left out and told in the log. Without podRef. */
  stats?(groups: readonly CloudGroup[], context: CallContext): Promise<ReadonlyMap<string, Omit<PodStats, "podRef">>>;

  /** See Provider.billedSize. */
  billedSize?(pod: Pod): BilledSize | undefined;

  /** Yields the node at once, then at each change: capacity by configuration or quota, labels, conditions. */
  watchNode?(context: CallContext): AsyncIterable<NodeReport>;
  configureNode?(node: Node): Node;
  ping?(context: CallContext): Promise<void>;
  /** UIDs or ids of groups that changed, pushed by the cloud; polling gets slower while it lasts. Absent: polling alone. */
  watch?(context: CallContext): AsyncIterable<{ readonly id: string }>;
  [Symbol.asyncDispose]?(): Promise<void>;
}
