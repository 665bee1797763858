// Figures of pods: rates and counters from the extension and from the monitor, no more calls than they need.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pause, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { FakeClock } from "@virtual-kubelet/virtual-kubelet/testing";
import { AciStats } from "./aci-stats.ts";
import type { MetricSeries } from "./arm-client.ts";
import { parseExtension } from "./extension-stats.ts";

const context = { signal: new AbortController().signal, log: silentLogger };
const startedAt = "2026-01-01T00:00:00Z";

const group = (uid: string, ...names: string[]): CloudGroup => ({
  owner: { cluster: "c", node: "n", namespace: "ns", name: uid, uid },
  ...{ id: `/x/containerGroups/${uid}`, stage: "running", startTime: startedAt, podIPs: ["10.0.0.7"] },
  containers: names.map((name) => ({ name, state: { running: { startedAt } } })),
});

describe("from the extension", () => {
  const answer = (seconds: number, used: number) => ({
    timestamp: (Date.parse(startedAt) / 1000 + seconds) * 1e9,
    containers: [
      {
        name: "main",
        cpu: { usageCoreNanoSeconds: used },
        memory: { usageBytes: 3e6, workingSetBytes: 2e6, rssBytes: 1e6 },
      },
      { name: "infrastructure", cpu: {}, memory: {} },
    ],
    ...{ cpu: { usageCoreNanoSeconds: used }, memory: { usageBytes: 3e6 } },
    network: { name: "eth0", rxBytes: 1, txBytes: 2, interfaces: [] },
  });

  it("a rate from the second look on; those of one pod fail alone; nobody is asked twice within five seconds", async () => {
    const clock = new FakeClock();
    const answers = [answer(0, 1e9), answer(10, 6e9)];
    let asked = 0;
    const stats = new AciStats({
      ...{ clock, realTime: true, client: { metrics: () => assert.fail("not asked") } },
      ask: async (address) => {
        asked += 1;
        if (address === "10.0.0.9") throw new Error("away");
        return answers.shift() ?? assert.fail("asked too often");
      },
    });
    const groups = [group("a", "main"), { ...group("b", "main"), podIPs: ["10.0.0.9"] }];
    const first = (await stats.of(groups, context)).get("a");
    assert.deepEqual(
      first?.containers.map(({ name }) => name),
      ["main"],
    );
    assert.equal(first?.containers[0]?.cpu?.usageNanoCores, undefined);
    await stats.of(groups, context);
    assert.equal(asked, 2);
    await clock.advance(10_000);
    const found = await stats.of(groups, context);
    assert.deepEqual([...found.keys()], ["a"]);
    const main = found.get("a")?.containers[0];
    assert.equal(main?.cpu?.usageNanoCores, 5e8);
    assert.equal(main?.cpu?.usageCoreNanoSeconds, 6e9);
    assert.equal(main?.memory?.workingSetBytes, 2e6);
    assert.equal(found.get("a")?.network?.rxBytes, 1);
  });

  it("what is no answer of it is told as that", () => {
    assert.throws(() => parseExtension("<html>"), /answered no JSON/);
    assert.throws(() => parseExtension('{"timestamp": 1, "containers": [{}]}'), /not expected: containers.0.name/);
  });
});

describe("from the monitor", () => {
  const at = (minutes: number): number => Date.parse(startedAt) + minutes * 60_000;
  const series = (
    name: string,
    container: string | undefined,
    ...points: (readonly [number, number])[]
  ): MetricSeries => ({
    ...{ name, container },
    points: points.map(([minutes, average]) => ({ time: at(minutes), average })),
  });

  it("the last minute as rate, all minutes as a counter that never falls; one call a minute", async () => {
    const clock = new FakeClock(at(3));
    const answers = [
      [
        series("CpuUsage", "a", [0, 500], [1, 250]),
        series("MemoryUsage", "a", [1, 1e6]),
        series("CpuUsage", "b", [1, 100]),
      ],
      // The last minute is told again, and a new one.
      [series("CpuUsage", "a", [1, 250], [2, 1000]), series("MemoryUsage", "a", [2, 2e6])],
    ];
    const from: number[] = [];
    const stats = new AciStats({
      ...{ clock, realTime: false },
      client: {
        metrics: async (_name, options) => {
          from.push(options.from);
          return answers.shift() ?? [];
        },
      },
    });
    const groups = [group("g", "a", "b")];
    const first = (await stats.of(groups, context)).get("g");
    assert.deepEqual(first?.containers[0]?.cpu, {
      ...{ time: "2026-01-01T00:02:00.000Z", usageNanoCores: 250e6, usageCoreNanoSeconds: 45e9 },
    });
    assert.equal(first?.containers[1]?.memory, undefined);
    await stats.of(groups, context);
    await clock.advance(60_000);
    const second = (await stats.of(groups, context)).get("g");
    assert.equal(second?.containers[0]?.cpu?.usageCoreNanoSeconds, 105e9);
    assert.equal(second?.containers[0]?.memory?.workingSetBytes, 2e6);
    assert.equal(from.length, 2);
  });

  it("answers in time with what it has; whose turn did not come is first the next time, and old figures stay", async () => {
    const clock = new FakeClock(at(3));
    const asked: string[] = [];
    const stats = new AciStats({
      ...{ clock, realTime: false },
      client: {
        metrics: async (name, _options, { signal }) => {
          await pause(clock, 2_000, signal);
          signal.throwIfAborted();
          asked.push(name);
          return [series("MemoryUsage", "main", [2, 1e6])];
        },
      },
    });
    const groups = Array.from({ length: 40 }, (_, index) => group(`g${index}`, "main"));
    const answer = async (): Promise<number> => {
      const found = stats.of(groups, context);
      for (let second = 0; second < 5; second++) await clock.advance(1_000);
      return (await found).size;
    };
    assert.equal(await answer(), 20);
    assert.equal(await answer(), 40);
    assert.deepEqual(asked.toSorted(), groups.map(({ owner }) => owner.uid).toSorted());
    await clock.advance(60_000);
    assert.equal(await answer(), 40);
    assert.equal(asked.length, 60);
  });
});
