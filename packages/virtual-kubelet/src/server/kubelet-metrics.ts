// Renders /metrics of the kubelet API: the process's own registry, what it says of other nodes left out, and what dashboards of
// kubelets look for.
import { collectDefaultMetrics } from "prom-client";
import { type Clock, systemClock } from "../clock.ts";
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod } from "../kube/types.gen.ts";
import type { Metrics } from "../metrics.ts";
import type { FsStats } from "../stats-summary.ts";
import { labelText, MetricFamily, type MetricType } from "./prometheus-text.ts";
import type { ServedNode } from "./served-node.ts";
import type { NodeUsage } from "./stats-usage.ts";

export interface KubeletMetricsOptions {
  readonly metrics: Metrics;
  /** As in the node's status: "v1.36.3-...". */
  readonly kubeletVersion: string;
  readonly clock?: Clock | undefined;
}

/** One value of a metric, as the registry has it. */
interface RegistryValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly metricName?: string | undefined;
}

interface RegistryMetric {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: readonly RegistryValue[];
}

/** The registry is read once for all nodes that are asked within so many milliseconds. */
const sharedForMs = 1_000;

export class KubeletMetrics {
  readonly #options: KubeletMetricsOptions;
  readonly #clock: Clock;
  #read: { readonly at: number; readonly metrics: Promise<readonly RegistryMetric[]> } | undefined;

  constructor(options: KubeletMetricsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** `usage`, where there is any, adds the figures of claimed volumes. */
  async render(node: ServedNode, usage: NodeUsage | undefined): Promise<string> {
    const own = await this.#registry();
    const podStart = own.find(({ name }) => name === "virtual_kubelet_pod_start_duration_seconds");
    return [
      ...own.map((metric) => familyOf(metric, node.name)),
      ...nodeFamilies(node),
      buildInfo(this.#options.kubeletVersion),
      // Of all nodes of the process: it is not counted per node.
      ...(podStart === undefined
        ? []
        : [familyOf({ ...podStart, name: "kubelet_pod_start_duration_seconds" }, node.name, podStart.name)]),
      ...(usage === undefined ? [] : volumeFamilies(usage)),
    ].join("");
  }

  #registry(): Promise<readonly RegistryMetric[]> {
    const now = this.#clock.now();
    if (this.#read === undefined || now - this.#read.at >= sharedForMs) {
      const { registry } = this.#options.metrics;
      // Gathered only since somebody asks.
      if (registry.getSingleMetric("process_cpu_seconds_total") === undefined) {
        collectDefaultMetrics({ register: registry });
      }
      this.#read = { at: now, metrics: registry.getMetricsAsJSON() };
    }
    return this.#read.metrics;
  }
}

const types: readonly MetricType[] = ["counter", "gauge", "histogram", "summary"];

/** `read` is the name by which the values go on, where it is not the metric's own. */
function familyOf(metric: RegistryMetric, node: string, read: string = metric.name): MetricFamily {
  const type = types.find((known) => known === metric.type) ?? "untyped";
  const family = new MetricFamily(metric.name, type, metric.help);
  for (const { labels, value, metricName } of metric.values) {
    if (labels["node"] !== undefined && labels["node"] !== node) continue;
    const texts = Object.entries(labels).flatMap(([name, text]) => (text === undefined ? [] : [[name, String(text)]]));
    family.addTo((metricName ?? read).slice(read.length), labelText(Object.fromEntries(texts)), value);
  }
  return family;
}

function nodeFamilies(node: ServedNode): MetricFamily[] {
  let pods = 0;
  let running = 0;
  let exited = 0;
  for (const pod of node.pods()) {
    if (hasSandbox(pod)) pods++;
    for (const { state, lastState } of statusesOf(pod)) {
      if (state?.running !== undefined) running++;
      else if (state?.terminated !== undefined || lastState?.terminated !== undefined) exited++;
    }
  }
  return [
    new MetricFamily("kubelet_node_name", "gauge", "The node's name; always 1").add(labelText({ node: node.name }), 1),
    new MetricFamily("kubelet_running_pods", "gauge", "Pods with a running sandbox").add("", pods),
    new MetricFamily("kubelet_running_containers", "gauge", "Containers by state")
      .add(labelText({ container_state: "exited" }), exited)
      .add(labelText({ container_state: "running" }), running),
  ];
}

function* statusesOf({ status }: Stored<Pod>): Iterable<ContainerStatus> {
  yield* status?.initContainerStatuses ?? [];
  yield* status?.containerStatuses ?? [];
  yield* status?.ephemeralContainerStatuses ?? [];
}

function hasSandbox(pod: Stored<Pod>): boolean {
  const { phase, conditions = [] } = pod.status ?? {};
  if (phase === "Succeeded" || phase === "Failed") return false;
  if (conditions.some(({ type, status }) => type === "PodReadyToStartContainers" && status === "True")) return true;
  for (const { state } of statusesOf(pod)) if (state?.running !== undefined) return true;
  return false;
}

function buildInfo(kubeletVersion: string): MetricFamily {
  const [, major = "", minor = ""] = /^v(\d+)\.(\d+)/.exec(kubeletVersion) ?? [];
  const labels = {
    build_date: "",
    compiler: "",
    git_commit: "",
    git_tree_state: "",
    git_version: kubeletVersion,
    go_version: "",
    major,
    minor,
    platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
  return new MetricFamily("kubernetes_build_info", "gauge", "Version; always 1").add(labelText(labels), 1);
}

const volumeFigures: readonly (readonly [string, string, keyof FsStats])[] = [
  ["available_bytes", "Bytes left in the volume", "availableBytes"],
  ["capacity_bytes", "Bytes that the volume can hold", "capacityBytes"],
  ["inodes", "Inodes of the volume", "inodes"],
  ["inodes_free", "Inodes left in the volume", "inodesFree"],
  ["inodes_used", "Inodes used in the volume", "inodesUsed"],
  ["used_bytes", "Bytes used in the volume", "usedBytes"],
];

/** Of volumes that claims are bound to, each claim once although several pods may have it. */
function volumeFamilies(usage: NodeUsage): MetricFamily[] {
  const claims = new Map<string, FsStats>();
  for (const { stats } of usage.pods) {
    for (const volume of stats?.volume ?? []) {
      if (volume.pvcRef === undefined) continue;
      const { namespace, name } = volume.pvcRef;
      claims.set(labelText({ namespace, persistentvolumeclaim: name }), volume);
    }
  }
  return volumeFigures.map(([name, help, figure]) => {
    const family = new MetricFamily(`kubelet_volume_stats_${name}`, "gauge", help);
    for (const [labels, volume] of claims) {
      const value = volume[figure];
      if (typeof value === "number") family.add(labels, value);
    }
    return family;
  });
}
