// Configuration of the Nomad provider: where the API is, where pods' jobs go, what pods may have. All faults are reported at once.
// Nomad's own environment variables stand in for what is not written down.
import { checkedConfig, type ProviderConfigSource, readProviderConfig } from "@virtual-kubelet/virtual-kubelet/host";
import { configSchema } from "./config-schema.ts";
import type { Driver } from "./drivers.ts";

export interface NomadConfig {
  /** Default NOMAD_ADDR, then http://127.0.0.1:4646. */
  readonly address: string;
  /** NOMAD_REGION; "": the agent's. */
  readonly region: string;
  /** NOMAD_NAMESPACE; default "default". */
  readonly namespace: string;
  /** NOMAD_TOKEN; "": none. */
  readonly token: string;
  /** Read anew before each call, in place of `token`. */
  readonly tokenFile: string;
  /** NOMAD_HTTP_AUTH: `user:password`. */
  readonly basicAuth: string;
  /** NOMAD_CACERT, NOMAD_CAPATH, NOMAD_CLIENT_CERT, NOMAD_CLIENT_KEY, NOMAD_TLS_SERVER_NAME, NOMAD_SKIP_VERIFY. */
  readonly tls: {
    readonly caFile: string;
    readonly caPath: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly serverName: string;
    readonly skipVerify: boolean;
  };
  /** Default `*`: any. A pod's annotation nomad.hashicorp.com/datacenters comes before it. */
  readonly datacenters: readonly string[];
  /** Default "default". */
  readonly nodePool: string;
  /** Default docker. */
  readonly driver: Driver;
  /** Those that pods may choose by the annotation nomad.virtual-kubelet.io/driver. Default none but `driver`. */
  readonly allowedDrivers: readonly Driver[];
  /** 1 to 100; default 50. */
  readonly priority: number;
  readonly network: {
    /** bridge, host, none, or cni/NAME. Default bridge, for raw_exec host. */
    readonly mode: string;
    /** Which address is the pod's: that of its network, or that of the client's host. Default allocation. */
    readonly podIP: "allocation" | "host";
  };
  /** What a container is given that asks for nothing. */
  readonly defaults: { readonly cpu: string; readonly memory: string };
  /** MHz of one core; 0: the average of the fleet, live. */
  readonly mhzPerCore: number;
  /** Nomad's name of a device by Kubernetes' name of a resource. Default nvidia.com/gpu: nvidia/gpu. */
  readonly devices: Readonly<Record<string, string>>;
  /** What of hosts and of Nomad's volumes pods may use: names, `*` for any part. Default none. */
  readonly volumes: {
    /** Paths of hosts. */
    readonly hostPaths: readonly string[];
    readonly host: readonly string[];
    readonly csi: readonly string[];
  };
  /** MiB of each pod's scratch directory, logs included. Default 300. */
  readonly ephemeralDiskMB: number;
  readonly logs: { readonly maxFiles: number; readonly maxFileSizeMB: number };
  /** Of the node: how many pods it takes. Default 1000. */
  readonly pods: string;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Settings = Readonly<Record<string, unknown>>;

/** Throws Invalid with all faults in one message. */
export function parseNomadConfig(value: unknown, env: Environment = process.env): NomadConfig {
  const given = value ?? {};
  return checkedConfig("nomad", configSchema, isSettings(given) ? withEnvironment(given, env) : given);
}

export async function readNomadConfig(
  source: ProviderConfigSource,
  env: Environment = process.env,
): Promise<NomadConfig> {
  if (source.path === undefined && source.object === undefined) return parseNomadConfig(undefined, env);
  return readProviderConfig("nomad", source, (value) => parseNomadConfig(value, env));
}

function withEnvironment(given: Settings, env: Environment): Settings {
  const tls = given["tls"];
  const ofTls = present({
    caFile: env["NOMAD_CACERT"],
    caPath: env["NOMAD_CAPATH"],
    certFile: env["NOMAD_CLIENT_CERT"],
    keyFile: env["NOMAD_CLIENT_KEY"],
    serverName: env["NOMAD_TLS_SERVER_NAME"],
    skipVerify: flag(env["NOMAD_SKIP_VERIFY"]),
  });
  const variables = present({
    address: env["NOMAD_ADDR"],
    region: env["NOMAD_REGION"],
    namespace: env["NOMAD_NAMESPACE"],
    // Whose token is to come from a file does not want the variable's.
    token: "tokenFile" in given ? undefined : env["NOMAD_TOKEN"],
    basicAuth: env["NOMAD_HTTP_AUTH"],
  });
  return {
    ...variables,
    ...given,
    ...(tls === undefined ? { tls: ofTls } : isSettings(tls) ? { tls: { ...ofTls, ...tls } } : {}),
  };
}

/** What is no truth value is passed on, and refused by its name. */
function flag(text: string | undefined): unknown {
  if (text === undefined || text === "") return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  return /^(0|f|false)$/i.test(text) ? false : text;
}

function present(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined && value !== ""));
}

function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
