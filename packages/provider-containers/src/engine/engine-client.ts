// What the provider asks of a container engine, in the nouns of the Docker Engine API (v1.41), which Podman speaks too; and
// what it takes from the answers. Types and docs only. Nothing here knows of pods.
import type { Readable, Writable } from "node:stream";

/** Where the engine is. */
export type EngineAddress =
  | { readonly type: "unix"; readonly path: string }
  | {
      readonly type: "tcp";
      readonly host: string;
      readonly port: number;
      /** PEM. Absent: plain HTTP, only where the configuration says so by name. */
      readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
    }
  | { readonly type: "ssh"; readonly host: string; readonly port: number; readonly username: string };

/** What is called with: aborts the request. */
export interface CallOptions {
  readonly signal: AbortSignal;
}

export interface EngineInfo {
  /** "podman" where it is Podman behind the Docker API. */
  readonly flavour: "docker" | "podman";
  /** Of the engine, e.g. "4.3.1". */
  readonly version: string;
  readonly apiVersion: string;
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  /** As the engine says it: "amd64", "arm64" ... */
  readonly architecture: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly cgroupVersion: 1 | 2;
  readonly cgroupDriver: "cgroupfs" | "systemd" | "none";
  /** Directory where the engine keeps images and containers. */
  readonly rootDirectory: string;
  /** Host of the registry that names without one mean; "" where it does not say (Podman). */
  readonly defaultRegistry: string;
  readonly rootless: boolean;
  /** Security options as the engine names them, e.g. "name=seccomp,profile=default". */
  readonly securityOptions: readonly string[];
}

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export interface EngineMount {
  readonly Type: "bind" | "tmpfs";
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: { readonly Propagation?: "private" | "rprivate" | "rshared" | "rslave" };
  readonly TmpfsOptions?: { readonly SizeBytes?: number; readonly Mode?: number };
}

/** Body of a create. Names and units are the Docker Engine API's; absent is the engine's default. */
export interface ContainerCreate {
  readonly Image: string;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly Hostname?: string;
  readonly Domainname?: string;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  /** `{"80/tcp": {}}` */
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Healthcheck?: { readonly Test: readonly ["NONE"] };
  readonly HostConfig: {
    readonly NetworkMode?: string;
    readonly PidMode?: string;
    readonly IpcMode?: string;
    readonly UTSMode?: string;
    readonly UsernsMode?: string;
    readonly CgroupParent?: string;
    readonly CgroupnsMode?: string;
    readonly Binds?: readonly string[];
    readonly Mounts?: readonly EngineMount[];
    readonly Tmpfs?: Readonly<Record<string, string>>;
    readonly PortBindings?: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>>;
    readonly ExtraHosts?: readonly string[];
    readonly Dns?: readonly string[];
    readonly DnsSearch?: readonly string[];
    readonly DnsOptions?: readonly string[];
    readonly Sysctls?: Readonly<Record<string, string>>;
    readonly Privileged?: boolean;
    readonly ReadonlyRootfs?: boolean;
    readonly CapAdd?: readonly string[];
    readonly CapDrop?: readonly string[];
    readonly GroupAdd?: readonly string[];
    readonly SecurityOpt?: readonly string[];
    readonly MaskedPaths?: readonly string[];
    readonly ReadonlyPaths?: readonly string[];
    readonly Devices?: readonly {
      readonly PathOnHost: string;
      readonly PathInContainer: string;
      readonly CgroupPermissions: string;
    }[];
    readonly CpuShares?: number;
    readonly CpuPeriod?: number;
    readonly CpuQuota?: number;
    readonly CpusetCpus?: string;
    readonly Memory?: number;
    readonly MemorySwap?: number;
    readonly MemoryReservation?: number;
    readonly PidsLimit?: number;
    readonly OomScoreAdj?: number;
    readonly ShmSize?: number;
    readonly Ulimits?: readonly Ulimit[];
    readonly Runtime?: string;
    readonly Init?: boolean;
    readonly RestartPolicy?: { readonly Name: "no" };
    readonly LogConfig?: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  };
}

/** A container as listed. */
export interface ContainerSummary {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** "created", "running", "exited", "paused", "dead", "removing" ...; of Podman also "stopping", "configured" ... */
  readonly state: string;
}

/** A container as inspected. Times are epoch milliseconds, absent where the engine says year 1. */
export interface ContainerDetails extends ContainerSummary {
  readonly name: string;
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  readonly finishedAt?: number | undefined;
  /** The engine's own word for whether its process is there. */
  readonly running: boolean;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why it did not start. "" where it did. */
  readonly error: string;
  /** Process id on the engine's host; 0 when it does not run. */
  readonly pid: number;
  /** Image as it was asked for, and its id (`sha256:...`). */
  readonly image: string;
  readonly imageID: string;
  /** Of the first network: addresses, IPv4 first. */
  readonly addresses: readonly string[];
  /** The engine's own log file, "" where it keeps none that can be read. */
  readonly logPath: string;
  readonly logDriver: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** Of Podman: path of its control group below the mount point; "" elsewhere. */
  readonly cgroupPath: string;
  readonly restartCount: number;
}

export interface ImageDetails {
  /** `sha256:...` */
  readonly id: string;
  /** Names with tags. */
  readonly tags: readonly string[];
  /** Names with digests; empty for one that was imported. */
  readonly digests: readonly string[];
  /** Bytes. */
  readonly size: number;
  /** "" for root; "1000", "name", "1000:1000" ... */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly stopSignal: string;
  readonly architecture: string;
}

