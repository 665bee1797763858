// What a backend of bare containers brings: primitives with the CRI's nouns, far fewer of them. Types and docs only. The
// engine makes a Provider of it. Every call is idempotent by id, and all state can be read back from the backend alone.
import type { Duplex } from "node:stream";
import type { ResourceRequirements, SecurityContext } from "../kube/types.gen.ts";
import type { NodeReport } from "../provider/node.ts";
import type { PodOwner } from "../provider/pods.ts";
import type { ContainerIO, ContainerLogOptions, ContainerLogs, ExecResult } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import type { ImageCredential, ResolvedVolume } from "../resolved-pod.ts";
import type { ContainerStats, NodeStats, PodStats } from "../stats-summary.ts";

/** One pod's place on the backend: network, names, volumes. At most one for each pod UID at a time. */
export interface SandboxSpec {
  readonly owner: PodOwner;
  /** Of the request last applied: kept and reported back. */
  readonly revision: string;
  readonly hostname: string;
  readonly resolvConf?: string | undefined;
  readonly hostNetwork: boolean;
  readonly hostPID: boolean;
  readonly hostIPC: boolean;
  readonly shareProcessNamespace: boolean;
  readonly sysctls: Readonly<Record<string, string>>;
  /** `handler` of the pod's RuntimeClass; absent: the backend's default. */
  readonly runtimeHandler?: string | undefined;
  /** Owner group of volumes, and of all processes. */
  readonly fsGroup?: number | undefined;
  /** Ports to be reached at the host's address. */
  readonly hostPorts: readonly {
    readonly hostIP?: string | undefined;
    readonly hostPort: number;
    readonly containerPort: number;
    readonly protocol: string;
  }[];
  readonly volumes: readonly ResolvedVolume[];
  /** Absent: "BestEffort". */
  readonly qosClass?: QosClass | undefined;
  /** Of the whole pod, overhead included: cpu, memory and the like. No limit where one of its containers has none. */
  readonly resources?: ResourceRequirements | undefined;
  /** Kept with it and reported back unchanged: the engine's own notes. Small. */
  readonly notes: Readonly<Record<string, string>>;
}

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** How late the kernel is to kill it when memory runs out. */
export interface KillRank {
  /** By which it ranks: a pod that the node cannot do without ranks as Guaranteed. */
  readonly qosClass: QosClass;
  /** By which it ranks among Burstable ones. */
  readonly memoryRequestBytes: number;
}

export interface Mount {
  readonly volume: string;
  readonly mountPath: string;
  readonly subPath?: string | undefined;
  readonly readOnly: boolean;
  /** What is mounted below it is read-only too; "IfPossible": where that can be. Absent: need not be. */
  readonly recursiveReadOnly?: "Enabled" | "IfPossible" | undefined;
  /** Which mounts made later show on the other side; absent: none. */
  readonly mountPropagation?: "HostToContainer" | "Bidirectional" | undefined;
}

/** One run of a container. Its id is pod UID, name and attempt. */
export interface ContainerSpec {
  readonly podUid: string;
  readonly name: string;
  /** Runs of this container before this one. */
  readonly attempt: number;
  readonly image: string;
  /** Absent: the image's. */
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly workingDir?: string | undefined;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly Mount[];
  /** Content of /etc/hosts; absent: the container brings its own or has the host's. */
  readonly hosts?: string | undefined;
  /** To be added to the host's own, for a pod in its network; absent: nothing is to be put there. */
  readonly hostsAdded?: string | undefined;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly terminationMessagePath: string;
  /** Of pod and container, merged. */
  readonly security: SecurityContext & {
    readonly supplementalGroups?: readonly number[] | undefined;
    /** "Strict": the groups that the image has for its user are left out. */
    readonly supplementalGroupsPolicy?: string | undefined;
  };
  readonly resources: ResourceRequirements;
  /** Of the whole pod from now on, as SandboxSpec.resources: it may have been resized since. */
  readonly podResources?: ResourceRequirements | undefined;
  /** Absent: BestEffort. */
  readonly killRank?: KillRank | undefined;
  /** Name of the container whose processes it sees (ephemeral containers). */
  readonly targetContainer?: string | undefined;
  /** Kept with it and reported back unchanged: the engine's own notes. Small. */
  readonly notes: Readonly<Record<string, string>>;
}

