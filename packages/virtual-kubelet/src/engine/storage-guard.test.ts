import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodSpec } from "../kube/types.gen.ts";
import { podStatus } from "../status/pod-status.ts";
import { EngineBench, quiet } from "../testing/engine-bench.ts";

const limited: Partial<PodSpec> = { volumes: [{ name: "v", emptyDir: { sizeLimit: "1Ki" } }] };

describe("a pod that uses more of the disk than it may", () => {
  it("is evicted for good, for its own fault, and alone", async () => {
    let used = 1024;
    const time = "2026-01-01T00:00:00Z";
    const bench = new EngineBench({ storageOf: () => ({ volume: [{ name: "v", time, usedBytes: used }] }) });
    const pod = await bench.create(limited, "limited");
    const free = await bench.create({ volumes: [{ name: "v", emptyDir: {} }] }, "free");
    const system = await bench.create({ ...limited, priority: 2_000_000_000 }, "system");
    await bench.pass(60_000);
    assert.equal(await bench.state(pod.owner), "running #0", "at the limit");
    used = 1025;
    await bench.pass(10_000);
    await bench.pass(1000);
    const message = 'Usage of EmptyDir volume "v" exceeds the limit "1Ki". ';
    const report = await bench.report(pod.owner);
    assert.deepEqual(report?.failure, { reason: "Evicted", message });
    assert.deepEqual(
      bench.events.filter((event) => event.startsWith("Evicted")),
      [`Evicted: ${message}`],
    );
    const { now } = bench.clock;
    assert.ok(report !== undefined);
    const situation = { type: "reported" as const, report };
    const status = podStatus({ pod: pod.pod, situation, now: now.call(bench.clock), nodeIPs: [] });
    assert.deepEqual([status.phase, status.reason, status.message], ["Failed", "Evicted", message]);
    assert.equal(
      status.conditions?.some(({ type }) => type === "DisruptionTarget"),
      false,
    );
    await bench.pass(60_000);
    assert.equal(await bench.state(pod.owner), "terminated 143 Error #0");
    for (const { owner } of [free, system]) assert.equal(await bench.state(owner), "running #0");
    const { pods } = await (bench.engine.getStatsSummary?.(quiet) ?? assert.fail("there are stats"));
    assert.equal(pods.find(({ podRef }) => podRef.name === "free")?.volume?.[0]?.usedBytes, 1025);
    await bench.close();
  });

  it("is evicted later where it cannot be looked at now", async () => {
    let failing = true;
    const bench = new EngineBench({
      storageOf: () => {
        if (failing) throw new Error("no figures");
        return { volume: [{ name: "v", time: "2026-01-01T00:00:00Z", usedBytes: 4096 }] };
      },
    });
    const pod = await bench.create(limited);
    await bench.pass(30_000);
    assert.equal(await bench.state(pod.owner), "running #0");
    failing = false;
    await bench.pass(10_000);
    await bench.pass(1000);
    assert.equal((await bench.report(pod.owner))?.failure?.reason, "Evicted");
    await bench.close();
  });
});
