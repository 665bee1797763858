// Prometheus' own parsers read what the kubelet API tells of a large node, and refuse what they should.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text as textOf } from "node:stream/consumers";
import { before, test } from "node:test";
import type { Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { createMetrics } from "../packages/virtual-kubelet/src/metrics.ts";
import { renderCadvisorMetrics } from "../packages/virtual-kubelet/src/server/cadvisor-metrics.ts";
import { KubeletMetrics } from "../packages/virtual-kubelet/src/server/kubelet-metrics.ts";
import { renderProbeMetrics } from "../packages/virtual-kubelet/src/server/probe-metrics.ts";
import { renderResourceMetrics } from "../packages/virtual-kubelet/src/server/resource-metrics.ts";
import { StatsHistory } from "../packages/virtual-kubelet/src/server/stats-history.ts";
import type { PodStats } from "../packages/virtual-kubelet/src/stats-summary.ts";
import {
  at,
  containerStats,
  epochMs,
  podStats,
  runningPod,
  servedNode,
  summary,
} from "../packages/virtual-kubelet/src/testing/stats-fixtures.ts";
import { findPeer } from "./peers.ts";

interface Found {
  readonly families: number;
  readonly series: number;
  readonly types: Readonly<Record<string, string>>;
}

let promcheck = "";
before(async () => {
  promcheck = await findPeer("promcheck");
});

/** What the parsers found; rejects with their words. */
async function parse(exposition: string): Promise<Found> {
  const child = spawn(promcheck, { stdio: ["pipe", "pipe", "pipe"] });
  const closed: Promise<unknown[]> = once(child, "close");
  // It may refuse before it has read all.
  child.stdin.on("error", () => {});
  child.stdin.end(exposition);
  const [said, complaints, [code]] = await Promise.all([textOf(child.stdout), textOf(child.stderr), closed]);
  if (code !== 0) throw new Error(complaints);
  return JSON.parse(said);
}

const strange = 'a"b\\c\nd';

/** Pods with two containers each, all figures given; one has an image that needs escaping. */
function largeNode(count: number): { readonly pods: readonly Stored<Pod>[]; readonly stats: readonly PodStats[] } {
  const time = at(10);
  const pods = Array.from({ length: count }, (_, index) => runningPod(`pod-${index}`, ["main", "side"]));
  const stats = pods.map(({ metadata }, index) => {
    const container = (name: string) => ({
      ...containerStats({ name, time: 10, cpu: index + 0.123456789, cores: 0.1 }),
      memory: {
        time,
        workingSetBytes: 1e8 + index,
        usageBytes: 2e8,
        rssBytes: 5e7,
        pageFaults: 12,
        majorPageFaults: 0,
      },
      rootfs: { time, usedBytes: 4096, capacityBytes: 1e10 },
      swap: { time, swapUsageBytes: 0, swapAvailableBytes: 1e9 },
    });
    return {
      ...podStats(metadata.name, container("main"), container("side")),
      network: { time, name: "eth0", rxBytes: 1e15, txBytes: 2 },
      volume: [
        {
          name: "data",
          pvcRef: { namespace: "default", name: `data-${index}` },
          time,
          capacityBytes: 1e10,
          usedBytes: 5,
        },
      ],
    };
  });
  const [first, ...rest] = pods;
  const [status] = first?.status?.containerStatuses ?? [];
  if (first === undefined || status === undefined) return { pods, stats };
  const odd = { ...first, status: { ...first.status, containerStatuses: [{ ...status, image: strange }] } };
  return { pods: [odd, ...rest], stats };
}

test("all expositions of a large node", async () => {
  const { pods, stats } = largeNode(1000);
  const usage = new StatsHistory("vk").update(summary(...stats), pods, epochMs + 10_000);

  const resource = await parse(renderResourceMetrics(usage, false));
  // Of 1999 containers five each, of 1000 pods two, of the node two, and whether there was an error, twice.
  assert.equal(resource.series, 1999 * 5 + 1000 * 2 + 2 + 2);
  assert.equal(resource.types["container_cpu_usage_seconds_total"], "counter");
  assert.equal(resource.types["container_memory_working_set_bytes"], "gauge");

  const cadvisor = await parse(
    renderCadvisorMetrics({ usage, failed: false, pods, capacity: { cpu: "64", memory: "256Gi" } }),
  );
  assert.equal(cadvisor.series, 1999 * 14 + 1000 * 2 + 3);
  assert.equal(cadvisor.types["container_network_receive_bytes_total"], "counter");

  const labels = {
    probeType: "Readiness",
    container: "main",
    pod: "pod-1",
    namespace: "default",
    podUID: "u",
  } as const;
  const probes = await parse(
    renderProbeMetrics({
      results: [{ ...labels, result: "successful", count: 3 }],
      durations: [{ ...labels, buckets: [[0.1, 1]], count: 2, sumSeconds: 1.5 }],
    }),
  );
  assert.deepEqual(probes.types, { prober_probe_total: "counter", prober_probe_duration_seconds: "histogram" });

  const metrics = createMetrics();
  metrics.podStart.observe(1.5);
  metrics.providerCalls.inc({ node: "vk", method: strange, outcome: "ok" });
  metrics.providerCallDuration.observe({ method: "createPod" }, 0.2);
  const kubelet = await parse(
    await new KubeletMetrics({ metrics, kubeletVersion: "v1.36.3" }).render(
      servedNode(() => pods),
      usage,
    ),
  );
  assert.equal(kubelet.types["kubelet_pod_start_duration_seconds"], "histogram");
  assert.equal(kubelet.types["kubelet_volume_stats_used_bytes"], "gauge");
  assert.equal(kubelet.types["process_cpu_seconds_total"], "counter");
});

test("what has nothing to say is valid, too", async () => {
  for (const text of ["", renderProbeMetrics(undefined), renderResourceMetrics(undefined, true)]) await parse(text);
  await parse(renderCadvisorMetrics({ usage: undefined, failed: true, pods: [] }));
});

test("the parsers refuse what is no exposition", async () => {
  const faults = {
    "an open quote": 'a{b="c} 1\n',
    "a series twice": 'a{b="c"} 1\na{b="c"} 2\n',
    "no number": "a one\n",
    "a type twice": "# TYPE a counter\na 1\n# TYPE a gauge\n",
    "a series in the family of another": "# TYPE a counter\nb 1\n",
  };
  for (const [name, text] of Object.entries(faults)) await assert.rejects(parse(text), Error, name);
});
