// Renders /metrics/resource, which metrics-server, and through it `kubectl top` and autoscalers, live on. Pure.
//
// metrics-server drops a pod for one container that has only some of its figures, a start time alone included: a container is
// here with CPU and memory or not at all. It takes the time of the last line that it reads of a container as the time of its
// counter, so memory comes before CPU. It finds labels by `container="`, `pod="` and `namespace="` and undoes no escapes; names in
// Kubernetes need none.
import type { SwapStats } from "../stats-summary.ts";
import { labelText, MetricFamily } from "./prometheus-text.ts";
import { timeOf } from "./stats-samples.ts";
import type { CpuFigure, MemoryFigure, NodeUsage } from "./stats-usage.ts";

const billion = 1e9;

/** `usage` undefined: nothing is known of the node. `failed`: the provider did not answer this time. */
export function renderResourceMetrics(usage: NodeUsage | undefined, failed: boolean): string {
  const gauge = (name: string, help: string): MetricFamily => new MetricFamily(name, "gauge", help);
  const counter = (name: string, help: string): MetricFamily => new MetricFamily(name, "counter", help);
  const container = {
    memory: gauge("container_memory_working_set_bytes", "Working set of the container in bytes"),
    cpu: counter(
      "container_cpu_usage_seconds_total",
      "CPU time used by the container since its start, in core-seconds",
    ),
    start: gauge("container_start_time_seconds", "When the container started, in seconds since the epoch"),
    swapLimit: gauge("container_swap_limit_bytes", "Swap that the container may use, in bytes"),
    swap: gauge("container_swap_usage_bytes", "Swap used by the container in bytes"),
  };
  const node = {
    memory: gauge("node_memory_working_set_bytes", "Working set of the node in bytes"),
    cpu: counter("node_cpu_usage_seconds_total", "CPU time used by the node, in core-seconds"),
    swap: gauge("node_swap_usage_bytes", "Swap used by the node in bytes"),
  };
  const pod = {
    memory: gauge("pod_memory_working_set_bytes", "Working set of the pod in bytes"),
    cpu: counter("pod_cpu_usage_seconds_total", "CPU time used by the pod since its start, in core-seconds"),
    swap: gauge("pod_swap_usage_bytes", "Swap used by the pod in bytes"),
  };
  if (usage !== undefined) addUsage(node, "", usage.cpu, usage.memory, usage.stats.swap);
  for (const { pod: of, containers, cpu, memory, stats } of usage?.pods ?? []) {
    const labels = labelText({ namespace: of.metadata.namespace ?? "", pod: of.metadata.name });
    addUsage(pod, labels, cpu, memory, stats?.swap);
    for (const { name, startMs, cpu, memory, stats } of containers) {
      if (cpu === undefined || memory === undefined) continue;
      const own = `${labelText({ container: name })},${labels}`;
      addUsage(container, own, cpu, memory, stats?.swap);
      if (startMs !== undefined) container.start.add(own, startMs / 1000);
      addSwapLimit(container.swapLimit, own, stats?.swap);
    }
  }
  const error = failed ? 1 : 0;
  const errors = [
    gauge("resource_scrape_error", "1 when the figures could not be had, else 0").add("", error),
    gauge("scrape_error", "Deprecated: resource_scrape_error").add("", error),
  ];
  return [...Object.values(container), ...Object.values(node), ...Object.values(pod), ...errors].join("");
}

interface UsageFamilies {
  readonly memory: MetricFamily;
  readonly cpu: MetricFamily;
  readonly swap: MetricFamily;
}

function addUsage(
  families: UsageFamilies,
  labels: string,
  cpu: CpuFigure | undefined,
  memory: MemoryFigure | undefined,
  swap: SwapStats | undefined,
): void {
  if (memory !== undefined) families.memory.add(labels, memory.workingSet, memory.timeMs);
  if (cpu !== undefined) families.cpu.add(labels, cpu.counter / billion, cpu.timeMs);
  if (swap?.swapUsageBytes !== undefined) families.swap.add(labels, swap.swapUsageBytes, timeOf(swap.time));
}

function addSwapLimit(family: MetricFamily, labels: string, swap: SwapStats | undefined): void {
  if (swap?.swapAvailableBytes === undefined) return;
  family.add(labels, swap.swapAvailableBytes + (swap.swapUsageBytes ?? 0), timeOf(swap.time));
}
