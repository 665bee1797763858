// The program's own Prometheus metrics, in a registry of their own: two virtual kubelets in one process do not meet.
import { Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  readonly registry: Registry;
  /** Keys on a queue by state: waiting (due), delayed, active. */
  readonly queueDepth: Gauge<"queue" | "state">;
  /** Called when queueDepth is read: each running queue sets its own values then, and not on each key. */
  readonly queueDepthSources: Set<() => void>;
  /** Seconds from due to taken. */
  readonly queueWait: Histogram<"queue">;
  /** Seconds of work on a key. */
  readonly queueWork: Histogram<"queue">;
  readonly queueRetries: Counter<"queue">;
  /** Requests to the API server by verb, resource and HTTP code ("error" when there was no answer). */
  readonly apiRequests: Counter<"verb" | "resource" | "code">;
  readonly apiRequestDuration: Histogram<"verb" | "resource">;
  /** Watches begun anew, by resource and cause. */
  readonly watchRestarts: Counter<"resource" | "cause">;
  readonly eventsDropped: Counter<"cause">;
  /** Calls of a provider's methods by outcome: "ok" or the error kind. */
  readonly providerCalls: Counter<"node" | "method" | "outcome">;
  readonly providerCallDuration: Histogram<"method">;
  readonly pods: Gauge<"node" | "phase">;
  /** Called when `pods` is read. */
  readonly podSources: Set<() => void>;
  /** Seconds from the bind seen in the API (PodScheduled) to the Running status written. */
  readonly podStart: Histogram<string>;
  readonly statusWrites: Counter<"outcome">;
  readonly leaseRenewals: Counter<"outcome">;
  readonly nodeReady: Gauge<"node">;
  /** Pods taken over from the backend at start, and orphans removed from it. */
  readonly podsAdopted: Counter<"node">;
  readonly orphansRemoved: Counter<"node">;
  /** Requests to the kubelet API by method, pattern of the route ("" for none) and HTTP code (101 for a stream). */
  readonly kubeletRequests: Counter<"method" | "route" | "code">;
  /** Seconds until the answer was complete; streams are not in it. */
  readonly kubeletRequestDuration: Histogram<"method" | "route">;
  /** Streams that are open: exec, attach, port-forward. */
  readonly kubeletStreams: Gauge<"route">;
  /** Connections to the kubelet API that are open, and those refused because there were too many. */
  readonly kubeletConnections: Gauge<string>;
  readonly kubeletConnectionsRefused: Counter<string>;
  /** When certificates end, epoch seconds: "serving" of each node's kubelet API, "client" of credentials that are rotated. */
  readonly certificateExpiry: Gauge<"node" | "use">;
  /** Token and subject access reviews asked of the API server: authenticated, refused, allowed, denied or error. */
  readonly reviews: Counter<"resource" | "outcome">;
}

const seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter<L>({ name: `virtual_kubelet_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    new Gauge<L>({ name: `virtual_kubelet_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]): Histogram<L> =>
    new Histogram<L>({ name: `virtual_kubelet_${name}`, help, labelNames, registers, buckets: seconds });
  const queueDepthSources = new Set<() => void>();
  const podSources = new Set<() => void>();
  return {
    registry,
    queueDepthSources,
    queueDepth: new Gauge({
      name: "virtual_kubelet_queue_depth",
      help: "Keys on a work queue by state",
      labelNames: ["queue", "state"],
      registers,
      collect() {
        for (const report of queueDepthSources) report();
      },
    }),
    queueWait: histogram("queue_wait_seconds", "Seconds a due key waited for a worker", ["queue"]),
    queueWork: histogram("queue_work_seconds", "Seconds a worker spent on a key", ["queue"]),
    queueRetries: counter("queue_retries_total", "Keys put back after a failure", ["queue"]),
    apiRequests: counter("api_requests_total", "Requests to the API server", ["verb", "resource", "code"]),
    apiRequestDuration: histogram("api_request_duration_seconds", "Seconds until the API server's answer", [
      "verb",
      "resource",
    ]),
    watchRestarts: counter("watch_restarts_total", "Watches begun anew", ["resource", "cause"]),
    eventsDropped: counter("events_dropped_total", "Events not recorded", ["cause"]),
    providerCalls: counter("provider_calls_total", "Calls of a provider", ["node", "method", "outcome"]),
    providerCallDuration: histogram("provider_call_duration_seconds", "Seconds of a provider call", ["method"]),
    podSources,
    pods: new Gauge({
      name: "virtual_kubelet_pods",
      help: "Pods on the node by phase",
      labelNames: ["node", "phase"],
      registers,
      collect() {
        for (const report of podSources) report();
      },
    }),
    podStart: histogram("pod_start_duration_seconds", "Seconds from bind to the Running status written", []),
    statusWrites: counter("pod_status_writes_total", "Pod status writes", ["outcome"]),
    leaseRenewals: counter("lease_renewals_total", "Lease renewals", ["outcome"]),
    nodeReady: gauge("node_ready", "1 while the node is Ready", ["node"]),
    podsAdopted: counter("pods_adopted_total", "Running pods taken over at start", ["node"]),
    orphansRemoved: counter("orphans_removed_total", "Pods removed from the backend because their owner is gone", [
      "node",
    ]),
    kubeletRequests: counter("kubelet_requests_total", "Requests to the kubelet API", ["method", "route", "code"]),
    kubeletRequestDuration: histogram("kubelet_request_duration_seconds", "Seconds until the answer was complete", [
      "method",
      "route",
    ]),
    kubeletStreams: gauge("kubelet_streams", "Streams of the kubelet API that are open", ["route"]),
    kubeletConnections: gauge("kubelet_connections", "Connections to the kubelet API that are open", []),
    kubeletConnectionsRefused: counter("kubelet_connections_refused_total", "Connections refused, being too many", []),
    certificateExpiry: gauge("certificate_expiry_timestamp_seconds", "When the certificate ends", ["node", "use"]),
    reviews: counter("access_reviews_total", "Token and access reviews asked of the API server", [
      "resource",
      "outcome",
    ]),
  };
}
