// Configuration of the process provider: where it keeps its state, how far it isolates, which images there are, what pods may
// do. Nothing is allowed that is not written down. All faults are reported at once.
import * as v from "valibot";
import { byteSize, mountablePath, pressure, quantity } from "../../host/config-values.ts";
import { checkedConfig, type ProviderConfigSource, readProviderConfig } from "../../host/provider-config.ts";
import { parseRange } from "./pod-addresses.ts";

export interface ImageConfig {
  /** Directory that is the root of its containers; undefined: the host's own root. */
  readonly root?: string | undefined;
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly workingDir?: string | undefined;
}

export interface ProcessConfig {
  /** Each node has a directory of its name in it. */
  readonly stateDirectory: string;
  readonly isolation: "namespaces" | "none";
  /** "private": each pod that does not ask for the host's has a network of its own. */
  readonly network: "host" | "private";
  /** Addresses of those pods, the first one the host's. */
  readonly podCIDR?: string | undefined;
  readonly cgroups: "auto" | "off" | "required";
  readonly cgroupParent: string;
  readonly images: Readonly<Record<string, "host" | ImageConfig>>;
  readonly hostPaths: readonly string[];
  readonly user: { readonly uid: number; readonly gid: number };
  readonly allowRoot: boolean;
  readonly allowPrivileged: boolean;
  /** Bytes of one file; files kept. */
  readonly logs: { readonly maxSize: number; readonly maxFiles: number };
  /** Quantities by resource; in place of what is found. */
  readonly capacity: Readonly<Record<string, string>>;
  /** Quantities, or shares like "10%": below them the node is under pressure. */
  readonly pressure: Readonly<Record<"memoryAvailable" | "diskAvailable" | "inodesFree" | "pidsAvailable", string>>;
}

const range = v.pipe(
  v.string("must be a range of addresses"),
  v.check((text) => parseRange(text) !== undefined, "must be an IPv4 range from /16 to /29, like 10.99.0.0/24"),
);
const id = v.pipe(v.number("must be a number"), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 2));
const words = v.array(v.string());

const image = v.union(
  [
    v.literal("host"),
    v.strictObject({
      root: v.optional(mountablePath),
      command: v.optional(words),
      args: v.optional(words),
      env: v.optional(v.record(v.string(), v.string())),
      workingDir: v.optional(mountablePath),
    }),
  ],
  'must be "host", or an object with root, command, args, env, workingDir',
);

const settings = v.strictObject({
  stateDirectory: mountablePath,
  isolation: v.optional(v.picklist(["namespaces", "none"], 'must be "namespaces" or "none"'), "namespaces"),
  network: v.optional(v.picklist(["host", "private"], 'must be "host" or "private"'), "host"),
  podCIDR: v.optional(range),
  cgroups: v.optional(v.picklist(["auto", "off", "required"], 'must be "auto", "off" or "required"'), "auto"),
  cgroupParent: v.optional(
    v.pipe(v.string(), v.regex(/^\/?[\w.-]+(\/[\w.-]+)*$/, "must be a path of cgroup names")),
    "virtual-kubelet",
  ),
  images: v.optional(v.record(v.string(), image), {}),
  hostPaths: v.optional(v.array(mountablePath), []),
  user: v.optional(v.strictObject({ uid: id, gid: id }), { uid: 65534, gid: 65534 }),
  allowRoot: v.optional(v.boolean(), false),
  allowPrivileged: v.optional(v.boolean(), false),
  logs: v.optional(
    v.strictObject({
      maxSize: v.optional(v.pipe(byteSize, v.minValue(4096, "must be at least 4096")), "10Mi"),
      maxFiles: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2, "must be at least 2"), v.maxValue(1000)), 5),
    }),
    {},
  ),
  capacity: v.optional(v.record(v.string(), quantity), {}),
  pressure: v.optional(pressure, {}),
});

const schema = v.pipe(
  settings,
  v.check(({ network, podCIDR }) => network === "host" || podCIDR !== undefined, 'network "private" needs a podCIDR'),
  v.check(
    ({ network, isolation }) => network === "host" || isolation === "namespaces",
    'network "private" needs isolation "namespaces"',
  ),
);

/** Throws Invalid with all faults in one message. */
export function parseProcessConfig(value: unknown): ProcessConfig {
  return checkedConfig("process", schema, value);
}

/** From the object in the program's configuration or from a file of its own, in JSON or YAML; not both. */
export async function readProcessConfig(source: ProviderConfigSource): Promise<ProcessConfig> {
  return readProviderConfig("process", source, parseProcessConfig);
}
