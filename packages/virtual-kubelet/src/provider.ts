// The provider contract: what a backend brings to run the pods of a virtual node. Types and docs only. All data in it is
// serialisable (JSON, signals, async iterables), so that a provider can live in another process or language.

import type { Duplex, Readable, Writable } from "node:stream";
import type { Stored } from "./kube/resource.ts";
import type {
  ContainerImage,
  ContainerState,
  Node,
  NodeAddress,
  NodeCondition,
  NodeSystemInfo,
  Pod,
  Quantity,
  ResourceRequirements,
  Taint,
  Time,
} from "./kube/types.gen.ts";
import type { Logger } from "./log.ts";
import type { ResolvedPod, ResolvedVolume } from "./resolved-pod.ts";
import type { StatsSummary } from "./stats-summary.ts";

/**
 * Whose a pod on the backend is. A provider writes it on the backend with the pod (tags, labels, metadata) and reports it
 * back unchanged; the core adopts, removes or leaves a backend pod alone by it. Identity is the `uid`.
 */
export interface PodOwner {
  /** UID of the cluster (of its kube-system namespace, unless configured). */
  readonly cluster: string;
  readonly node: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What to run. */
export interface PodRequest {
  readonly owner: PodOwner;
  /** The API object as last seen. Shared with the cache: never change it. */
  readonly pod: Stored<Pod>;
  /**
   * Names this state of spec, labels and annotations. A backend that can keep it with the pod and report it back has
   * changes applied that were made while the program was down, labels and annotations included.
   */
  readonly revision: string;
  /**
   * What the pod refers to, where the provider's capabilities ask for it (`resolve`). Holds secrets. Absent in an update of
   * labels and annotations alone when something of it has gone meanwhile: what was given before holds.
   */
  readonly resolved?: ResolvedPod | undefined;
}

/** Given to every call. */
export interface CallContext {
  /** Aborted when the answer is no longer wanted or its time is up: stop working, throw. */
  readonly signal: AbortSignal;
  /** Has node, and where there is one pod and uid, on each line. */
  readonly log: Logger;
}

/** Facts about one container; the core turns them into a v1.ContainerStatus. */
export interface ContainerReport {
  /** Of any container of the spec: init, main or ephemeral. */
  readonly name: string;
  /** Exactly one of waiting, running, terminated, as in v1. */
  readonly state: ContainerState;
  /** How the run before this one ended. */
  readonly lastState?: ContainerState | undefined;
  /** Default 0. */
  readonly restartCount?: number | undefined;
  /** Resolved image name; default the one of the spec. */
  readonly image?: string | undefined;
  /** Digest reference; default "". */
  readonly imageID?: string | undefined;
  /** `type://id`. */
  readonly containerID?: string | undefined;
  /** Startup probe passed (or none). Default: running. */
  readonly started?: boolean | undefined;
  /** Readiness as far as the backend knows it. Default: running and started. */
  readonly ready?: boolean | undefined;
  /** In force, and held for it on the node. Default: the spec's. */
  readonly resources?: ResourceRequirements | undefined;
}

/** Why a pod is ended as a whole although nobody deletes it: phase Failed with this reason once nothing of it runs. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
  /** Reason of the condition DisruptionTarget, which is there at once. Absent: it fails by its own fault. */
  readonly disruption?: string | undefined;
}

