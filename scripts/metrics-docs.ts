// The reference of all metrics, docs/metrics.md, made from the registry and the expositions of the kubelet API; a test holds it up to date.
import type { Registry } from "prom-client";
import { createMetrics } from "../packages/virtual-kubelet/src/metrics.ts";
import { renderCadvisorMetrics } from "../packages/virtual-kubelet/src/server/cadvisor-metrics.ts";
import { KubeletMetrics } from "../packages/virtual-kubelet/src/server/kubelet-metrics.ts";
import { renderProbeMetrics } from "../packages/virtual-kubelet/src/server/probe-metrics.ts";
import { renderResourceMetrics } from "../packages/virtual-kubelet/src/server/resource-metrics.ts";
import { StatsHistory } from "../packages/virtual-kubelet/src/server/stats-history.ts";
import {
  at,
  containerStats,
  epochMs,
  podStats,
  runningPod,
  servedNode,
  summary,
} from "../packages/virtual-kubelet/src/testing/stats-fixtures.ts";

export interface MetricInfo {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** What labels of the program's own metrics mean, and their values where these are few. */
const labelMeanings: Readonly<Record<string, string>> = {
  cause:
    "of `watch_restarts`: `Ended` (in good order, every 5 to 10 minutes) or the kind of error; of `events_dropped`: `spam`, `namespace` (it is going away), `stopped`, `refused`, `failed`, `full`",
  code: "HTTP status; `error` where there was no answer; 101 for a stream",
  currency: "as configured; empty where none is",
  kind: "`node` or `namespace`: what the ceiling is of",
  kubelet_version: "as in the status of the node",
  method: "of the provider (`createPod`), or of HTTP",
  name: "of the node or namespace that the ceiling is of",
  namespace: "of the pods; from the 101st on `Other`",
  node: "name of the node",
  outcome:
    "`ok`, or the kind of error: NotFound, Invalid, Unsupported, Conflict, Quota, Throttled, Unavailable, Unauthorized, Forbidden, Expired, Aborted, Internal; `dropped` for the status of a pod that is gone; of reviews: `authenticated`, `refused`, `allowed`, `denied`, `error`",
  per: "`hour`, `day` or `month`",
  phase: "of the pod, as last written",
  queue:
    "`pods` (what is to be done with each), `pod-status`, `node-status`, `node-lease`, `node-ping`, `events`, `tokens`, `pod-certificates`",
  reason: "as in the status of the pod; `Other` for what is no single word, and from the 33rd reason on",
  resource: "plural name with sub-resource: `pods/status`",
  route: "pattern of the path; empty where there is none",
  runtime: "version of Node.js",
  state:
    "of a queue: `waiting` (due), `delayed` (until its time or its next try), `active`; of `pods_oldest`: `pending`, `terminating`",
  use: "`serving`, or `client` where it is rotated",
  verb: "of the API: `get`, `list`, `watch`, `create`, `replace`, `patch`, `delete`",
  version: "of the program",
};

/** Metrics of a registry, in its order. */
export function registryMetrics(registry: Registry): readonly MetricInfo[] {
  return registry.getMetricsAsArray().map((metric) => {
    const labels: unknown = "labelNames" in metric ? metric.labelNames : [];
    return {
      name: metric.name,
      // What is declared is a number, what is there is a word.
      type: String(metric.type),
      help: metric.help,
      labels: Array.isArray(labels) ? labels.map(String).sort() : [],
    };
  });
}

/** Metrics of an exposition, with all labels that a series of theirs has. */
export function expositionMetrics(text: string): readonly MetricInfo[] {
  const found = new Map<string, { type: string; help: string; labels: Set<string> }>();
  let current: { type: string; help: string; labels: Set<string> } | undefined;
  for (const line of text.split("\n")) {
    const [, name = "", help = ""] = /^# HELP (\S+) (.*)$/.exec(line) ?? [];
    if (name !== "") {
      current = { type: "", help, labels: new Set() };
      found.set(name, current);
    }
    const [, type] = /^# TYPE \S+ (\S+)$/.exec(line) ?? [];
    if (type !== undefined && current !== undefined) current.type = type;
    if (line.startsWith("#")) continue;
    const braces = /^[^{ ]+\{(.*)\} /.exec(line)?.[1] ?? "";
    for (const [, label = ""] of braces.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g))
      if (label !== "le") current?.labels.add(label);
  }
  return [...found].map(([name, { type, help, labels }]) => ({ name, type, help, labels: [...labels].sort() }));
}

/** A pod with all figures that there are. */
function fullPod() {
  const time = at(10);
  const stats = podStats("web", {
    ...containerStats({ time: 10, cpu: 1, cores: 0.1 }),
    memory: { time, workingSetBytes: 1, usageBytes: 2, rssBytes: 1, pageFaults: 1, majorPageFaults: 0 },
    rootfs: { time, usedBytes: 1, capacityBytes: 2 },
    swap: { time, swapUsageBytes: 0, swapAvailableBytes: 1 },
  });
  const volume = { time, capacityBytes: 2, usedBytes: 1, availableBytes: 1, inodes: 2, inodesFree: 1, inodesUsed: 1 };
  return {
    ...stats,
    cpu: { time, usageCoreNanoSeconds: 1e9, usageNanoCores: 1e8 },
    memory: { time, workingSetBytes: 1 },
    swap: { time, swapUsageBytes: 0 },
    network: { time, name: "eth0", rxBytes: 1, rxErrors: 0, txBytes: 2, txErrors: 0 },
    volume: [{ name: "data", pvcRef: { namespace: "default", name: "data" }, ...volume }],
  };
}

/** All metrics of the program, by where they are. */
async function allMetrics() {
  const web = runningPod("web");
  const containers = [{ name: "main", image: "main:1", resources: { limits: { cpu: "1", memory: "1Gi" } } }];
  const pods = [{ ...web, spec: { ...web.spec, containers } }];
  const time = at(10);
  const node = {
    nodeName: "vk",
    startTime: at(0),
    cpu: { time, usageCoreNanoSeconds: 1e9 },
    memory: { time, workingSetBytes: 1 },
    swap: { time, swapUsageBytes: 0 },
  };
  const usage = new StatsHistory("vk").update({ ...summary(fullPod()), node }, pods, epochMs + 10_000);
  const metrics = createMetrics();
  metrics.podStart.observe(1);
  const own = registryMetrics(metrics.registry);
  const kubelet = await new KubeletMetrics({ metrics, kubeletVersion: "v1.36.3" }).render(
    servedNode(() => pods),
    usage,
  );
  // The exposition began to gather what there is of the process.
  const known = new Set(registryMetrics(metrics.registry).map(({ name }) => name));
  const process = registryMetrics(metrics.registry).filter(({ name }) => /^(process|nodejs)_/.test(name));
  const probe = { probeType: "Readiness", container: "main", pod: "web", namespace: "default", podUID: "u" } as const;
  return {
    own,
    process,
    kubelet: expositionMetrics(kubelet).filter(({ name }) => !known.has(name)),
    resource: expositionMetrics(renderResourceMetrics(usage, false)),
    cadvisor: expositionMetrics(
      renderCadvisorMetrics({ usage, failed: false, pods, capacity: { cpu: "1", memory: "1Gi" } }),
    ),
    probes: expositionMetrics(
      renderProbeMetrics({
        results: [{ ...probe, result: "successful", count: 1 }],
        durations: [{ ...probe, buckets: [[0.1, 1]], count: 1, sumSeconds: 1 }],
      }),
    ),
  };
}

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
const codes = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(", ");

function table(metrics: readonly MetricInfo[]): readonly string[] {
  const rows = [...metrics].sort((left, right) => (left.name < right.name ? -1 : 1));
  return [
    row("Metric", "Type", "Labels", "Meaning"),
    row("---", "---", "---", "---"),
    ...rows.map(({ name, type, help, labels }) => row(codes([name]), type, codes(labels), help)),
    "",
  ];
}

export async function metricsDocs(): Promise<string> {
  const { own, process, kubelet, resource, cadvisor, probes } = await allMetrics();
  const labels = [...new Set(own.flatMap((metric) => metric.labels))].sort();
  const untold = labels.filter((label) => labelMeanings[label] === undefined);
  if (untold.length > 0) throw new Error(`labelMeanings lacks ${untold.join(", ")}`);
  return [
    "# Metrics",
    "",
    "<!-- Generated by scripts/generate-metrics-docs.ts from the registry: change packages/virtual-kubelet/src/metrics.ts instead. -->",
    "",
    "Of the program: `/metrics` on `--metrics-addr` (`127.0.0.1:10255`, plain HTTP, no authentication), for all nodes of the process. Of a node: `/metrics` and below of its kubelet API, for callers that may `get` `nodes/metrics` ([kubelet-api.md](kubelet-api.md)).",
    "",
    "A dashboard and alerts over these are in [deploy/monitoring](../deploy/monitoring/README.md); what to do about each alert is in [operations.md](operations.md#alerts).",
    "",
    "## The program",
    "",
    "On both. In a node's `/metrics` what has a label `node` is of that node alone. A histogram has `_bucket`, `_sum` and `_count`.",
    "",
    ...table(own),
    row("Label", "Values"),
    row("---", "---"),
    ...labels.map((label) => row(codes([label]), labelMeanings[label] ?? "")),
    "",
    "## The process",
    "",
    "On both; gathered from the first scrape on. `process_open_fds` and the like are there on Linux alone.",
    "",
    ...table(process),
    "## A node: /metrics",
    "",
    "Beside those above, what dashboards of kubelets look for.",
    "",
    ...table(kubelet),
    "## A node: /metrics/resource",
    "",
    "What metrics-server reads.",
    "",
    ...table(resource),
    "## A node: /metrics/cadvisor",
    "",
    ...table(cadvisor),
    "## A node: /metrics/probes",
    "",
    "Of providers whose probes are run by the program: all of this project but `mock`. A cloud that runs some of them itself has no figures of those.",
    "",
    ...table(probes),
    "## A node: /metrics/slis",
    "",
    "`kubernetes_healthcheck` and `kubernetes_healthchecks_total`, by name of the check of `/healthz`.",
    "",
  ].join("\n");
}
