// The stats summary: what is in it, what is not yet, and that counters only rise.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodUsage } from "./runs.ts";
import { NodeStatsKeeper } from "./stats.ts";

const owner = { cluster: "c", node: "n", namespace: "d", name: "web", uid: "u1" };
const start = Date.UTC(2026, 0, 1);

function usage(now: number, startedAt = start, name = "app"): PodUsage["containers"][number] {
  const cpuCoreNanoSeconds = (now - startedAt) * 500_000;
  return { name, startedAt, cpuNanoCores: 5e8, cpuCoreNanoSeconds, memoryBytes: 2 ** 24 };
}

function keeper(): NodeStatsKeeper {
  return new NodeStatsKeeper({ node: "n", memory: 2 ** 34, startedAt: start });
}

test("a pod has the figures of its containers, with the start of their runs", () => {
  const now = start + 60_000;
  const containers = [usage(now), usage(now, start + 30_000, "side")];
  const { pods, node } = keeper().summary([{ owner, acceptedAt: start, containers }], now);
  const [pod] = pods;
  assert.deepEqual(pod?.podRef, { name: "web", namespace: "d", uid: "u1" });
  assert.deepEqual(
    pod?.containers.map(({ name, startTime, cpu, memory }) => [
      name,
      startTime,
      cpu?.usageCoreNanoSeconds,
      memory?.workingSetBytes,
    ]),
    [
      ["app", "2026-01-01T00:00:00.000Z", 30e9, 2 ** 24],
      ["side", "2026-01-01T00:00:30.000Z", 15e9, 2 ** 24],
    ],
  );
  assert.equal(pod?.cpu?.usageCoreNanoSeconds, 45e9);
  assert.equal(pod?.memory?.workingSetBytes, 2 ** 25);
  assert.equal(pod?.cpu?.time, "2026-01-01T00:01:00.000Z");
  assert.equal(node.nodeName, "n");
  assert.ok((node.cpu?.usageNanoCores ?? 0) > 1e9 && (node.memory?.workingSetBytes ?? 0) > 2 ** 25);
  assert.equal((node.memory?.availableBytes ?? 0) + (node.memory?.workingSetBytes ?? 0), 2 ** 34);
});

test("a container younger than its first sample is left out, and so is a pod without any", () => {
  const now = start + 10_000;
  const young = usage(now, now - 500, "young");
  const summary = keeper().summary(
    [
      { owner, acceptedAt: start, containers: [usage(now), young] },
      { owner: { ...owner, uid: "u2" }, acceptedAt: now, containers: [young] },
    ],
    now,
  );
  assert.deepEqual(
    summary.pods.map((pod) => pod.containers.map(({ name }) => name)),
    [["app"]],
  );
});

test("what uses nothing is not zero: readers take that for unknown", () => {
  const idle = { name: "app", startedAt: start, cpuNanoCores: 0, cpuCoreNanoSeconds: 0, memoryBytes: 0 };
  const { pods } = keeper().summary([{ owner, acceptedAt: start, containers: [idle] }], start + 5000);
  assert.equal(pods[0]?.containers[0]?.cpu?.usageCoreNanoSeconds, 1);
  assert.equal(pods[0]?.containers[0]?.memory?.workingSetBytes, 1);
});

test("the node's counters rise, also when runs end and pods go", () => {
  const stats = keeper();
  let before = -1;
  let receivedBefore = -1;
  const looks: readonly (readonly [now: number, containers: PodUsage["containers"]])[] = [
    [start + 1000, [usage(start + 1000)]],
    [start + 9000, [usage(start + 9000), usage(start + 9000, start + 5000, "side")]],
    [start + 9500, [usage(start + 9500, start + 9400)]],
    [start + 12_000, []],
    [start + 20_000, [usage(start + 20_000)]],
  ];
  for (const [now, containers] of looks) {
    const { cpu, network } = stats.summary([{ owner, acceptedAt: start, containers }], now).node;
    assert.ok((cpu?.usageCoreNanoSeconds ?? 0) > before, `at ${now}`);
    assert.ok((network?.rxBytes ?? 0) > receivedBefore, `at ${now}`);
    before = cpu?.usageCoreNanoSeconds ?? 0;
    receivedBefore = network?.rxBytes ?? 0;
  }
});