/** Facts about one pod on the backend. Never phase or conditions: the core computes them. */
export interface PodReport {
  readonly owner: PodOwner;
  /**
   * `revision` of the request last applied, where the backend keeps it. "": the backend has the pod, but must be given the
   * request (again) by updatePod to look after it; nobody is told of that.
   */
  readonly revision?: string | undefined;
  /** May lack containers that the backend does not show yet: they count as waiting. */
  readonly containers: readonly ContainerReport[];
  /** First is the primary; at most one of each IP family. */
  readonly podIPs?: readonly string[] | undefined;
  /** IPs of what hosts the pod; default the node's InternalIP addresses. */
  readonly hostIPs?: readonly string[] | undefined;
  /** When the backend accepted the pod. */
  readonly startTime?: Time | undefined;
  /** Network and sandbox exist (PodReadyToStartContainers). Default: an IP is known or a container has run. */
  readonly sandboxReady?: boolean | undefined;
  /** False holds the pod's Ready back although its containers are ready (e.g. a load balancer is not). */
  readonly ready?: boolean | undefined;
  /**
   * The pod is ended as a whole, for good: by the backend (eviction, spot reclaim), or because stopPod said so. While one of
   * its containers may still come to run, one that does not run yet included, it is not reported.
   */
  readonly failure?: PodFailure | undefined;
  /** All containers are being stopped to start over (RestartAllContainers): condition AllContainersRestarting. */
  readonly restartingAll?: boolean | undefined;
  /**
   * Resources that were asked for and are not in force: conditions PodResizePending (infeasible: never on this backend;
   * deferred: not yet) and PodResizeInProgress. Absent: there are none.
   */
  readonly resize?:
    | { readonly state: "infeasible" | "deferred" | "inProgress" | "failed"; readonly message?: string | undefined }
    | undefined;
  /** The backend wants the pod gone (it was removed there by hand): the core deletes the API object with this grace. */
  readonly evict?: { readonly gracePeriodSeconds: number } | undefined;
  /** Annotations to be set on the API object, e.g. the backend's own id; keys should carry the provider's domain. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export type PodUpdate =
  | { readonly type: "report"; readonly report: PodReport }
  /** The backend no longer has the pod. Outside a deletion the core asks again before it believes it. */
  | { readonly type: "gone"; readonly owner: PodOwner }
  /**
   * Something happened to the pod that its users are to read in an Event (Pulled, Started, BackOff, Unhealthy ...). Told
   * once, never again after a broken stream; no secrets.
   */
  | {
      readonly type: "event";
      readonly owner: PodOwner;
      readonly eventType: "Normal" | "Warning";
      readonly reason: string;
      readonly message: string;
      /** The container that it is about, of any kind; absent: the pod. */
      readonly container?: string | undefined;
    };

/** The pod that a call of the kubelet API is about. */
export interface PodTarget {
  readonly owner: PodOwner;
  /** The API object as last seen. Shared with the cache: never change it. */
  readonly pod: Stored<Pod>;
}

/** One container of it, of any kind: init, main or ephemeral. */
export interface ContainerTarget extends PodTarget {
  readonly container: string;
}

/** Which part of a container's log is wanted (v1.PodLogOptions). A backend may leave any of it to the core: see `ContainerLogs`. */
export interface ContainerLogOptions {
  /** Go on until the container ends; default false. */
  readonly follow?: boolean | undefined;
  /** The run before the present one; default false. Never left to the core: NotFound when there is none or none is kept. */
  readonly previous?: boolean | undefined;
  /**
   * The run that is meant, by what was reported of it; absent: none was. Where the backend knows its runs by it, it comes
   * before `previous`, which tells how things were in the latest report: the container may have restarted since. NotFound
   * when that run's log is not kept.
   */
  readonly containerID?: string | undefined;
  /** Only lines of this time or later, RFC 3339 with up to nine digits of a second. `sinceSeconds` comes as this, too. */
  readonly sinceTime?: Time | undefined;
  /** So many lines from the end, 0 for none; absent: all. Counted before `sinceTime` is looked at. */
  readonly tailLines?: number | undefined;
  /** Only what the container wrote there; absent: both. */
  readonly stream?: "Stdout" | "Stderr" | undefined;
  /** Each line's time is wanted as well: answer in a format that has it, where the backend knows it. */
  readonly timestamps?: boolean | undefined;
}

/** A container's log as the backend has it. */
export interface ContainerLogs {
  /**
   * - `plain`: what the container wrote; times and streams are unknown. Where times are wanted, a line gets that of its
   *   reading; `sinceTime` leaves out nothing; all counts as Stdout.
   * - `timestamped`: before each line its time (RFC 3339, up to nine digits of a second) and a space.
   * - `cri`: each line as a CRI runtime keeps it: time, `stdout` or `stderr`, `F` or `P` (the line goes on in the next), text.
   */
  readonly format: "plain" | "timestamped" | "cri";
  /** Bytes, cut anywhere, not to be changed later. Not read on while the client is slow; returned early when it goes away. */
  readonly data: AsyncIterable<Uint8Array>;
  /** What of the options has been applied already; the core does the rest. Default: nothing. */
  readonly applied?: readonly ("follow" | "sinceTime" | "tailLines" | "stream")[] | undefined;
}

/** One probe of one container run. */
export interface ProbeLabels {
  readonly probeType: "Liveness" | "Readiness" | "Startup";
  readonly container: string;
  readonly pod: string;
  readonly namespace: string;
  readonly podUID: string;
}

/** Counted since the container's probe began. */
export interface ProbeMetrics {
  readonly results: readonly (ProbeLabels & {
    readonly result: "successful" | "failed" | "unknown";
    readonly count: number;
  })[];
  readonly durations: readonly (ProbeLabels & {
    /** Upper bound in seconds, ascending, and how many took no longer; the last need not be infinite. */
    readonly buckets: readonly (readonly [number, number])[];
    readonly count: number;
    readonly sumSeconds: number;
  })[];
}

/** In character cells. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** The ends of a command's streams. Absent ones were not asked for. */
export interface ContainerIO {
  /** Ends when the client closes its side. */
  readonly stdin?: Readable | undefined;
  /** The core ends it after the call. A write that answers false wants `drain` to be awaited. */
  readonly stdout?: Writable | undefined;
  /** Never there with a terminal: its output is all on stdout. */
  readonly stderr?: Writable | undefined;
  /** Run it in a terminal. */
  readonly tty: boolean;
  /** Sizes of the terminal from the first on; only with `tty`. */
  readonly resize?: AsyncIterable<TerminalSize> | undefined;
}

/** How a command ended. */
export interface ExecResult {
  /** 0 to 255. */
  readonly exitCode: number;
}

/** The node as the backend sees it. Absent fields leave what is configured; each value replaces the one before. */
export interface NodeReport {
  readonly capacity?: Readonly<Record<string, Quantity>> | undefined;
  /** Default: capacity. */
  readonly allocatable?: Readonly<Record<string, Quantity>> | undefined;
  /** Merged by type; Ready=False here makes the node not ready. Times are the core's. */
  readonly conditions?: readonly Pick<NodeCondition, "type" | "status" | "reason" | "message">[] | undefined;
  readonly addresses?: readonly NodeAddress[] | undefined;
  readonly nodeInfo?: Partial<NodeSystemInfo> | undefined;
  /** Those that are on the node, in any order; names with digests before those with tags. The core tells of the largest. */
  readonly images?: readonly ContainerImage[] | undefined;
  /** Taints of the provider's own, beside the configured ones. */
  readonly taints?: readonly Taint[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Parts of a pod spec beyond image, command, args, env, ports and resources that a backend can honour. */
export type PodFeature =
  | "initContainers"
  | "sidecarContainers"
  | "ephemeralContainers"
  | "probes"
  | "lifecycleHooks"
  | "hostNetwork"
  | "hostPID"
  | "hostIPC"
  | "hostPorts"
  | "hostUsers"
  | "privileged"
  | "securityContext"
  | "tty"
  | "resourceClaims"
  | "windows";

/** Names of the volume sources of v1.Volume. */
export type VolumeKind =
  | "awsElasticBlockStore"
  | "azureDisk"
  | "azureFile"
  | "cephfs"
  | "cinder"
  | "configMap"
  | "csi"
  | "downwardAPI"
  | "emptyDir"
  | "ephemeral"
  | "fc"
  | "flexVolume"
  | "flocker"
  | "gcePersistentDisk"
  | "gitRepo"
  | "glusterfs"
  | "hostPath"
  | "image"
  | "iscsi"
  | "nfs"
  | "persistentVolumeClaim"
  | "photonPersistentDisk"
  | "portworxVolume"
  | "projected"
  | "quobyte"
  | "rbd"
  | "scaleIO"
  | "secret"
  | "storageos"
  | "vsphereVolume";

/** What a backend can do. A pod that needs more is refused before createPod, with the field named. */
export interface Capabilities {
  /** Default: all. */
  readonly features?: readonly PodFeature[] | undefined;
  /** Default: all. */
  readonly volumes?: readonly VolumeKind[] | undefined;
  readonly limits?:
    | {
        /** Containers of a pod, init containers included. */
        readonly containers?: number | undefined;
        /** Largest request of one pod, by resource name. */
        readonly requests?: Readonly<Record<string, Quantity>> | undefined;
      }
    | undefined;
  /**
   * True: `PodRequest.resolved` is wanted, and a pod waits until everything that it must refer to is there. Default false:
   * the provider gets the pod as it is in the API.
   */
  readonly resolve?: boolean | undefined;
  /**
   * With `resolve` and updatePod: a pod is handed over although containers lack what they must have in their environment. They
   * are marked (`ResolvedContainer.missing`) and must not be made; the others go on. An update, of the same revision too,
   * follows whenever containers are to be given something else from their next start on; a provider that has such a pod from
   * before a restart of the program asks for it by an empty `revision`. Volumes are waited for all the same. Default false:
   * such a pod waits as a whole, and keeps what it was given.
   */
  readonly resolvePartly?: boolean | undefined;
  /** With `resolve`: variables may come from files in emptyDir volumes (`FileKey`). Default false: such pods are refused. */
  readonly envFiles?: boolean | undefined;
  /** For so long after a create the backend may still answer "not found" about the pod. Default 0. */
  readonly consistencyDelaySeconds?: number | undefined;
  /**
   * For `declaredFeatures` of the node: what of newer Kubernetes the backend does itself, by the names of the feature gates.
   * Schedulers bring pods that need one to such nodes alone. Default none.
   */
  readonly declaredFeatures?: readonly string[] | undefined;
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
   * Invalid and Unsupported are final (the pod becomes Failed); every other error is retried for ever.
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

  /** Resolves while the backend can be reached; throws (or takes longer than the configured time-out) when not. */
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
  readonly log: Logger;
}

/**
 * What a provider module exports, by the name `createProvider`. Throws Invalid with all faults of the configuration in
 * one message. Connects, but starts nothing that must be stopped other than by the provider's Symbol.asyncDispose.
 */
export type CreateProvider = (init: ProviderInit, context: CallContext) => Promise<Provider> | Provider;
