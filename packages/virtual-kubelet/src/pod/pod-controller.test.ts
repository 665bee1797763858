// The pod controller between an API in memory and a simulated backend, in fake time: what a user sees, and what each side is told.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { PodBench } from "../testing/pod-bench.ts";

const second = 1000;
const minute = 60_000;

describe("a pod's life", () => {
  it("takes three writes: Running, the terminal phase, DELETE", async () => {
    await using bench = new PodBench({ behaviour: { startDelay: 300, terminateDelay: 500 } });
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(5 * minute);
    assert.equal(bench.phase("web"), "Running");
    bench.api.remove("web");
    await bench.clock.advance(5 * minute);
    assert.equal(bench.api.get("web"), undefined);
    assert.deepEqual(bench.api.writes(), ["patch web Running", "patch web Succeeded", "delete web"]);
    assert.deepEqual(bench.api.sins, []);
    assert.equal(bench.backend.size, 0);
  });
});
