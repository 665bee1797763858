import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { podStatus } from "../status/pod-status.ts";
import { EngineBench, quiet } from "../testing/engine-bench.ts";

const pressure = (status: "True" | "False") => ({
  conditions: [{ type: "MemoryPressure", status, reason: "r", message: "m" }],
});

describe("pressure on the node", () => {
  it("evicts one pod after another while it lasts", async () => {
    const bench = new EngineBench({ memoryOf: (uid) => (uid === "uid-big" ? 2048 : 1024) });
    const [small, big, system] = [
      await bench.create({}, "small"),
      await bench.create({}, "big"),
      await bench.create({ priority: 2_000_000_000 }, "system"),
    ];
    await bench.pass(60_000);
    assert.equal(await bench.state(big.owner), "running #0");
    bench.runtime.node(pressure("True"));
    await bench.pass(0);
    assert.equal(await bench.state(big.owner), "terminated 143 Error #0");
    assert.equal(await bench.state(small.owner), "running #0");
    const report = await bench.report(big.owner);
    const message =
      "The node was low on resource: memory. Container c was using 2Ki, request is 0, has larger consumption of memory. ";
    assert.deepEqual(report?.failure, { reason: "Evicted", message, disruption: "TerminationByKubelet" });
    assert.ok(bench.events.includes(`Evicted: ${message}`));
    assert.ok(report !== undefined);
    const status = podStatus({
      pod: big.pod,
      situation: { type: "reported", report },
      now: bench.clock.now(),
      nodeIPs: [],
    });
    assert.deepEqual([status.phase, status.reason, status.message], ["Failed", "Evicted", message]);
    const disruption = status.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.deepEqual([disruption?.status, disruption?.reason], ["True", "TerminationByKubelet"]);
    bench.runtime.node(pressure("False"));
    await bench.pass(60_000);
    assert.equal(await bench.state(small.owner), "running #0");
    bench.runtime.node(pressure("True"));
    await bench.pass(60_000);
    assert.equal(await bench.state(small.owner), "terminated 143 Error #0");
    assert.equal(await bench.state(system.owner), "running #0", "the cluster's own stay");
    await bench.close();
  });
});

describe("a disk that is short", () => {
  const diskPressure = { conditions: [{ type: "DiskPressure", status: "True", reason: "r", message: "m" }] };

  it("costs no second pod before the first has given back what it held, and the node was looked at since", async () => {
    const stopped = Promise.withResolvers<void>();
    const bench = new EngineBench({
      around: async (call, work) => {
        if (call === "stopSandbox") await stopped.promise;
        return work();
      },
    });
    const [one, other] = [await bench.create({}, "one"), await bench.create({}, "other")];
    const states = async (): Promise<readonly string[]> =>
      [await bench.state(one.owner), await bench.state(other.owner)].sort();
    bench.runtime.node(diskPressure);
    await bench.pass(20_000);
    assert.deepEqual(await states(), ["running #0", "terminated 143 Error #0"]);
    stopped.resolve();
    await bench.pass(10_000);
    assert.deepEqual(await states(), ["running #0", "terminated 143 Error #0"]);
    await bench.pass(1000);
    assert.deepEqual(await states(), ["terminated 143 Error #0", "terminated 143 Error #0"]);
    await bench.close();
  });

  it("costs a second pod when the first cannot give back what it held", async () => {
    const bench = new EngineBench({
      around: async (call, work) => {
        if (call === "stopSandbox") throw new VirtualKubeletError("Unavailable", "stuck");
        return work();
      },
    });
    const [one, other] = [await bench.create({}, "one"), await bench.create({}, "other")];
    const states = async (): Promise<readonly string[]> =>
      [await bench.state(one.owner), await bench.state(other.owner)].sort();
    bench.runtime.node(diskPressure);
    await bench.pass(39_999);
    assert.deepEqual(await states(), ["running #0", "terminated 143 Error #0"]);
    await bench.pass(1);
    assert.deepEqual(await states(), ["terminated 143 Error #0", "terminated 143 Error #0"]);
    await bench.close();
  });

  it("does not wait for a pod that was deleted with a long grace", async () => {
    const bench = new EngineBench({ script: () => ({ termMs: 3_600_000 }) });
    const [slow, other] = [
      await bench.create({ terminationGracePeriodSeconds: 3600 }, "slow"),
      await bench.create({}, "other"),
    ];
    await bench.during(bench.engine.deletePod(slow.owner, { gracePeriodSeconds: 3600 }, quiet));
    bench.runtime.node(diskPressure);
    await bench.pass(30_000);
    assert.equal(await bench.state(slow.owner), "running #0");
    assert.match(await bench.state(other.owner), /^terminated /);
    await bench.close();
  });

  it("costs no pod as long as something else can go", async () => {
    const unused = [4096, 1024];
    const bench = new EngineBench({ freeDisk: () => unused.shift() ?? 0 });
    const { owner } = await bench.create({});
    bench.runtime.node(diskPressure);
    await bench.pass(19_999);
    assert.equal(await bench.state(owner), "running #0");
    assert.deepEqual(unused, []);
    await bench.pass(1);
    assert.equal(await bench.state(owner), "terminated 143 Error #0");
    await bench.close();
  });
});

describe("a pod that the node ends", () => {
  const failure = { reason: "Terminated", message: "m", disruption: "TerminationByKubelet" };

  it("that its runtime cannot kill is told of", async () => {
    let works = true;
    const bench = new EngineBench({
      around: async (call, work) => {
        if (call === "stopContainer" && !works) throw new VirtualKubeletError("Unavailable", "stuck");
        return work();
      },
    });
    const { owner } = await bench.create();
    works = false;
    await bench.engine.stopPod(owner, { gracePeriodSeconds: 8, failure }, quiet);
    await bench.pass(11_900);
    const late = "ExceededGracePeriod: Container runtime did not kill the pod within specified grace period.";
    const told = (): number => bench.events.filter((one) => one === late).length;
    assert.equal(told(), 0);
    await bench.pass(100);
    assert.equal(told(), 1);
    works = true;
    await bench.pass(60_000);
    assert.equal(await bench.state(owner), "terminated 143 Error #0");
    assert.equal(told(), 1);
    await bench.close();
  });

  it("stays with its end until it is deleted, over restarts too", async () => {
    const bench = new EngineBench({ script: () => ({ termMs: 3000 }) });
    const request = await bench.create({ terminationGracePeriodSeconds: 30 });
    const { owner } = request;
    await bench.engine.stopPod(owner, { gracePeriodSeconds: 5, failure }, quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner), "running #0");
    assert.deepEqual((await bench.report(owner))?.failure, failure);
    await bench.pass(3000);
    await bench.pass(600_000);
    assert.equal(await bench.state(owner), "terminated 143 Error #0");
    await bench.restart(request);
    await bench.pass(60_000);
    assert.equal(await bench.state(owner), "terminated 143 Error #0");
    assert.deepEqual((await bench.report(owner))?.failure, failure);
    await bench.during(bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet));
    await bench.pass(5000);
    assert.equal(await bench.state(owner), "gone");
    await bench.close();
  });
});
