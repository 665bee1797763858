// From the configuration to what the assembly takes: nodes with their providers, and tunables.
import { type Clock, jitter, pause } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import { instrumentProvider } from "../instrument-provider.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { CreateProvider, Provider } from "../provider.ts";
import type { ProcessObserver } from "../view/observer.ts";
import type { PodTunables, VirtualKubeletOptions, VirtualNode } from "../virtual-kubelet-options.ts";
import { priceTableOf } from "./budget-config.ts";
import type { Config, NodeConfig } from "./config.ts";
import { UsageError } from "./fault.ts";
import { makeProvider } from "./load-provider.ts";
import { providerInit } from "./provider-init.ts";
import { redactText } from "./redact.ts";
import { shortProviderName } from "./resolve-nodes.ts";
import { kubeletVersion, version } from "./version.ts";

/** Options of the assembly that are no objects made at run time. */
export function assemblySettings(
  config: Config,
): Pick<
  VirtualKubeletOptions,
  "pods" | "resolve" | "budgets" | "perNodeWatchLimit" | "shutdownNode" | "leaseDurationSeconds" | "statusReportMs"
> {
  const pods: PodTunables = {
    workers: config.podSyncWorkers,
    statusWorkers: config.podStatusWorkers,
    statusForm: config.podStatusForm,
    resyncMs: config.fullResyncPeriod,
    pollMinMs: config.poll.minInterval,
    pollMaxMs: config.poll.maxInterval,
    orphanGraceMs: config.orphanGrace,
    callTimeoutMs: config.providerCallTimeout,
  };
  return {
    pods,
    resolve: { clusterDomain: config.clusterDomain, clusterDNS: config.clusterDNS },
    budgets: config.budgets,
    perNodeWatchLimit: config.watch.perNodeLimit,
    shutdownNode: config.node.onShutdown,
    leaseDurationSeconds: Math.round(config.lease.duration / 1000),
    statusReportMs: config.node.statusInterval,
  };
}

export function nodeSpecOf(node: NodeConfig, { ping }: Pick<Config, "ping">): VirtualNode["node"] {
  const { name, operatingSystem, architecture, labels, annotations, taints, capacity, providerID, port, internalIP } =
    node;
  const addresses = [
    ...(internalIP === undefined ? [] : [{ type: "InternalIP", address: internalIP }]),
    ...node.addresses,
  ];
  return {
    name,
    // Shown as containerRuntimeVersion; a provider with a version of its own reports it in nodeInfo.
    provider: { name: shortProviderName(node.provider.name), version },
    kubeletVersion,
    operatingSystem,
    architecture,
    labels,
    annotations,
    taints,
    addresses,
    capacity,
    providerID,
    port,
    pingIntervalMs: ping.interval,
    pingTimeoutMs: ping.timeout,
    pingThreshold: ping.threshold,
  };
}

export interface MakeNodesOptions {
  readonly config: Config;
  readonly modules: ReadonlyMap<string, CreateProvider>;
  readonly cluster: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly observer?: ProcessObserver | undefined;
  /** Each provider is handed over here as soon as it is made, to be disposed of even when a later one fails. */
  readonly onMade: (provider: Provider) => void;
}

const makers = 16;

/** The nodes with their providers, a few made at a time; a backend that is away is waited for. */
export async function makeNodes(options: MakeNodesOptions, signal: AbortSignal): Promise<VirtualNode[]> {
  const { config, metrics, observer } = options;
  const made: VirtualNode[] = [];
  const queue = config.nodes.entries();
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const work = async (): Promise<void> => {
    for (const [index, node] of queue) {
      stop.throwIfAborted();
      const provider = await makeOne(node, options, stop);
      options.onMade(provider);
      made[index] = {
        node: nodeSpecOf(node, config),
        provider: instrumentProvider(provider, { node: node.name, metrics, observer }),
        capacity: node.capacity,
        prices: priceTableOf(node),
        listenAddress: node.listenAddress ?? config.kubelet.address,
      };
    }
  };
  const guarded = async (): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(makers, config.nodes.length) }, guarded));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw failed.signal.reason ?? outcome.reason;
  return made;
}

async function makeOne(node: NodeConfig, options: MakeNodesOptions, signal: AbortSignal): Promise<Provider> {
  const { config, modules, cluster, clock } = options;
  const { name } = node.provider;
  const create = modules.get(name);
  if (create === undefined) throw new VirtualKubeletError("Internal", `the provider ${name} was not loaded`);
  const log = options.log.child({ node: node.name });
  const init = providerInit(node, config, { cluster, log });
  for (let attempt = 0; ; attempt++) {
    try {
      return await makeProvider(create, name, init, { signal, log });
    } catch (error) {
      if (signal.aborted) throw error;
      if (isErrorKind(error, "Invalid"))
        throw new UsageError([{ source: `node ${node.name}`, message: redactText(errorText(error)) }], error);
      if (!isErrorKind(error, "Unavailable", "Throttled")) throw error;
      const delayMs = jitter(Math.min(30_000, 500 * 2 ** Math.min(attempt, 8)), 0.3, true);
      log.warn(
        { err: error, provider: name, retryMs: Math.round(delayMs) },
        "the provider cannot be made yet: `virtual-kubelet doctor` says what to do",
      );
      await pause(clock, delayMs, signal);
    }
  }
}
