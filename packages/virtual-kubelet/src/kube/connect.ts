// From configuration to a working client: finds the kubeconfig or the pod's service account, picks the transport.
import { readFileSync } from "node:fs";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { ApiClient } from "./api-client.ts";
import type { KubeClient } from "./client.ts";
import type { ClusterConfig } from "./cluster-config.ts";
import { ClusterCredentials } from "./credentials.ts";
import { inClusterConfig } from "./in-cluster.ts";
import { clusterConfigOf, loadKubeconfig } from "./kubeconfig.ts";
import { checkMaterial } from "./material.ts";
import { proxyFromEnvironment } from "./proxy.ts";
import { RetryingCaller } from "./retrying-caller.ts";
import type { Transport } from "./transport.ts";
import { FallbackTransport } from "./transport-fallback.ts";
import { Http1Transport } from "./transport-http1.ts";
import { Http2Transport } from "./transport-http2.ts";

export interface ConnectOptions {
  /** Path; default the list of $KUBECONFIG, then ~/.kube/config, then the service account of the pod we run in. */
  readonly kubeconfig?: string | undefined;
  /** Default: the kubeconfig's current one. */
  readonly context?: string | undefined;
  /** Default: the process'. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Default: `virtual-kubelet/<version> (<os>/<architecture>)`. */
  readonly userAgent?: string | undefined;
  /** Of writes that name none; default "virtual-kubelet". */
  readonly fieldManager?: string | undefined;
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly clock?: Clock | undefined;
  /** Default "http2", which takes HTTP/1.1 by itself where a proxy or a server without HTTP/2 asks for it. */
  readonly transport?: "http2" | "http1" | undefined;
}

/** Which cluster, and as whom. Throws Invalid with all faults of the file. */
export async function resolveClusterConfig(
  options: Pick<ConnectOptions, "kubeconfig" | "context" | "env"> = {},
): Promise<ClusterConfig> {
  const env = options.env ?? process.env;
  const kubeconfig = await loadKubeconfig(options.kubeconfig, env);
  const found = kubeconfig === undefined ? await inClusterConfig(env) : clusterConfigOf(kubeconfig, options.context);
  if (found === undefined)
    throw new VirtualKubeletError(
      "Invalid",
      "no cluster: no kubeconfig was named, $KUBECONFIG is not set, ~/.kube/config does not exist, and this is no pod",
    );
  return found.proxyUrl !== undefined || found.server.startsWith("unix:")
    ? found
    : { ...found, proxyUrl: proxyFromEnvironment(new URL(found.server), env) };
}

/** A client for the cluster that the environment points to. Sends nothing yet. Throws Invalid. */
export async function connect(options: ConnectOptions = {}): Promise<KubeClient> {
  const config = await resolveClusterConfig(options);
  await checkMaterial(config);
  return createKubeClient(config, options);
}

type CallerSettings = Omit<ConnectOptions, "kubeconfig" | "context" | "env">;

/** Calls of that cluster by path, for who needs more than the verbs of KubeClient. */
export function createCaller(config: ClusterConfig, options: CallerSettings = {}): RetryingCaller {
  const server = new URL(config.server);
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLogger;
  return new RetryingCaller({
    transport: transportFor(server, config, options.transport ?? "http2", log),
    credentials: new ClusterCredentials(config, { clock, log }),
    userAgent: options.userAgent ?? defaultUserAgent(),
    clock,
    random: Math.random,
    log,
    metrics: options.metrics,
  });
}

/** Prefix of all paths, where the API is not at the server's root; no slash at its end. */
export function basePathOf({ server }: ClusterConfig): string {
  const { protocol, pathname } = new URL(server);
  return protocol === "unix:" ? "" : pathname.replace(/\/+$/, "");
}

export function createKubeClient(config: ClusterConfig, options: CallerSettings = {}): KubeClient {
  const server = new URL(config.server);
  return new ApiClient({
    server: server.protocol === "unix:" ? config.server : server.origin,
    basePath: basePathOf(config),
    caller: createCaller(config, options),
    fieldManager: options.fieldManager ?? "virtual-kubelet",
    clock: options.clock ?? systemClock,
  });
}

function transportFor(server: URL, config: ClusterConfig, wish: "http2" | "http1", log: Logger): Transport {
  const http1 = (): Transport => new Http1Transport(server, { proxyUrl: config.proxyUrl });
  // Without TLS nothing says that the server speaks HTTP/2.
  if (wish === "http1" || config.proxyUrl !== undefined || server.protocol !== "https:") return http1();
  return new FallbackTransport(new Http2Transport(server), http1, (error) =>
    log.info({ server: server.origin, reason: error.message }, "using HTTP/1.1"),
  );
}

function defaultUserAgent(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
  return `virtual-kubelet/${version} (${process.platform}/${process.arch})`;
}