export interface ImageSummary {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly size: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Containers of anybody that use it; -1: the engine did not say. */
  readonly containers: number;
}

/** For one registry. Never logged. */
export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly identitytoken?: string | undefined;
  readonly serveraddress: string;
}

export interface EngineEvent {
  /** "container", "image" ... */
  readonly type: string;
  /** "create", "start", "die", "oom", "destroy" ... in Docker's words, whatever the engine's. */
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Both ways of a hijacked connection. With a terminal all output is `stdout`. */
export interface EngineStream {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Closes at once. */
  destroy(): void;
}

export interface ExecCreate {
  readonly Cmd: readonly string[];
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly Tty: boolean;
  readonly User?: string;
  readonly Env?: readonly string[];
}

/** What of a log; times as the API takes them (seconds). */
export interface EngineLogOptions {
  readonly follow: boolean;
}

/**
 * One engine. Failures are VirtualKubeletErrors: NotFound (404), Conflict (409), Invalid (400 and what the engine says of a
 * request that can never succeed), Unauthorized (registry credentials), Unavailable (no connection, 5xx), with the engine's message.
 */
export interface EngineClient {
  readonly address: EngineAddress;
  ping(options: CallOptions): Promise<void>;
  /** Asked once, then kept until the connection was lost. */
  info(options: CallOptions): Promise<EngineInfo>;

  /** Idempotent use is by `name`: throws Conflict where that is taken. Resolves to the id. */
  createContainer(name: string, body: ContainerCreate, options: CallOptions): Promise<string>;
  /** No error when it runs already. */
  startContainer(id: string, options: CallOptions): Promise<void>;
  /** TERM (`stopSignal`, or the container's own signal), KILL after so many seconds. Resolves when it has ended; no error when it has already. */
  stopContainer(
    id: string,
    seconds: number,
    options: CallOptions & { readonly stopSignal?: string | undefined },
  ): Promise<void>;
  /** By name or number. No error when it does not run. */
  killContainer(id: string, signal: string, options: CallOptions): Promise<void>;
  /** With its anonymous volumes; kills it where it runs. No error when it is gone. */
  removeContainer(id: string, options: CallOptions): Promise<void>;
  inspectContainer(id: string, options: CallOptions): Promise<ContainerDetails>;
  /** Ended ones too, that have all these labels (`key` or `key=value`). */
  listContainers(labels: readonly string[], options: CallOptions): Promise<readonly ContainerSummary[]>;
  /** Of containers with the labels, from the call on. Throws Unavailable when the connection is lost. */
  events(labels: readonly string[], options: CallOptions): AsyncIterable<EngineEvent>;
  resizeContainer(id: string, width: number, height: number, options: CallOptions): Promise<void>;
  /** To a running container. */
  attach(
    id: string,
    what: { readonly stdin: boolean; readonly tty: boolean },
    options: CallOptions,
  ): Promise<EngineStream>;
  /** As the engine gives it, each with its stream and, before the text, its time (RFC 3339, a space). */
  logs(
    id: string,
    what: EngineLogOptions & { readonly tty: boolean },
    options: CallOptions,
  ): AsyncIterable<{ readonly stream: "stdout" | "stderr"; readonly data: Uint8Array }>;
  /** Changes limits of a running one. Throws Unsupported where the engine cannot. */
  updateContainer(
    id: string,
    limits: Pick<ContainerCreate["HostConfig"], "CpuShares" | "CpuPeriod" | "CpuQuota" | "Memory" | "MemorySwap">,
    options: CallOptions,
  ): Promise<void>;

  /** Content of a small regular file in it, running or not; undefined where there is none. Invalid: larger than 1 MiB. */
  readContainerFile(id: string, path: string, options: CallOptions): Promise<Uint8Array | undefined>;

  createExec(id: string, body: ExecCreate, options: CallOptions): Promise<string>;
  /** `size`: of its terminal from the start, in character cells, as far as the engine can. */
  startExec(
    execId: string,
    what: {
      readonly tty: boolean;
      readonly size?: { readonly width: number; readonly height: number } | undefined;
    },
    options: CallOptions,
  ): Promise<EngineStream>;
  resizeExec(execId: string, width: number, height: number, options: CallOptions): Promise<void>;
  inspectExec(
    execId: string,
    options: CallOptions,
  ): Promise<{ readonly running: boolean; readonly exitCode: number | undefined; readonly pid: number }>;

  /** Undefined where it is not there. */
  inspectImage(name: string, options: CallOptions): Promise<ImageDetails | undefined>;
  listImages(options: CallOptions): Promise<readonly ImageSummary[]>;
  /** Resolves when it is there. NotFound: there is none; Unauthorized: not for these credentials (or without); Unavailable. */
  pullImage(name: string, auth: RegistryAuth | undefined, options: CallOptions): Promise<void>;
  /** Makes an image of a tar file of its root; `changes` are Dockerfile instructions. */
  importImage(name: string, tar: Uint8Array, changes: readonly string[], options: CallOptions): Promise<void>;
  /** No error when it is gone; Conflict while a container uses it. */
  removeImage(name: string, options: CallOptions): Promise<void>;
}
