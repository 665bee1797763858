// Handlers of the kubelet API for /stats/summary and the /metrics routes of one process; each node's stats are collected once
// for all of them.
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Quantity } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Provider } from "../provider.ts";
import { renderCadvisorMetrics } from "./cadvisor-metrics.ts";
import type { KubeletHandler } from "./kubelet-call.ts";
import { KubeletMetrics } from "./kubelet-metrics.ts";
import { renderProbeMetrics } from "./probe-metrics.ts";
import { prometheusContentType } from "./prometheus-text.ts";
import { renderResourceMetrics } from "./resource-metrics.ts";
import type { ServedNode } from "./served-node.ts";
import { type CollectedStats, StatsCollector } from "./stats-collector.ts";
import { respond } from "./stats-response.ts";
import { summaryOf } from "./stats-usage.ts";

export interface StatsHandlersOptions {
  readonly metrics: Metrics;
  /** As in the node's status: "v1.36.3-...". */
  readonly kubeletVersion: string;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  /** Ends calls of providers that are under way. */
  readonly signal?: AbortSignal | undefined;
  /** `status.capacity` of a node, for machine_cpu_cores and machine_memory_bytes. Default: both are left out. */
  readonly capacityOf?: ((node: ServedNode) => Readonly<Record<string, Quantity>> | undefined) | undefined;
  /** See StatsCollectorOptions. */
  readonly sharedForMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly staleForMs?: number | undefined;
}

export interface StatsHandlers {
  /**
   * GET and POST /stats/summary; `?only_cpu_and_memory=true`. Throws Unsupported (501) when the provider has no stats, and
   * Unavailable (503) or Internal (500) when it fails and its last summary is too old.
   */
  readonly statsSummary: KubeletHandler;
  /**
   * /metrics/resource. Always 200, as of a kubelet: failures show as `resource_scrape_error 1`. A node whose provider has no stats
   * answers with that line alone, and 0: metrics-server then passes the node over without a word, while any other status would be
   * an error in its log at every scrape, and 1 an alert that never ends.
   */
  readonly resourceMetrics: KubeletHandler;
  /** /metrics/cadvisor. Always 200; without stats it has what is known of the pods from the API. */
  readonly cadvisorMetrics: KubeletHandler;
  /** /metrics/probes; empty while no probes run here. */
  readonly probeMetrics: KubeletHandler;
  /**
   * /metrics: the process's own and the node's. Asks no provider, so that it answers whatever becomes of that: volumes of claims
   * are there as far as one of the others was asked in the last minute.
   */
  readonly metrics: KubeletHandler;
}

/** One for all nodes of a process: it remembers the counters of each provider for as long as that exists. */
export function createStatsHandlers(options: StatsHandlersOptions): StatsHandlers {
  const collectors = new WeakMap<Provider, StatsCollector>();
  const kubeletMetrics = new KubeletMetrics(options);

  /** Undefined when the provider has none. */
  async function collect(node: ServedNode): Promise<CollectedStats | undefined> {
    if (node.provider.getStatsSummary === undefined) return undefined;
    let collector = collectors.get(node.provider);
    if (collector === undefined) {
      collector = new StatsCollector(node, options);
      collectors.set(node.provider, collector);
    }
    const stats = await collector.collect(node);
    // A provider that stands for another one may have the method and still not the stats.
    return stats.error?.kind === "Unsupported" ? undefined : stats;
  }

  return {
    async statsSummary(call) {
      const stats = await collect(call.node);
      if (stats === undefined) {
        throw new VirtualKubeletError("Unsupported", `the provider of node ${call.node.name} has no stats`);
      }
      if (stats.usage === undefined) throw failure(call.node.name, stats.error);
      const asked = call.query.getAll("only_cpu_and_memory");
      const summary = summaryOf(stats.usage, asked.length === 1 && asked[0] === "true");
      await respond(call, "application/json", JSON.stringify(summary));
    },

    async resourceMetrics(call) {
      const stats = await collect(call.node);
      await respond(call, prometheusContentType, renderResourceMetrics(stats?.usage, stats?.error !== undefined));
    },

    async cadvisorMetrics(call) {
      const stats = await collect(call.node);
      const text = renderCadvisorMetrics({
        usage: stats?.usage,
        failed: stats?.error !== undefined,
        pods: call.node.pods(),
        capacity: options.capacityOf?.(call.node),
      });
      await respond(call, prometheusContentType, text);
    },

    async probeMetrics(call) {
      await respond(call, prometheusContentType, renderProbeMetrics(call.node.provider.getProbeMetrics?.()));
    },

    async metrics(call) {
      const usage = collectors.get(call.node.provider)?.latest();
      await respond(call, prometheusContentType, await kubeletMetrics.render(call.node, usage));
    },
  };
}

/** Whatever the backend said is a fault behind us: its NotFound, say, must not read as "no such path". */
function failure(node: string, error: VirtualKubeletError | undefined): VirtualKubeletError {
  const message = `no stats of node ${node}`;
  if (error === undefined) return new VirtualKubeletError("Unavailable", message);
  const passes = ["Unavailable", "Throttled", "Quota", "Aborted"].includes(error.kind);
  const { retryAfterMs } = error;
  return new VirtualKubeletError(passes ? error.kind : "Internal", message, { cause: error, retryAfterMs });
}
