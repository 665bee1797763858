import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import { at, containerStats, epochMs, podStats, runningPod, summary } from "../testing/stats-fixtures.ts";
import { renderCadvisorMetrics } from "./cadvisor-metrics.ts";
import { StatsHistory } from "./stats-history.ts";

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
const resources = { limits: { cpu: "250m", memory: "64Mi" }, requests: { cpu: "100m" } };
const base = runningPod("web");
const pod: Stored<Pod> = { ...base, spec: { containers: [{ name: "main", image: "main:1", resources }] } };

test("a container's usage, limits and times, and its pod's network", () => {
  const time = at(10);
  const stats = {
    ...podStats("web", {
      ...containerStats({ time: 10, cpu: 2.5 }),
      memory: { time, workingSetBytes: 100, usageBytes: 120, rssBytes: 80, pageFaults: 7, majorPageFaults: 1 },
      rootfs: { time, usedBytes: 4096, capacityBytes: 8192 },
    }),
    network: {
      time,
      name: "eth0",
      rxBytes: 1,
      txBytes: 2,
      interfaces: [
        { name: "eth0", rxBytes: 1, txBytes: 2 },
        { name: "eth1", rxErrors: 3 },
      ],
    },
  };
  const usage = new StatsHistory("vk").update(summary(stats), [pod], epochMs + 10_000);
  const text = renderCadvisorMetrics({
    usage,
    failed: false,
    pods: [pod],
    capacity: { cpu: "8", memory: "1Gi", pods: "110" },
  });
  const container = `container="main",id="/kubepods/burstable/poduid-web/main-id",image="registry.example/main:1",name="main-id",namespace="default",pod="web"`;
  const network = (name: string) =>
    `container="",id="/kubepods/burstable/poduid-web",image="",interface="${name}",name="",namespace="default",pod="web"`;
  const ms = epochMs + 10_000;
  assert.deepEqual(lines(text), [
    `container_cpu_usage_seconds_total{${container},cpu="total"} 2.5 ${ms}`,
    `container_last_seen{${container}} ${ms / 1000} ${ms}`,
    `container_fs_limit_bytes{${container},device=""} 8192 ${ms}`,
    `container_fs_usage_bytes{${container},device=""} 4096 ${ms}`,
    `container_memory_rss{${container}} 80 ${ms}`,
    `container_memory_usage_bytes{${container}} 120 ${ms}`,
    `container_memory_working_set_bytes{${container}} 100 ${ms}`,
    `container_memory_failures_total{${container},failure_type="pgfault",scope="container"} 7 ${ms}`,
    `container_memory_failures_total{${container},failure_type="pgmajfault",scope="container"} 1 ${ms}`,
    `container_network_receive_bytes_total{${network("eth0")}} 1 ${ms}`,
    `container_network_receive_errors_total{${network("eth1")}} 3 ${ms}`,
    `container_network_transmit_bytes_total{${network("eth0")}} 2 ${ms}`,
    `container_spec_cpu_period{${container}} 100000`,
    `container_spec_cpu_quota{${container}} 25000`,
    `container_spec_cpu_shares{${container}} 102`,
    `container_spec_memory_limit_bytes{${container}} 67108864`,
    `container_start_time_seconds{${container}} ${epochMs / 1000}`,
    "container_scrape_error 0",
    "machine_cpu_cores 8",
    "machine_memory_bytes 1073741824",
  ]);
});

test("without stats what the API knows, and only of what runs", () => {
  const ended = runningPod("done", ["main"], {
    containerStatuses: [
      { name: "main", image: "", imageID: "", ready: false, restartCount: 0, state: { terminated: { exitCode: 0 } } },
    ],
  });
  const text = lines(renderCadvisorMetrics({ usage: undefined, failed: true, pods: [base, ended] }));
  assert.deepEqual(
    text.map((line) => line.split(/[ {]/)[0]),
    [
      "container_spec_cpu_period",
      "container_spec_cpu_shares",
      "container_spec_memory_limit_bytes",
      "container_start_time_seconds",
      "container_scrape_error",
    ],
  );
  assert.ok(text.includes("container_scrape_error 1"));
});
