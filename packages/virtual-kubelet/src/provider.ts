// The provider contract: what a backend brings to run the pods of a virtual node. Types and docs only. All data in it is
// serialisable (JSON, signals, async iterables), so that a provider can live in another process or language. The data stands in
// provider/: pods, streams, node, capabilities, check.
import type { Duplex } from "node:stream";
import type { Node, Pod } from "./kube/types.gen.ts";
import type { Logger } from "./log.ts";
import type { BilledSize, PriceTables } from "./provider/billing.ts";
import type { Capabilities } from "./provider/capabilities.ts";
import type { ProviderCheck } from "./provider/check.ts";
import type { NodeReport, ProbeMetrics } from "./provider/node.ts";
import type { PodFailure, PodOwner, PodReport, PodRequest, PodUpdate } from "./provider/pods.ts";
import type {
  ContainerIO,
  ContainerLogOptions,
  ContainerLogs,
  ContainerTarget,
  ExecResult,
  PodTarget,
} from "./provider/streams.ts";
import type { ResolvedPod, ResolvedVolume } from "./resolved-pod.ts";
import type { StatsSummary } from "./stats-summary.ts";

/** Given to every call. */
export interface CallContext {
  /** Aborted when the answer is no longer wanted or its time is up: stop working, throw. */
  readonly signal: AbortSignal;
  /** Has node, and where there is one pod and uid, on each line. */
  readonly log: Logger;
}

/**
 * A backend of one virtual node. An absent optional method means that the backend lacks the ability: nothing is stubbed.
 *
 * Failures are thrown as VirtualKubeletError (foreign errors count as Internal and are retried); see ErrorKind for what
 * each kind leads to. Calls for one pod never overlap; calls for different pods run side by side.
 */
export interface Provider {
  readonly capabilities?: Capabilities | undefined;

  /**
   * Starts a pod. Returns when the backend has accepted it, which may be long before it runs. Idempotent by
   * `owner.uid`: called again after a crash or an error of unknown outcome, it must not make a second one.
   * Invalid and Unsupported are final (the pod becomes Failed); every other error is retried for ever. One whose `reason` is a word of
   * kubelets for a container that waits (ErrImagePull, CreateContainerError ...) shows as that, for the container of its `field` or for all.
   */
  createPod(request: PodRequest, context: CallContext): Promise<void>;

  /**
   * Applies a changed spec or metadata (image, tolerations, activeDeadlineSeconds, labels, annotations, ephemeral
   * containers). Absent: changes stay without effect on the backend and the user is told by an event.
   */
  updatePod?(request: PodRequest, context: CallContext): Promise<void>;

  /**
   * Contents of volumes of a running pod changed: objects in the API, or a token that was renewed. `volumes` are the whole
   * contents of those of type files that changed; the others stay as they are. Absent: a pod keeps what it was created with.
   */
  updateVolumes?(owner: PodOwner, volumes: readonly ResolvedVolume[], context: CallContext): Promise<void>;

  /**
   * Begins to stop a pod, TERM first and KILL after `gracePeriodSeconds` (0: at once), and removes it from the backend.
   * Returns without waiting for the end; called again with a shorter grace when the user asks for that. Throws NotFound
   * when there is no such pod. The deletion is over when getPodStatus or watchPods says gone, or every container terminated.
   */
  deletePod(owner: PodOwner, options: { readonly gracePeriodSeconds: number }, context: CallContext): Promise<void>;

  /**
   * Stops a pod for good, as deletePod does, but keeps it: its report, how its containers ended and their logs stay until
   * deletePod. Where a `failure` is given, the report has it from now on. For pods that fail and stay in the API: beyond
   * activeDeadlineSeconds, or on a node that shuts down. Called again with a shorter grace; throws NotFound. It is over when
   * every container is terminated, or the failure is reported and none runs. Absent: deletePod is called in its place, and
   * the logs go with the pod.
   */
  stopPod?(
    owner: PodOwner,
    options: { readonly gracePeriodSeconds: number; readonly failure?: PodFailure | undefined },
    context: CallContext,
  ): Promise<void>;

  /** Facts of one pod; throws NotFound only when the backend positively says that there is none with this UID. */
  getPodStatus(owner: PodOwner, context: CallContext): Promise<PodReport>;

  /**
   * All pods of this node that the backend has, finished ones included as long as it keeps them. Complete or an error,
   * never a part. Other owners' pods may be among them: the core looks at `owner`.
   */
  getPods(context: CallContext): Promise<readonly PodReport[]>;

  /**
   * Pushes every change from now on, latest state per pod is enough. Ends or throws when the connection is lost: the
   * core lists, then watches again. Absent: the core polls getPods.
   */
  watchPods?(context: CallContext): AsyncIterable<PodUpdate>;

  /** Yields the node at once, then at each change. The first value precedes the registration. */
  watchNode?(context: CallContext): AsyncIterable<NodeReport>;

  /**
   * Resolves while the backend can be reached, be it that it asks for fewer calls; throws (or takes longer than the configured time-out)
   * when not.
   */
  ping?(context: CallContext): Promise<void>;

  /** Changes the Node once, before its registration. */
  configureNode?(node: Node, context: CallContext): Promise<Node>;