export interface PulledImage {
  /** Digest reference, "" where there is none. */
  readonly reference: string;
  /** Bytes. */
  readonly size?: number | undefined;
  /** Of the pull itself, without the time it waited for others. Absent: it did not wait. */
  readonly pullMs?: number | undefined;
}

export interface ContainerRef {
  readonly podUid: string;
  readonly name: string;
  readonly attempt: number;
}

export interface RuntimeContainer extends ContainerRef {
  /** The backend's own, for status.containerID without its `type://`. */
  readonly id: string;
  readonly state: "created" | "running" | "exited" | "unknown";
  readonly image: string;
  /** Digest reference, "" where there is none. */
  readonly imageID: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  readonly finishedAt?: number | undefined;
  readonly exitCode?: number | undefined;
  readonly signal?: number | undefined;
  /** Where the backend knows more than the code: "OOMKilled", "StartError" ... */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  /** As whom its first process begins, where that is known. */
  readonly user?: RuntimeUser | undefined;
  readonly notes: Readonly<Record<string, string>>;
}

export interface RuntimeUser {
  readonly uid: number;
  readonly gid: number;
  readonly supplementalGroups: readonly number[];
}

export interface RuntimeSandbox {
  readonly owner: PodOwner;
  readonly revision: string;
  readonly ready: boolean;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly ips: readonly string[];
  readonly notes: Readonly<Record<string, string>>;
  /** All runs that are kept, exited ones too. */
  readonly containers: readonly RuntimeContainer[];
}

/** By pod UID. */
export interface RuntimeStats {
  readonly node: NodeStats;
  /** Running ones. */
  readonly containers: ReadonlyMap<string, readonly ContainerStats[]>;
  /** What is known of pods beside that; by it pods are evicted that exceed limits of storage. */
  readonly pods?: ReadonlyMap<string, Omit<PodStats, "podRef" | "startTime" | "containers">> | undefined;
}

export interface ContainerRuntime {
  /** `type` of `type://id` in container ids, e.g. "process". */
  readonly type: string;

  /** Hosts of the registries that are meant by names without one: credentials for them are handed over for such images. Default none. */
  readonly defaultRegistries?: readonly string[] | undefined;
  /**
   * Resolves once it is here; NotFound, Unauthorized, Invalid (the name), Unavailable. The credentials are those for this
   * image: they are tried in order, and without any it is pulled as nobody. Absent: images need no pull.
   */
  pullImage?(image: string, credentials: readonly ImageCredential[], context: CallContext): Promise<PulledImage>;
  /**
   * Of an image that is here: false where it was pulled for others with credentials and nothing shows yet that these are good
   * for it too; it is pulled again with them then. Absent: whoever is on the node may use all images.
   */
  mayUseImage?(image: string, credentials: readonly ImageCredential[], context: CallContext): Promise<boolean>;
  /** Digest reference of an image that is here; undefined when it is not. */
  imageStatus(image: string, context: CallContext): Promise<string | undefined>;

  /**
   * Idempotent by owner.uid. Its IPs are known when it resolves. One that is there and not ready (the host was restarted,
   * or it was stopped) is made ready again with this spec, its revision and its notes; its runs are kept, all ended.
   */
  createSandbox(spec: SandboxSpec, context: CallContext): Promise<RuntimeSandbox>;
  /** Changes revision and notes of a sandbox that is there, at once; what is not named (each note by its key) stays. Throws NotFound. */
  updateSandbox(
    podUid: string,
    change: { readonly revision?: string | undefined; readonly notes?: Readonly<Record<string, string>> | undefined },
    context: CallContext,
  ): Promise<void>;
  /**
   * Frees what a pod holds whose containers have all ended (addresses, memory, volumes that were its own): it is not ready any more, but its runs, logs
   * and notes stay. Idempotent; no error when it is gone. Absent: nothing is freed before the removal.
   */
  stopSandbox?(podUid: string, context: CallContext): Promise<void>;
  /** Removes it with all its containers and volumes; what still runs is killed. No error when it is gone. */
  removeSandbox(podUid: string, context: CallContext): Promise<void>;
  /** Replaces the content of volumes of type files, atomically for their readers. Throws NotFound. */
  updateVolumes(podUid: string, volumes: readonly ResolvedVolume[], context: CallContext): Promise<void>;

