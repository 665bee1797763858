// What containers of Nomad use, in Kubernetes' units.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { TaskStats } from "./task-stats.ts";
import type { NomadAllocationStats, NomadTaskStats } from "./wire.ts";

const context = { signal: new AbortController().signal, log: silentLogger };
const start = Date.parse("2026-01-01T00:00:00Z");
const group: CloudGroup = {
  owner: { cluster: "c", node: "n", namespace: "ns", name: "web", uid: "u" },
  ...{ id: "vk-u", stage: "running", startTime: "2026-01-01T00:00:00Z" },
  annotations: { "backend.virtual-kubelet.io/nomad-allocation": "a" },
  containers: [
    { name: "main", containerID: "nomad://a/main/0", state: { running: { startedAt: "2026-01-01T00:00:00Z" } } },
    { name: "done", state: { terminated: { exitCode: 0 } } },
  ],
};

type Usage = NonNullable<NomadTaskStats["ResourceUsage"]>;

function statsAt(seconds: number, usage: Usage): NomadAllocationStats {
  const Timestamp = (start + seconds * 1000) * 1_000_000;
  const task = { Timestamp, ResourceUsage: usage };
  return { Timestamp, Tasks: { main: task, done: task } };
}

describe("figures", () => {
  it("are of running containers, CPU in cores of the node's clock, with a counter that rises", async () => {
    let answer = statsAt(10, { CpuStats: { Percent: 50, TotalTicks: 1200 }, MemoryStats: { RSS: 5, Usage: 0 } });
    const stats = new TaskStats({ allocationStats: async () => answer }, () => 2400);
    const first = (await stats.of([group], context)).get("u")?.containers;
    assert.deepEqual(
      first?.map(({ name, cpu }) => [name, cpu?.usageNanoCores, cpu?.usageCoreNanoSeconds]),
      [["main", 500_000_000, 5_000_000_000]],
    );
    answer = statsAt(14, {
      CpuStats: { Percent: 0, TotalTicks: 600 },
      MemoryStats: { RSS: 0, Usage: 900, Cache: 200 },
    });
    const [second] = (await stats.of([group], context)).get("u")?.containers ?? [];
    assert.equal(second?.cpu?.usageCoreNanoSeconds, 6_000_000_000);
    assert.deepEqual([second?.memory?.workingSetBytes, second?.memory?.usageBytes], [700, 900]);
  });

  it("are percents of a core where there are no MHz", async () => {
    const answer = statsAt(1, { CpuStats: { Percent: 25 } });
    const stats = new TaskStats({ allocationStats: async () => answer }, () => 2400);
    const [found] = (await stats.of([group], context)).get("u")?.containers ?? [];
    assert.equal(found?.cpu?.usageNanoCores, 250_000_000);
    assert.equal(found?.memory, undefined);
  });

  it("of a pod that cannot be asked for are left out", async () => {
    const allocationStats = async (): Promise<NomadAllocationStats> => {
      throw new VirtualKubeletError("Unavailable", "no path to client");
    };
    const stats = new TaskStats({ allocationStats }, () => 2400);
    assert.equal((await stats.of([group, { ...group, annotations: {} }], context)).size, 0);
  });
});
