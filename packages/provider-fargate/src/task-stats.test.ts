import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GetMetricDataCommandInput } from "@aws-sdk/client-cloudwatch";
import { type CallContext, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { TaskStats } from "./task-stats.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const clock = { ...systemClock, now: () => Date.UTC(2026, 0, 1, 0, 10) };

function groupOf(name: string, containers: readonly string[] = ["web"]): CloudGroup {
  return {
    owner: { cluster: "c1", node: "n", namespace: "team", name, uid: `uid-${name}` },
    id: `arn:aws:ecs:eu-west-1:123456789012:task/pods/${name}`,
    stage: "running",
    startTime: "2026-01-01T00:00:00Z",
    containers: containers.map((container) => ({
      name: container,
      state: { running: { startedAt: "2026-01-01T00:00:00Z" } },
    })),
    annotations: {
      "backend.virtual-kubelet.io/task-definition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/vk-1-2:1",
    },
  };
}

/** Half a core and 100 MiB for each container but those that have no figures yet. */
function bench(silent: readonly string[] = []) {
  const calls: GetMetricDataCommandInput[] = [];
  const state = { minute: 1 };
  const getMetricData = async (input: GetMetricDataCommandInput) => {
    calls.push(input);
    return {
      MetricDataResults: (input.MetricDataQueries ?? []).map(({ Id, MetricStat }) => {
        const { MetricName = "", Dimensions = [] } = MetricStat?.Metric ?? {};
        const container = Dimensions.find(({ Name }) => Name === "ContainerName")?.Value ?? "";
        if (silent.includes(container)) return { Id, Timestamps: [], Values: [] };
        return {
          Id,
          Timestamps: [new Date(Date.UTC(2026, 0, 1, 0, state.minute))],
          Values: [MetricName.includes("Cpu") ? 512 : 100],
        };
      }),
    };
  };
  return {
    calls,
    state,
    stats: new TaskStats({ getMetricData }, "arn:aws:ecs:eu-west-1:123456789012:cluster/pods", clock),
  };
}

describe("figures", () => {
  it("are those of Container Insights, by task and container", async () => {
    const { calls, stats } = bench();
    const found = await stats.of([groupOf("web")], context);
    assert.deepEqual(found.get("uid-web"), {
      startTime: "2026-01-01T00:00:00Z",
      containers: [
        {
          ...{ name: "web", startTime: "2026-01-01T00:00:00Z" },
          cpu: { time: "2026-01-01T00:01:00Z", usageNanoCores: 500_000_000, usageCoreNanoSeconds: 30e9 },
          memory: { time: "2026-01-01T00:01:00Z", workingSetBytes: 100 * 1024 ** 2 },
        },
      ],
    });
    assert.deepEqual(calls[0]?.MetricDataQueries?.[0]?.MetricStat?.Metric?.Dimensions, [
      { Name: "ClusterName", Value: "pods" },
      { Name: "TaskDefinitionFamily", Value: "vk-1-2" },
      { Name: "TaskId", Value: "web" },
      { Name: "ContainerName", Value: "web" },
    ]);
  });

  it("count up, once for each minute", async () => {
    const { state, stats } = bench();
    const counted = async (): Promise<number | undefined> =>
      (await stats.of([groupOf("web")], context)).get("uid-web")?.containers[0]?.cpu?.usageCoreNanoSeconds;
    assert.equal(await counted(), 30e9);
    assert.equal(await counted(), 30e9);
    state.minute = 3;
    assert.equal(await counted(), 90e9);
  });

  it("that are not there yet are left out", async () => {
    const { stats } = bench(["log"]);
    const found = await stats.of([groupOf("web", ["web", "log"]), groupOf("new", ["log"])], context);
    assert.deepEqual(
      found.get("uid-web")?.containers.map(({ name }) => name),
      ["web"],
    );
    assert.equal(found.get("uid-new"), undefined);
  });

  it("of a thousand pods take four calls", async () => {
    const { calls, stats } = bench();
    const found = await stats.of(
      Array.from({ length: 1000 }, (_, index) => groupOf(`p${index}`)),
      context,
    );
    assert.equal(found.size, 1000);
    assert.equal(calls.length, 4);
  });
});
