// Figures of pods as an operator reads them: how many, and for how long the oldest have been on their way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PodBench } from "../testing/pod-bench.ts";
import { PodTally } from "./pod-tally.ts";

type Figure = "pods" | "podsOldest" | "podsRefused" | "podsLost" | "nodeAllocatable" | "nodeRequested";

/** Values of a metric of the bench, by its labels' values. */
async function read(bench: PodBench, name: Figure) {
  await bench.metrics.registry.metrics();
  const { values } = await bench.metrics[name].get();
  return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(" "), Math.floor(value)]));
}

test("a pod that stays pending is counted, with its age since it was bound, until it runs", async () => {
  await using bench = new PodBench();
  await bench.start();
  assert.deepEqual(await read(bench, "podsOldest"), { "n pending": 0, "n terminating": 0 });
  bench.provider().control.faults.addError({ method: "createPod", kind: "Unavailable" });
  bench.api.create("n", "old");
  await bench.clock.advance(100_000);
  bench.api.create("n", "young");
  await bench.clock.advance(20_000);
  assert.deepEqual(await read(bench, "pods"), { "n Pending": 2 });
  assert.deepEqual(await read(bench, "podsOldest"), { "n pending": 120, "n terminating": 0 });
  bench.provider().control.faults.clear();
  await bench.clock.advance(600_000);
  assert.deepEqual(await read(bench, "pods"), { "n Running": 2 });
  assert.deepEqual(await read(bench, "podsOldest"), { "n pending": 0, "n terminating": 0 });
});

test("a pod whose backend does not let go of it shows how far it is past its grace", async () => {
  await using bench = new PodBench();
  await bench.start();
  bench.api.create("n", "web", { spec: { terminationGracePeriodSeconds: 30 } });
  await bench.clock.advance(1000);
  bench.provider().control.faults.addError({ method: "deletePod", kind: "Unavailable" });
  bench.api.remove("web");
  await bench.clock.advance(20_000);
  assert.deepEqual(await read(bench, "podsOldest"), { "n pending": 0, "n terminating": 0 });
  await bench.clock.advance(100_000);
  assert.deepEqual(await read(bench, "podsOldest"), { "n pending": 0, "n terminating": 90 });
});

test("refusals are counted by reason, and so are pods that the backend lost", async () => {
  await using bench = new PodBench({ capabilities: { volumes: [] } });
  await bench.start();
  assert.deepEqual(await read(bench, "podsLost"), { n: 0 }, "the first one is seen by a rate");
  bench.api.create("n", "refused", { spec: { volumes: [{ name: "v", hostPath: { path: "/" } }] } });
  bench.api.create("n", "lost", {});
  await bench.clock.advance(1000);
  assert.deepEqual(await read(bench, "podsRefused"), { "n PodFeatureUnsupported": 1 });
  const { uid = "" } = bench.api.get("lost")?.metadata ?? {};
  await bench.provider().control.act({ action: "lose", uid });
  await bench.clock.advance(300_000);
  assert.equal(bench.phase("lost"), "Failed");
  assert.deepEqual(await read(bench, "podsLost"), { n: 1 });
});

test("reasons of refusals that providers make up do not become metrics without end", async () => {
  await using bench = new PodBench();
  await bench.start();
  const tally = new PodTally(bench.metrics, bench.clock);
  tally.refused("n", "no such image: registry.example/web:1");
  tally.refused("n", "OutOfexample.com/gpu");
  for (let index = 0; index < 100; index++) tally.refused("n", `Quota${index}`);
  tally.refused("n", "Quota3");
  const told = await read(bench, "podsRefused");
  assert.deepEqual([told["n OutOfexample.com/gpu"], told["n Quota3"]], [1, 2]);
  assert.equal(Object.keys(told).length, 33);
  assert.equal(told["n Other"], 1 + 100 - 31);
});

test("what a node has and what its pods request, in cores and pieces", async () => {
  await using bench = new PodBench();
  await bench.start();
  bench.api.create("n", "web", {
    spec: { containers: [{ name: "main", image: "i", resources: { requests: { cpu: "250m" } } }] },
  });
  await bench.clock.advance(1000);
  assert.deepEqual(await read(bench, "nodeAllocatable"), { "n cpu": 1000, "n memory": 1000 * 2 ** 30, "n pods": 100 });
  const requested = (await bench.metrics.nodeRequested.get()).values;
  assert.deepEqual(
    requested.map(({ labels, value }) => [labels["resource"], value]),
    [
      ["cpu", 0.25],
      ["memory", 0],
      ["pods", 1],
    ],
  );
});
