// The program's own Prometheus metrics, in a registry of their own: two virtual kubelets in one process do not meet.
import { Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  readonly registry: Registry;
  /** Always 1; what runs is in the labels. */
  readonly buildInfo: Gauge<"version" | "kubelet_version" | "runtime">;
  /** Keys on a queue by state: waiting (due), delayed, active. */
  readonly queueDepth: Gauge<"queue" | "state">;
  /** Age of the oldest key: since it was due (waiting), or since work on it began (active); 0 when there is none. */
  readonly queueOldest: Gauge<"queue" | "state">;
  /** Called when queueDepth is read, which comes before queueOldest in the registry: each running queue sets its own values then, and not on each key. */
  readonly queueSources: Set<() => void>;
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
  /** Of the pod that is Pending for the longest, since it was bound; of the one that is longest past its grace. */
  readonly podsOldest: Gauge<"node" | "state">;
  /** What pods may ask for together on the node, and what its pods ask for; resources that the node has. */
  readonly nodeAllocatable: Gauge<"node" | "resource">;
  readonly nodeRequested: Gauge<"node" | "resource">;
  /** Called when `pods` is read, which comes before the three that follow it. */
  readonly podSources: Set<() => void>;
  /** Called when nodeCost is read, which comes before the four that follow it. */
  readonly costSources: Set<() => void>;
  /** What pods cost per hour, estimated by the configured prices: together on a node, and of a namespace over all nodes. */
  readonly nodeCost: Gauge<"node" | "currency">;
  readonly namespaceCost: Gauge<"namespace" | "currency">;
  /** What was spent while the program runs. Namespaces beyond the first hundred are one: "Other". */
  readonly namespaceCostTotal: Counter<"namespace" | "currency">;
  /** Of each ceiling. */
  readonly budgetUsed: Gauge<"kind" | "name" | "per">;
  readonly budgetWaiting: Gauge<"node">;
  /** Seconds from the bind seen in the API (PodScheduled) to the Running status written. */
  readonly podStart: Histogram<string>;
  readonly statusWrites: Counter<"outcome">;
  readonly leaseRenewals: Counter<"outcome">;
  /** Seconds since the lease was last renewed, or began to wait for that. */
  readonly leaseAge: Gauge<"node">;
  readonly leaseDuration: Gauge<string>;
  /** Called when leaseAge is read. */
  readonly leaseSources: Set<() => void>;
  readonly nodeReady: Gauge<"node">;
  /** Pods taken over from the backend at start, and orphans removed from it. */
  readonly podsAdopted: Counter<"node">;
  readonly orphansRemoved: Counter<"node">;
  /** Pods that their backend no longer had although they ran. */
  readonly podsLost: Counter<"node">;
  /** Pods that the node or its provider would not take, by the reason in their status as far as there are few: see PodTally. */
  readonly podsRefused: Counter<"node" | "reason">;
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
/** Of the start of a pod: clouds take minutes. */
const startSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter<L>({ name: `virtual_kubelet_${name}`, help, labelNames, registers });
  /** `sources` set its values when it is read. */
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    sources: ReadonlySet<() => void> = new Set(),
  ): Gauge<L> =>
    new Gauge<L>({
      name: `virtual_kubelet_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        for (const report of sources) report();
      },
    });
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[] = seconds,
  ): Histogram<L> => new Histogram<L>({ name: `virtual_kubelet_${name}`, help, labelNames, registers, buckets });
  const queueSources = new Set<() => void>();
  const podSources = new Set<() => void>();
  const leaseSources = new Set<() => void>();
  const costSources = new Set<() => void>();
  return {
    registry,
    buildInfo: gauge("build_info", "Always 1; what runs", ["version", "kubelet_version", "runtime"]),
    queueSources,
    queueDepth: gauge("queue_depth", "Keys on a work queue by state", ["queue", "state"], queueSources),
    queueOldest: gauge(
      "queue_oldest_seconds",
      "Age of the oldest key: since it was due (waiting), or since work on it began (active)",
      ["queue", "state"],
    ),
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
    pods: gauge("pods", "Pods on the node by phase", ["node", "phase"], podSources),
    podsOldest: gauge(
      "pods_oldest_seconds",
      "Of the pod that is pending for the longest, since it was bound; of the terminating one that is longest past its grace",
      ["node", "state"],
    ),
    nodeAllocatable: gauge("node_allocatable", "What pods may request together on the node: cores, bytes, pieces", [
      "node",
      "resource",
    ]),
    nodeRequested: gauge("node_requested", "What the pods on the node request: cores, bytes, pieces", [
      "node",
      "resource",
    ]),
    costSources,
    nodeCost: gauge(
      "node_cost_per_hour",
      "What the pods on the node cost per hour, estimated",
      ["node", "currency"],
      costSources,
    ),
    namespaceCost: gauge("namespace_cost_per_hour", "What the pods of the namespace cost per hour, estimated", [
      "namespace",
      "currency",
    ]),
    namespaceCostTotal: counter("namespace_cost_total", "What the pods of the namespace have cost, estimated", [
      "namespace",
      "currency",
    ]),
    budgetUsed: gauge("budget_used_ratio", "What of a ceiling of costs is used: 1 is all of it", [
      "kind",
      "name",
      "per",
    ]),
    budgetWaiting: gauge("budget_waiting_pods", "Pods that wait because a ceiling of costs leaves no room", ["node"]),
    podStart: histogram(
      "pod_start_duration_seconds",
      "Seconds from bind to the Running status written",
      [],
      startSeconds,
    ),
    statusWrites: counter("pod_status_writes_total", "Pod status writes", ["outcome"]),
    leaseRenewals: counter("lease_renewals_total", "Lease renewals", ["outcome"]),
    leaseSources,
    leaseAge: gauge("lease_age_seconds", "Seconds since the lease was last renewed", ["node"], leaseSources),
    leaseDuration: gauge("lease_duration_seconds", "How long a lease lasts; it is renewed each quarter of that", []),
    nodeReady: gauge("node_ready", "1 while the node is Ready", ["node"]),
    podsAdopted: counter("pods_adopted_total", "Running pods taken over at start", ["node"]),
    orphansRemoved: counter("orphans_removed_total", "Pods removed from the backend because their owner is gone", [
      "node",
    ]),
    podsLost: counter("pods_lost_total", "Pods that the backend no longer had although they ran", ["node"]),
    podsRefused: counter("pods_refused_total", "Pods that the node or its provider would not take", ["node", "reason"]),
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
