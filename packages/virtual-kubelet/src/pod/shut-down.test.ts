// A node that shuts down: its pods end by priority, their ends are told and kept, and no new ones are taken.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PodBench } from "../testing/pod-bench.ts";
import { shutdownRules } from "./node-shutdown.ts";

const second = 1000;
const minute = 60_000;
const system = { priority: 2_000_000_000 };

describe("a node that shuts down", () => {
  it("ends the pods by priority, each group with its time, and keeps what is left of them", async () => {
    await using bench = new PodBench({ behaviour: { terminateDelay: 3 * second } });
    const controller = await bench.start();
    bench.api.create("n", "web");
    bench.api.create("n", "dns", { spec: system });
    bench.api.create("n", "done", { spec: { restartPolicy: "Never" } });
    await bench.clock.advance(minute);
    bench.calls.length = 0;
    const ending = controller.shutdown(shutdownRules(30, 10));
    await bench.clock.advance(second);
    const stops = (): string[] => bench.calls.filter((call) => /^(stop|delete)Pod/.test(call));
    assert.deepEqual(stops(), ["stopPod web 20 Terminated", "stopPod done 20 Terminated"]);
    const disruption = bench.api.get("web")?.status?.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.deepEqual([disruption?.status, disruption?.reason], ["True", "TerminationByKubelet"]);
    assert.equal(bench.phase("web"), "Running");
    await bench.clock.advance(3 * second);
    assert.equal(stops()[2], "stopPod dns 10 Terminated", "the first group has ended before its time");
    await bench.clock.advance(4 * second);
    await ending;
    for (const name of ["web", "dns", "done"]) {
      const { phase, reason, message } = bench.api.get(name)?.status ?? {};
      const text = "Pod was terminated in response to imminent node shutdown.";
      assert.deepEqual([phase, reason, message], ["Failed", "Terminated", text]);
    }
    await bench.stop();
    await bench.start();
    await bench.clock.advance(10 * minute);
    assert.equal(bench.phase("web"), "Failed", "the next program leaves them as they are");
    assert.equal(bench.backend.size, 3);
    assert.deepEqual(stops().length, 3);
    assert.deepEqual(bench.api.sins, []);
  });

  it("goes on when the time of a group is over", async () => {
    await using bench = new PodBench({ behaviour: { terminateDelay: minute } });
    const controller = await bench.start();
    bench.api.create("n", "deaf", { spec: { terminationGracePeriodSeconds: 600 } });
    bench.api.create("n", "dns", { spec: system });
    await bench.clock.advance(minute);
    let over = false;
    const ending = controller.shutdown(shutdownRules(8, 3)).then(() => {
      over = true;
    });
    await bench.clock.advance(4 * second);
    assert.equal(bench.calls.filter((call) => call.startsWith("stopPod dns")).length, 0);
    await bench.clock.advance(6 * second);
    await ending;
    assert.ok(over);
    assert.equal(bench.phase("deaf"), "Failed", "killed at the end of its group's time");
    assert.equal(bench.phase("dns"), "Failed");
  });

  it("takes no new pods", async () => {
    await using bench = new PodBench();
    const controller = await bench.start();
    const ending = controller.shutdown(shutdownRules(30, 10));
    await bench.clock.advance(second);
    await ending;
    bench.api.create("n", "late");
    await bench.clock.advance(second);
    const { phase, reason, message } = bench.api.get("late")?.status ?? {};
    const text = "Pod was rejected: Pod was rejected as the node is shutting down.";
    assert.deepEqual([phase, reason, message], ["Failed", "NodeShutdown", text]);
    assert.ok(bench.events.includes("Warning NodeShutdown late"));
    assert.equal(bench.backend.size, 0);
  });

  it("ends a pod whose create hangs", async () => {
    await using bench = new PodBench();
    const controller = await bench.start();
    bench.provider().control.faults.addHang({ method: "createPod", next: 1 });
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    const ending = controller.shutdown(shutdownRules(30, 10));
    await bench.clock.advance(5 * second);
    await ending;
    assert.equal(bench.phase("web"), "Failed");
    assert.equal(bench.api.get("web")?.status?.reason, "Terminated");
    assert.equal(bench.backend.size, 0);
  });
});
