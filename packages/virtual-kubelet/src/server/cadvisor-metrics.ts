// Renders /metrics/cadvisor: that part of what cAdvisor tells of containers which dashboards are made of. Pure.
//
// Only containers that run are here, each with its image, as dashboards select by `image!=""`; networks belong to pods and have no
// container. There are no series of pods' or the node's control groups, which would count everything again.
import { parseQuantity } from "../kube/quantity.ts";
import type { Stored } from "../kube/resource.ts";
import type { Container, ContainerStatus, Pod, Quantity } from "../kube/types.gen.ts";
import type { NetworkStats } from "../stats-summary.ts";
import { labelText, MetricFamily } from "./prometheus-text.ts";
import { runningContainers } from "./stats-history.ts";
import { timeOf } from "./stats-samples.ts";
import type { ContainerUsage, NodeUsage } from "./stats-usage.ts";

export interface CadvisorInput {
  readonly usage: NodeUsage | undefined;
  /** The provider did not answer this time. */
  readonly failed: boolean;
  readonly pods: readonly Stored<Pod>[];
  readonly capacity?: Readonly<Record<string, Quantity>> | undefined;
}

type Families = ReturnType<typeof newFamilies>;

function newFamilies() {
  const gauge = (name: string, help: string): MetricFamily => new MetricFamily(`container_${name}`, "gauge", help);
  const counter = (name: string, help: string): MetricFamily => new MetricFamily(`container_${name}`, "counter", help);
  return {
    cpu: counter("cpu_usage_seconds_total", "CPU time used in seconds"),
    lastSeen: gauge("last_seen", "When the container was last measured, in seconds since the epoch"),
    fsLimit: gauge("fs_limit_bytes", "Bytes that the container may take on this file system"),
    fsUsage: gauge("fs_usage_bytes", "Bytes that the container takes on this file system"),
    memoryRss: gauge("memory_rss", "Anonymous memory in bytes"),
    memoryUsage: gauge("memory_usage_bytes", "Memory in bytes, whenever it was last touched"),
    memoryWorkingSet: gauge("memory_working_set_bytes", "Working set in bytes"),
    memorySwap: gauge("memory_swap", "Swap in bytes"),
    memoryFailures: counter("memory_failures_total", "Page faults"),
    receiveBytes: counter("network_receive_bytes_total", "Bytes received"),
    receiveErrors: counter("network_receive_errors_total", "Errors while receiving"),
    transmitBytes: counter("network_transmit_bytes_total", "Bytes sent"),
    transmitErrors: counter("network_transmit_errors_total", "Errors while sending"),
    cpuPeriod: gauge("spec_cpu_period", "Period of the CPU limit in microseconds"),
    cpuQuota: gauge("spec_cpu_quota", "Microseconds of CPU in each period"),
    cpuShares: gauge("spec_cpu_shares", "Weight of the container among others"),
    memoryLimit: gauge("spec_memory_limit_bytes", "Memory limit in bytes; 0 is none"),
    start: gauge("start_time_seconds", "When the container started, in seconds since the epoch"),
    scrapeError: gauge("scrape_error", "1 when the figures could not be had, else 0"),
    machineCores: new MetricFamily("machine_cpu_cores", "gauge", "Cores of the node"),
    machineMemory: new MetricFamily("machine_memory_bytes", "gauge", "Memory of the node in bytes"),
  };
}

export function renderCadvisorMetrics({ usage, failed, pods, capacity }: CadvisorInput): string {
  const all = newFamilies();
  const used = new Map(usage?.pods.map((pod) => [pod.pod.metadata.uid, pod]));
  for (const pod of pods) {
    const of = used.get(pod.metadata.uid);
    const containers = new Map(of?.containers.map((container) => [container.name, container]));
    for (const status of runningContainers(pod)) addContainer(all, pod, status, containers.get(status.name));
    if (of?.stats?.network !== undefined) addNetwork(all, pod, of.stats.network);
  }
  all.scrapeError.add("", failed ? 1 : 0);
  const { cpu, memory } = capacity ?? {};
  if (cpu !== undefined) all.machineCores.add("", unitsOf(cpu));
  if (memory !== undefined) all.machineMemory.add("", unitsOf(memory));
  return Object.values(all).join("");
}

