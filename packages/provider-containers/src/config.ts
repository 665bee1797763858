// Configuration of the containers provider: which engine, where its state is, what pods may do. Nothing is allowed that is not
// written down. All faults are reported at once.
import {
  absolutePath,
  byteSize,
  checkedConfig,
  mountablePath,
  type ProviderConfigSource,
  pressure,
  quantity,
  readProviderConfig,
} from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";

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
  /** The engine's name of the OCI runtime by `handler` of a RuntimeClass. Pods of a class with another handler do not start. */
  readonly runtimeHandlers: Readonly<Record<string, string>>;
  /** Parent of the control groups of pods. */
  readonly cgroupParent: string;
  /** Processes and threads of one pod; 0: no limit. */
  readonly podPidsLimit: number;
  /** Directories of the host that pods may have, with all in them; "/" for all. Default none. */
  readonly hostPaths: readonly string[];
  readonly allowPrivileged: boolean;
  /** hostNetwork, hostPID, hostIPC. */
  readonly allowHostNamespaces: boolean;
  /** Sysctls beside the safe ones; a name, or a prefix with `*`. */
  readonly allowedUnsafeSysctls: readonly string[];
  /** Containers that name no seccomp profile have the engine's, not none. */
  readonly seccompDefault: boolean;
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
    /** Hosts that all are the registry which the engine means by names without one: pull secrets for them are used for such images. Default: what the engine says; Podman says nothing. */
    readonly defaultRegistries: readonly string[];
  };
  /** Creates, starts and removals side by side. */
  readonly parallelCalls: number;
}

const endpoint = v.pipe(
  v.string("must be an address"),
  v.check(
    (text) => text === "" || /^(unix:\/\/\/.+|tcp:\/\/.+|https?:\/\/.+|ssh:\/\/.+)$/.test(text),
    "must be like unix:///run/podman/podman.sock, tcp://host:2376 or ssh://user@host",
  ),
);
const limit = v.pipe(v.number("must be a number"), v.integer(), v.minValue(-1, "must be -1 (no limit) or more"));
const percent = v.pipe(v.number("must be a number"), v.minValue(0), v.maxValue(100, "must be at most 100"));
const count = v.pipe(v.number("must be a number"), v.integer(), v.minValue(1, "must be at least 1"), v.maxValue(1000));

const settings = v.strictObject({
  endpoint: v.optional(endpoint, ""),
  tls: v.optional(v.strictObject({ caFile: absolutePath, certFile: absolutePath, keyFile: absolutePath })),
  insecurePlainHTTP: v.optional(v.boolean(), false),
  stateDirectory: mountablePath,
  network: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]*$/, "must be the name of a network")), ""),
  infraImage: v.optional(v.string(), ""),
  runtime: v.optional(v.string(), ""),
  runtimeHandlers: v.optional(v.record(v.string(), v.string()), {}),
  cgroupParent: v.optional(
    v.pipe(v.string(), v.regex(/^\/?[\w.-]+(\/[\w.-]+)*$/, "must be a path of cgroup names")),
    "virtual-kubelet",
  ),
  podPidsLimit: v.optional(v.pipe(v.number("must be a number"), v.integer(), v.minValue(0)), 0),
  hostPaths: v.optional(v.array(mountablePath), []),
  allowPrivileged: v.optional(v.boolean(), false),
  allowHostNamespaces: v.optional(v.boolean(), false),
  allowedUnsafeSysctls: v.optional(
    v.array(v.pipe(v.string(), v.regex(/^[a-z0-9_.-]+(\.?\*)?$/, "must be a name, or a prefix with *"))),
    [],
  ),
  seccompDefault: v.optional(v.boolean(), true),
  ulimits: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[a-z]+$/, "must be the name of a limit, like nofile")),
      v.pipe(
        v.strictObject({ soft: limit, hard: limit }),
        v.check(({ soft, hard }) => hard === -1 || (soft !== -1 && soft <= hard), "soft must be at most hard"),
      ),
    ),
    {},
  ),
  logs: v.optional(
    v.strictObject({
      maxSize: v.optional(v.pipe(byteSize, v.minValue(65_536, "must be at least 64Ki")), "50Mi"),
    }),
    {},
  ),
  capacity: v.optional(v.record(v.string(), quantity), {}),
  reserved: v.optional(v.record(v.string(), quantity), {}),
  pressure: v.optional(pressure, {}),
  images: v.optional(
    v.pipe(
      v.strictObject({
        highThresholdPercent: v.optional(percent, 85),
        lowThresholdPercent: v.optional(percent, 80),
        minimumAgeSeconds: v.optional(v.pipe(v.number(), v.minValue(0)), 120),
        parallelPulls: v.optional(count, 4),
        defaultRegistries: v.optional(
          v.array(v.pipe(v.string(), v.regex(/^[\w.-]+(:\d+)?$/, "must be a host, with a port where it has one"))),
          [],
        ),
      }),
      v.check(
        ({ highThresholdPercent, lowThresholdPercent }) => lowThresholdPercent <= highThresholdPercent,
        "lowThresholdPercent must be at most highThresholdPercent",
      ),
    ),
    {},
  ),
  parallelCalls: v.optional(count, 8),
});

const schema = v.pipe(
  settings,
  v.check(
    (config) => !config.endpoint.startsWith("tcp:") || config.tls !== undefined || config.insecurePlainHTTP,
    "an endpoint of type tcp needs tls, or insecurePlainHTTP: whoever can reach it is root there",
  ),
);

/** Throws Invalid with all faults in one message. */
export function parseContainersConfig(value: unknown): ContainersConfig {
  return checkedConfig("containers", schema, value);
}

/** From the object in the program's configuration or from a file of its own, in JSON or YAML; not both. */
export async function readContainersConfig(source: ProviderConfigSource): Promise<ContainersConfig> {
  return readProviderConfig("containers", source, parseContainersConfig);
}
