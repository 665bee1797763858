import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineBench, quiet } from "../testing/engine-bench.ts";

describe("a pod with one container", () => {
  it("runs, restarts with back-off, and is deleted", async () => {
    const bench = new EngineBench({ script: () => ({ exitAfterMs: 1000, exitCode: 1 }) });
    const { owner } = await bench.create();
    assert.equal(await bench.state(owner), "running #0");
    await bench.pass(1000);
    assert.equal(await bench.state(owner), "running #1");
    await bench.pass(1000);
    assert.equal(await bench.state(owner), "waiting CrashLoopBackOff #1");
    await bench.pass(9999);
    assert.equal(await bench.state(owner), "waiting CrashLoopBackOff #1");
    await bench.pass(1);
    assert.equal(await bench.state(owner), "running #2");
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner), "terminated 143 Error #2");
    await bench.pass(1000);
    assert.equal(await bench.state(owner), "gone");
    assert.deepEqual(bench.runtime.pods, []);
    assert.equal(bench.updates.at(-1)?.type, "gone");
    await bench.close();
  });
});

it("an engine's node declares what the engine does, and what its runtime is said to", async () => {
  const bench = new EngineBench({}, { capabilities: { declaredFeatures: ["Another"] } });
  const { declaredFeatures } = bench.engine.capabilities;
  assert.deepEqual(declaredFeatures, ["Another", "RestartAllContainersOnContainerExits"]);
  await bench.close();
});
