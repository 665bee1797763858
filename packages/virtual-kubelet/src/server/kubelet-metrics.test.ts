import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../metrics.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import {
  at,
  containerStats,
  epochMs,
  podStats,
  runningPod,
  runningStatus,
  servedNode,
  summary,
} from "../testing/stats-fixtures.ts";
import { KubeletMetrics } from "./kubelet-metrics.ts";
import { StatsHistory } from "./stats-history.ts";

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

test("the node's own figures, and none of another node", async () => {
  const metrics = createMetrics();
  metrics.nodeReady.set({ node: "vk" }, 1);
  metrics.nodeReady.set({ node: "other" }, 1);
  metrics.providerCalls.inc({ node: "other", method: "createPod", outcome: "ok" });
  metrics.leaseRenewals.inc({ outcome: 'a "quoted" one' }, 4);
  metrics.podStart.observe(0.3);
  const crashing = {
    ...runningStatus("side"),
    state: { waiting: { reason: "CrashLoopBackOff" } },
    lastState: { terminated: { exitCode: 1 } },
  };
  const pending = { ...runningStatus("main"), state: { waiting: { reason: "ContainerCreating" } } };
  const node = servedNode(() => [
    runningPod("a", ["main", "side"], { containerStatuses: [runningStatus("main"), crashing] }),
    runningPod("b", ["main"], { phase: "Pending", containerStatuses: [pending] }),
    runningPod("c", ["main"], {
      phase: "Pending",
      containerStatuses: [pending],
      conditions: [{ type: "PodReadyToStartContainers", status: "True" }],
    }),
    runningPod("d", ["main"], {
      phase: "Succeeded",
      containerStatuses: [{ ...runningStatus("main"), state: { terminated: { exitCode: 0 } } }],
    }),
  ]);
  const told = new KubeletMetrics({ metrics, kubeletVersion: "v1.36.3-vk-0.1.0" });
  const text = lines(await told.render(node, undefined));
  for (const line of [
    'virtual_kubelet_node_ready{node="vk"} 1',
    'virtual_kubelet_lease_renewals_total{outcome="a \\"quoted\\" one"} 4',
    'kubelet_node_name{node="vk"} 1',
    "kubelet_running_pods 2",
    'kubelet_running_containers{container_state="exited"} 2',
    'kubelet_running_containers{container_state="running"} 1',
    'kubelet_pod_start_duration_seconds_bucket{le="0.25"} 0',
    'kubelet_pod_start_duration_seconds_bucket{le="0.5"} 1',
    "kubelet_pod_start_duration_seconds_count 1",
    "virtual_kubelet_pod_start_duration_seconds_count 1",
  ]) {
    assert.ok(text.includes(line), `${line} is missing in\n${text.join("\n")}`);
  }
  assert.ok(
    text.some((line) =>
      /^kubernetes_build_info\{.*git_version="v1\.36\.3-vk-0\.1\.0".*major="1",minor="36"/.test(line),
    ),
  );
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"]) {
    assert.ok(
      text.some((line) => line.startsWith(`${name} `)),
      name,
    );
  }
  assert.deepEqual(
    text.filter((line) => line.includes("other")),
    [],
  );
});

test("volumes of claims, each claim once", async () => {
  const claim = {
    name: "data",
    pvcRef: { name: "data-0", namespace: "default" },
    time: at(10),
    capacityBytes: 100,
    usedBytes: 40,
  };
  const of = (name: string) => ({
    ...podStats(name, containerStats({ time: 10 })),
    volume: [claim, { name: "scratch", time: at(10), usedBytes: 1 }],
  });
  const pods = [runningPod("a"), runningPod("b")];
  const usage = new StatsHistory("vk").update(summary(of("a"), of("b")), pods, epochMs);
  const told = new KubeletMetrics({ metrics: createMetrics(), kubeletVersion: "v1.36.3" });
  const text = lines(
    await told.render(
      servedNode(() => pods),
      usage,
    ),
  );
  assert.deepEqual(
    text.filter((line) => line.startsWith("kubelet_volume_stats_")),
    [
      'kubelet_volume_stats_capacity_bytes{namespace="default",persistentvolumeclaim="data-0"} 100',
      'kubelet_volume_stats_used_bytes{namespace="default",persistentvolumeclaim="data-0"} 40',
    ],
  );
});

test("the registry is read once a second for all nodes", async () => {
  const metrics = createMetrics();
  let reads = 0;
  metrics.podSources.add(() => reads++);
  const clock = new FakeClock();
  const told = new KubeletMetrics({ metrics, kubeletVersion: "v1.36.3", clock });
  const node = servedNode(() => []);
  await Promise.all([
    told.render(node, undefined),
    told.render(
      servedNode(() => [], {}, "other"),
      undefined,
    ),
  ]);
  assert.equal(reads, 1);
  await clock.advance(1_000);
  await told.render(node, undefined);
  assert.equal(reads, 2);
});
