import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { podStatus } from "../status/pod-status.ts";
import { EngineBench, podOf, quiet, requestOf } from "../testing/engine-bench.ts";
import { shutdownRules } from "./node-shutdown.ts";

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

describe("a node that shuts down", () => {
  it("ends its pods by priority, and takes no more", async () => {
    const bench = new EngineBench({ script: () => ({ termMs: 3000 }) });
    const user = await bench.create({}, "user");
    const system = await bench.create({ priority: 2_000_000_000 }, "system");
    const since = bench.clock.now();
    await bench.during(bench.engine.shutdown(shutdownRules(30, 10), quiet));
    const exits = bench.runtime.journal.filter(({ what }) => what === "exit");
    assert.deepEqual(
      exits.map(({ podUid, at }) => `${podUid} ${Math.round((at - since) / 1000)}`),
      ["uid-user 3", "uid-system 6"],
    );
    for (const { owner } of [user, system])
      assert.deepEqual((await bench.report(owner))?.failure, {
        reason: "Terminated",
        message: "Pod was terminated in response to imminent node shutdown.",
        disruption: "TerminationByKubelet",
      });
    await assert.rejects(bench.engine.createPod(requestOf(podOf({}, "late")), quiet), (error) => {
      const { kind, reason, message } = VirtualKubeletError.from(error);
      assert.deepEqual([kind, reason], ["Invalid", "NodeShutdown"]);
      return message === "Pod was rejected as the node is shutting down.";
    });
    await bench.close();
  });
});