function addContainer(
  all: Families,
  pod: Stored<Pod>,
  status: ContainerStatus,
  usage: ContainerUsage | undefined,
): void {
  const id = (status.containerID ?? "").replace(/^[^/]*:\/\//, "");
  const labels = labelText({
    container: status.name,
    id: `${groupOf(pod)}/${id === "" ? status.name : id}`,
    image: status.image || (specOf(pod, status.name)?.image ?? ""),
    name: id,
    namespace: pod.metadata.namespace ?? "",
    pod: pod.metadata.name,
  });
  const startMs = usage?.startMs ?? timeOf(status.state?.running?.startedAt);
  if (startMs !== undefined) all.start.add(labels, startMs / 1000);
  addSpec(all, labels, specOf(pod, status.name));
  if (usage === undefined) return;
  const { cpu, memory, stats } = usage;
  if (cpu !== undefined) {
    all.cpu.add(`${labels},cpu="total"`, cpu.counter / 1e9, cpu.timeMs);
    all.lastSeen.add(labels, Math.trunc(cpu.timeMs / 1000), cpu.timeMs);
  }
  if (memory !== undefined) {
    all.memoryWorkingSet.add(labels, memory.workingSet, memory.timeMs);
    addKnown(all.memoryUsage, labels, memory.stats.usageBytes, memory.timeMs);
    addKnown(all.memoryRss, labels, memory.stats.rssBytes, memory.timeMs);
    const { pageFaults, majorPageFaults } = memory.stats;
    addKnown(all.memoryFailures, `${labels},failure_type="pgfault",scope="container"`, pageFaults, memory.timeMs);
    addKnown(
      all.memoryFailures,
      `${labels},failure_type="pgmajfault",scope="container"`,
      majorPageFaults,
      memory.timeMs,
    );
  }
  addKnown(all.memorySwap, labels, stats?.swap?.swapUsageBytes, timeOf(stats?.swap?.time));
  const { rootfs } = stats ?? {};
  addKnown(all.fsUsage, `${labels},device=""`, rootfs?.usedBytes, timeOf(rootfs?.time));
  addKnown(all.fsLimit, `${labels},device=""`, rootfs?.capacityBytes, timeOf(rootfs?.time));
}

function addKnown(family: MetricFamily, labels: string, value: number | undefined, timeMs: number | undefined): void {
  if (value !== undefined) family.add(labels, value, timeMs);
}

function addNetwork(all: Families, pod: Stored<Pod>, network: NetworkStats): void {
  const timeMs = timeOf(network.time);
  // Where interfaces are listed, the one at the top is among them.
  const byName = new Map([network, ...(network.interfaces ?? [])].map((one) => [one.name, one]));
  for (const [name, { rxBytes, rxErrors, txBytes, txErrors }] of byName) {
    const labels = labelText({
      container: "",
      id: groupOf(pod),
      image: "",
      interface: name,
      name: "",
      namespace: pod.metadata.namespace ?? "",
      pod: pod.metadata.name,
    });
    addKnown(all.receiveBytes, labels, rxBytes, timeMs);
    addKnown(all.receiveErrors, labels, rxErrors, timeMs);
    addKnown(all.transmitBytes, labels, txBytes, timeMs);
    addKnown(all.transmitErrors, labels, txErrors, timeMs);
  }
}

const periodMicroseconds = 100_000;

/** Limits as Linux has them, from the pod's spec: no quota without a CPU limit. */
function addSpec(all: Families, labels: string, spec: Container | undefined): void {
  if (spec === undefined) return;
  const { limits, requests } = spec.resources ?? {};
  all.cpuPeriod.add(labels, periodMicroseconds);
  if (limits?.["cpu"] !== undefined) {
    all.cpuQuota.add(labels, Math.round(unitsOf(limits["cpu"]) * periodMicroseconds));
  }
  const cpuRequest = requests?.["cpu"] ?? limits?.["cpu"];
  all.cpuShares.add(labels, Math.max(2, cpuRequest === undefined ? 0 : Math.round(unitsOf(cpuRequest) * 1024)));
  all.memoryLimit.add(labels, limits?.["memory"] === undefined ? 0 : unitsOf(limits["memory"]));
}

function specOf(pod: Stored<Pod>, name: string): Container | undefined {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  for (const list of [containers, initContainers, ephemeralContainers]) {
    for (const container of list) if (container.name === name) return container;
  }
  return undefined;
}

/** The path that a kubelet's control group for the pod has. */
function groupOf(pod: Stored<Pod>): string {
  const quality = pod.status?.qosClass ?? "";
  const folder = quality === "" || quality === "Guaranteed" ? "" : `/${quality.toLowerCase()}`;
  return `/kubepods${folder}/pod${pod.metadata.uid}`;
}

const units = new Map<Quantity, number>();

/** Whole units of a quantity; few different ones are used over and over. */
function unitsOf(quantity: Quantity): number {
  let value = units.get(quantity);
  if (value === undefined) {
    value = Number(parseQuantity(quantity)) / 1e9;
    if (units.size >= 1_000) units.clear();
    units.set(quantity, value);
  }
  return value;
}