  /**
   * The log of a container that has run. Throws NotFound when the backend has none. A stream that ends although it was
   * to follow and the container still runs is read again from where it was, every second or so.
   */
  getContainerLogs?(
    target: ContainerTarget,
    options: ContainerLogOptions,
    context: CallContext,
  ): Promise<ContainerLogs>;

  /**
   * Runs a command in a running container and resolves when it has ended and its output is written. The signal aborts
   * when the client is gone: end the command. An exit code other than 0 is a result, no error.
   */
  runInContainer?(
    target: ContainerTarget,
    command: readonly string[],
    io: ContainerIO,
    context: CallContext,
  ): Promise<ExecResult>;

  /**
   * Connects to the container's own process, from now on; resolves when that has ended, or the client's stdin has: unless it
   * is for once (stdinOnce, no terminal), where the process is told of the end and its output goes on.
   */
  attachToContainer?(target: ContainerTarget, io: ContainerIO, context: CallContext): Promise<void>;

  /**
   * Carries one connection to a port inside the pod and resolves when both directions have ended. Throws when nobody
   * listens there. Absent: the core dials the pod's IP, which does for backends whose pods can be reached from here.
   */
  portForward?(target: PodTarget, port: number, connection: Duplex, context: CallContext): Promise<void>;

  /**
   * What node and pods use now; asked for at most every few seconds. A container without figures yet is left out, never
   * zero; counters never fall within a run.
   */
  getStatsSummary?(context: CallContext): Promise<StatsSummary>;

  /** What the provider's probes of containers have counted: /metrics/probes. Absent: it runs none itself. */
  getProbeMetrics?(): ProbeMetrics;

  /**
   * What the back end bills of a pod, as far as that can be told without asking it; the pod's annotations may tell what it got.
   * Absent, undefined, or thrown as createPod does: what the pod requests. Used where prices are configured.
   */
  billedSize?(pod: Pod): BilledSize | undefined;

  /** Frees connections and the like at the end of the program; pods go on. */
  [Symbol.asyncDispose]?(): Promise<void>;
}

/** What a provider is made from; one per node. */
export interface ProviderInit {
  readonly node: string;
  /** Value of kubernetes.io/os: "linux" or "windows". */
  readonly operatingSystem: string;
  /** UID of the cluster, for PodOwner. */
  readonly cluster: string;
  readonly clusterDomain: string;
  /** VKUBELET_POD_IP: address for the node; may be absent. */
  readonly internalIP?: string | undefined;
  readonly daemonEndpointPort: number;
  /** Path of the file given by --provider-config; the provider reads and checks it. */
  readonly configPath?: string | undefined;
  /** `config` of the node's provider in the configuration file; the provider checks it. */
  readonly config?: unknown;
  /** Price tables of the configuration, for a provider that chooses by price. */
  readonly prices?: PriceTables | undefined;
  /** A ceiling of costs holds for the node's pods: what has no price table would pass under it. Default false. */
  readonly hasCeiling?: boolean | undefined;
  readonly log: Logger;
}

/**
 * What a provider module exports, by the name `createProvider`. Throws Invalid with all faults of the configuration in
 * one message. Connects, but starts nothing that must be stopped other than by the provider's Symbol.asyncDispose.
 */
export type CreateProvider = (init: ProviderInit, context: CallContext) => Promise<Provider> | Provider;

/** The methods that a provider may lack. */
export type ProviderMethod = Exclude<
  keyof Provider & string,
  "capabilities" | "createPod" | "deletePod" | "getPodStatus" | "getPods" | "billedSize"
>;

/** What is known of a backend without reaching it. */
export interface ProviderDescription {
  /** As the provider's own would be. */
  readonly capabilities: Capabilities;
  readonly node?: NodeReport | undefined;
  /** Optional methods of Provider that it will have. Absent: not known before it is made. */
  readonly methods?: readonly ProviderMethod[] | undefined;
  /**
   * Throws what createPod would throw about a pod that asks for too much, as far as that can be told from here. `resolved`: where
   * all that it refers to is known.
   */
  readonly admit?: ((pod: Pod, resolved?: ResolvedPod) => void) | undefined;
  /** As billedSize of the provider. */
  readonly billedSize?: ((pod: Pod) => BilledSize | undefined) | undefined;
  /** What its users would be told of a pod that is admitted: sizes that are rounded, fields without effect. */
  readonly notes?: ((pod: Pod) => readonly string[]) | undefined;
}

/**
 * What a provider module may export, by the name `describeProvider`, for `virtual-kubelet plan`, and for the start, which tells the
 * faults of all nodes at once: reads and checks the configuration as createProvider does, and touches nothing else. Absent: for
 * plan a provider is made, asked, and disposed of.
 */
export type DescribeProvider = (init: ProviderInit) => Promise<ProviderDescription> | ProviderDescription;

/**
 * What a provider module may export, by the name `checkProvider`, for `virtual-kubelet doctor`: asks the back end whether the
 * credentials are good, whether they may do what the provider needs, and what is left of quotas, by dry runs where it has them.
 * Makes and changes nothing, and takes nothing from a program that runs the node at the same time. In the order in which to
 * mend what is wrong; it ends at the first thing without which the next ones cannot be asked. Throws as createProvider does.
 * Absent: a provider is made, pinged, and disposed of.
 */
export type CheckProvider = (init: ProviderInit, context: CallContext) => Promise<readonly ProviderCheck[]>;
