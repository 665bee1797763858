// Handlers of the kubelet API for /stats/summary and the /metrics routes of one process; each node's stats are collected once
// for all of them.
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Quantity } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Provider } from "../provider.ts";
import { renderCadvisorMetrics } from "./cadvisor-metrics.ts";
import type { KubeletCall, KubeletHandler } from "./kubelet-call.ts";
import { KubeletMetrics } from "./kubelet-metrics.ts";
import { type ProbeMetrics, renderProbeMetrics } from "./probe-metrics.ts";
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
  /** What the core's probes of a node's pods have counted. Default: nothing. */
  readonly probesOf?: ((node: ServedNode) => ProbeMetrics) | undefined;
  /** See StatsCollectorOptions. */
  readonly sharedForMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly staleForMs?: number | undefined;
}

export interface StatsHandlers {
  /**
   * GET and POST /stats/summary; `?only_cpu_and_memory=true`. Throws Unsupported (501) when the provider has no stats, and what
   * the provider throws (500 or 503) once the last summary is too old.
   */
  readonly summary: KubeletHandler;
  /**
   * /metrics/resource. Always 200, as of a kubelet: failures show as `resource_scrape_error 1`. A node whose provider has no stats
   * answers with that line alone, and 0: metrics-server then passes the node over without a word, while any other status would be
   * an error in its log at every scrape, and 1 an alert that never ends.
   */
  readonly resource: KubeletHandler;
  /** /metrics/cadvisor. Always 200; without stats what is known of the pods from the API. */
  readonly cadvisor: KubeletHandler;
  /** /metrics/probes; empty while no probes run here. */
  readonly probes: KubeletHandler;
  /** /metrics: the process's own and the node's. */
  readonly kubelet: KubeletHandler;
}

/** One per process, or per set of nodes: it remembers counters of each provider for as long as that exists. */
export function createStatsHandlers(options: StatsHandlersOptions): StatsHandlers {
  const collectors = new WeakMap<Provider, StatsCollector>();
  const kubeletMetrics = new KubeletMetrics(options);

  /** Undefined when the provider has none. */
  function collect(node: ServedNode): Promise<CollectedStats> | undefined {
    if (node.provider.getStatsSummary === undefined) return undefined;
    let collector = collectors.get(node.provider);
    if (collector === undefined) {
      collector = new StatsCollector(node, options);
      collectors.set(node.provider, collector);
    }
    return collector.collect(node);
  }

  async function summary(call: KubeletCall): Promise<void> {
    const stats = await collect(call.node);
    if (stats === undefined) {
      throw new VirtualKubeletError("Unsupported", `the provider of node ${call.node.name} has no stats`);
    }
    if (stats.usage === undefined) {
      throw stats.error ?? new VirtualKubeletError("Unavailable", `there are no stats of node ${call.node.name} yet`);
    }
    const asked = call.query.getAll("only_cpu_and_memory");
    const text = JSON.stringify(summaryOf(stats.usage, asked.length === 1 && asked[0] === "true"));
    await respond(call, "application/json", text);
  }

  async function resource(call: KubeletCall): Promise<void> {
    const stats = await collect(call.node);
    await respond(call, prometheusContentType, renderResourceMetrics(stats?.usage, stats?.error !== undefined));
  }

  async function cadvisor(call: KubeletCall): Promise<void> {
    const stats = await collect(call.node);
    const text = renderCadvisorMetrics({
      usage: stats?.usage,
      failed: stats?.error !== undefined,
      pods: call.node.pods(),
      capacity: options.capacityOf?.(call.node),
    });
    await respond(call, prometheusContentType, text);
  }

  async function probes(call: KubeletCall): Promise<void> {
    const text = renderProbeMetrics(options.probesOf?.(call.node));
    await respond(call, prometheusContentType, text);
  }

  async function kubelet(call: KubeletCall): Promise<void> {
    const stats = await collect(call.node);
    await respond(call, prometheusContentType, await kubeletMetrics.render(call.node, stats?.usage));
  }

  return { summary, resource, cadvisor, probes, kubelet };
}
