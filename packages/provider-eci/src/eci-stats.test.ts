// The cloud's figures as those of pods.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallContext, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { FakeClock } from "@virtual-kubelet/virtual-kubelet/testing";
import { EciStats, groupStats } from "./eci-stats.ts";
import type { GroupMetrics } from "./wire-answers.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const owner = { cluster: "c1", node: "vk", namespace: "shop", name: "web", uid: "uid-web" };
const group: CloudGroup = {
  ...{ owner, id: "eci-1", stage: "running", startTime: "2026-01-01T00:00:00Z" },
  containers: [
    { name: "web", state: { running: { startedAt: "2026-01-01T00:00:10Z" } } },
    { name: "over", state: { terminated: { exitCode: 0 } } },
  ],
};
const metrics: GroupMetrics = {
  ContainerGroupId: "eci-1",
  Records: [
    { Timestamp: "2026-01-01T00:01:00Z", CPU: { UsageNanoCores: 1 } },
    {
      Timestamp: "2026-01-01T00:01:15Z",
      CPU: { UsageNanoCores: 250_000_000, UsageCoreNanoSeconds: 9e9 },
      Memory: { UsageBytes: 300, WorkingSet: 200, Rss: 100, AvailableBytes: 700 },
      Network: {
        Interfaces: [
          { Name: "lo", RxBytes: 1 },
          { Name: "eth0", RxBytes: 5, TxBytes: 6, RxErrors: 0, TxErrors: 0 },
        ],
      },
      Filesystem: [{ FsName: "/dev/vda", Capacity: 1000, Available: 600, Usage: 400 }],
      Containers: [
        { Name: "web", CPU: { UsageNanoCores: 200_000_000, UsageCoreNanoSeconds: 8e9 }, Memory: { WorkingSet: 150 } },
        { Name: "over", CPU: { UsageNanoCores: 1 } },
      ],
    },
  ],
};

describe("figures of a group", () => {
  it("are the newest, of containers that run", () => {
    const time = "2026-01-01T00:01:15Z";
    const stats = groupStats(group, metrics);
    assert.deepEqual(stats?.cpu, { time, usageNanoCores: 250_000_000, usageCoreNanoSeconds: 9e9 });
    assert.deepEqual(stats?.memory, {
      time,
      usageBytes: 300,
      availableBytes: 700,
      workingSetBytes: 200,
      rssBytes: 100,
    });
    assert.deepEqual(
      stats?.containers.map(({ name, startTime, cpu }) => [name, startTime, cpu?.usageNanoCores]),
      [["web", "2026-01-01T00:00:10Z", 200_000_000]],
    );
    assert.deepEqual(
      [stats?.network?.name, stats?.network?.rxBytes, stats?.network?.interfaces?.length],
      ["eth0", 5, 2],
    );
    assert.equal(stats?.["ephemeral-storage"]?.usedBytes, 400);
  });

  it("are none where the cloud has none yet", () => {
    assert.equal(groupStats(group, { ContainerGroupId: "eci-1", Records: [] }), undefined);
  });
});

describe("figures of a node", () => {
  it("take a call for twenty groups, and none before there are new ones", async () => {
    const calls: number[] = [];
    const clock = new FakeClock(1_000_000);
    const stats = new EciStats({
      clock,
      client: {
        metrics: async (ids) => {
          calls.push(ids.length);
          return ids.map((ContainerGroupId) => ({ ...metrics, ContainerGroupId }));
        },
      },
    });
    const groups = Array.from({ length: 41 }, (_, index) => ({
      ...{ ...group, id: `eci-${index}`, owner: { ...owner, uid: `uid-${index}` } },
    }));
    assert.equal((await stats.of(groups, context)).size, 41);
    assert.deepEqual(calls, [20, 20, 1]);
    await stats.of(groups, context);
    assert.equal(calls.length, 3);
  });

  it("go on without those whose call failed", async () => {
    const stats = new EciStats({
      clock: new FakeClock(1_000_000),
      client: { metrics: () => Promise.reject(new Error("no")) },
    });
    assert.equal((await stats.of([group], context)).size, 0);
  });
});
