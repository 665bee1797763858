// Configuration of the containers provider: which engine, where its state is, what pods may do. Types and defaults; checked
// all at once.

export interface ContainersConfig {
  /** unix:///path, tcp://host:port (needs tls, or insecurePlainHTTP) or ssh://user@host:port. Default: DOCKER_HOST, else the first socket there of Podman and Docker. */
  readonly endpoint: string;
  readonly tls?: { readonly caFile: string; readonly certFile: string; readonly keyFile: string } | undefined;
  readonly insecurePlainHTTP: boolean;
  /** On the engine's host, by the same path for us and for the engine. Each node has a directory of its name in it. */
  readonly stateDirectory: string;
  /** The engine's network for pods; "": its default. */
  readonly network: string;
  /** Runs while the pod does, and holds its network; "": one of our own that is made in the engine, a few hundred bytes. */
  readonly infraImage: string;
  /** OCI runtime by the engine's name for it; "": its default. */
  readonly runtime: string;
  /** Parent of the control groups of pods. */
  readonly cgroupParent: string;
  /** Directories of the host that pods may have, with all in them; "/" for all. Default none. */
  readonly hostPaths: readonly string[];
  readonly allowPrivileged: boolean;
  /** hostNetwork, hostPID, hostIPC. */
  readonly allowHostNamespaces: boolean;
  /** Sysctls beside the safe ones; a name, or a prefix with `*`. */
  readonly allowedUnsafeSysctls: readonly string[];
  /** Of each container, by name ("nofile"): soft and hard. */
  readonly ulimits: Readonly<Record<string, { readonly soft: number; readonly hard: number }>>;
  /** Bytes of one log file. */
  readonly logs: { readonly maxSize: number };
  /** Quantities by resource, in place of what is found. */
  readonly capacity: Readonly<Record<string, string>>;
  /** Kept from pods: allocatable is capacity less this. */
  readonly reserved: Readonly<Record<string, string>>;
  readonly pressure: Readonly<Record<"memoryAvailable" | "diskAvailable" | "inodesFree" | "pidsAvailable", string>>;
  readonly images: {
    /** Percent of the engine's disk in use from which unused images of ours go, and down to which. */
    readonly highThresholdPercent: number;
    readonly lowThresholdPercent: number;
    readonly minimumAgeSeconds: number;
    readonly parallelPulls: number;
  };
  /** Creates, starts and removals side by side. */
  readonly parallelCalls: number;
}