  /**
   * Content of a regular file in an emptyDir volume, its path relative to the volume's root; no link leads out of the volume.
   * NotFound: no such file; Invalid: no regular file, or larger than 1 MiB. Absent: pods that take variables from files are
   * refused.
   */
  readVolumeFile?(podUid: string, volume: string, path: string, context: CallContext): Promise<Uint8Array>;

  /**
   * Idempotent by id: one that is there is left as it is. NotFound: no sandbox, or no image. Invalid and Unsupported show as
   * CreateContainerConfigError, all others as CreateContainerError; an error's `reason` goes before both.
   */
  createContainer(spec: ContainerSpec, context: CallContext): Promise<void>;
  /** No error when it runs or has run already: a run never begins twice. NotFound when it is gone. */
  startContainer(ref: ContainerRef, context: CallContext): Promise<void>;
  /** TERM (or `signal`), and KILL after the grace; resolves when it has ended. Called again with less grace, that one counts. No error when it is gone. */
  stopContainer(
    ref: ContainerRef,
    options: { readonly gracePeriodSeconds: number; readonly signal?: string | undefined },
    context: CallContext,
  ): Promise<void>;
  /** Removes an ended run with its log. No error when it is gone. */
  removeContainer(ref: ContainerRef, context: CallContext): Promise<void>;
  /** Resizes in place what can be; throws Unsupported for what cannot. Absent: nothing can. */
  updateResources?(
    ref: ContainerRef,
    resources: ResourceRequirements,
    /** Of the whole pod from now on, as SandboxSpec.resources. */
    pod: ResourceRequirements,
    context: CallContext,
  ): Promise<void>;

  /** Everything that is on the backend and bears the node's name in its owner. Complete or an error. */
  list(context: CallContext): Promise<readonly RuntimeSandbox[]>;
  /** One pod's; undefined when there is none. */
  get(podUid: string, context: CallContext): Promise<RuntimeSandbox | undefined>;
  /** UIDs of pods of which something changed, from the call on. Absent: the engine looks every second. */
  events?(context: CallContext): AsyncIterable<string>;

  exec(ref: ContainerRef, command: readonly string[], io: ContainerIO, context: CallContext): Promise<ExecResult>;
  attach?(ref: ContainerRef, io: ContainerIO, context: CallContext): Promise<void>;
  logs(ref: ContainerRef, options: ContainerLogOptions, context: CallContext): Promise<ContainerLogs>;
  /** Content of the termination message file, at most 4096 bytes; "" when there is none. */
  terminationMessage(ref: ContainerRef, context: CallContext): Promise<string>;
  /** Connects to a port in the pod's network. Absent: its IP is dialled. */
  portForward?(podUid: string, port: number, connection: Duplex, context: CallContext): Promise<void>;
  /** Asked for often: what takes long to measure is measured now and then, and told with its time. */
  stats?(context: CallContext): Promise<RuntimeStats>;

  /**
   * Frees what of the disk nobody needs, unused images first of all; answers how many bytes. Called while watchNode reports
   * DiskPressure, before pods are evicted for it: none is as long as this frees something. Absent: there is nothing to free.
   */
  freeDisk?(context: CallContext): Promise<number>;

  ping?(context: CallContext): Promise<void>;
  /** As Provider.watchNode: capacity, and pressure conditions, from which follows eviction. */
  watchNode?(context: CallContext): AsyncIterable<NodeReport>;
  [Symbol.asyncDispose]?(): Promise<void>;
}
