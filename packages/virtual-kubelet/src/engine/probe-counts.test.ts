import assert from "node:assert/strict";
import { test } from "node:test";
import { renderProbeMetrics } from "../server/probe-metrics.ts";
import { bad, ok, ProbesBench, probe, runOf } from "../testing/probe-bench.ts";
import type { ProbeType } from "./probe-results.ts";

test("metrics by container and result, kept over restarts and dropped some time after the pod", async () => {
  const bench = new ProbesBench();
  const outcomes = [ok, bad, ok, ok];
  bench.finds = () => outcomes.shift() ?? { type: "error", state: "unknown", message: "" };
  const run = runOf({ readiness: probe("r") });
  bench.run(run);
  await bench.pass(15);
  bench.run();
  await bench.pass(300);
  bench.run({ ...run, ref: { ...run.ref, attempt: 1 } });
  await bench.pass(25);
  const text = renderProbeMetrics(bench.probes.metrics());
  const labels = 'container="c",namespace="default",pod="p",pod_uid="uid",probe_type="Readiness"';
  for (const [result, count] of [
    ["successful", 3],
    ["failed", 1],
    ["unknown", 1],
  ])
    assert.ok(text.includes(`prober_probe_total{${labels},result="${result}"} ${count}\n`), text);
  assert.ok(text.includes(`prober_probe_duration_seconds_count{${labels}} 5\n`), text);
  assert.ok(text.includes(`prober_probe_duration_seconds_bucket{${labels},le="0.005"} 5\n`), text);
  bench.run();
  await bench.pass(599);
  assert.notDeepEqual(bench.probes.metrics().results, []);
  await bench.pass(1);
  assert.deepEqual(bench.probes.metrics(), { results: [], durations: [] });
});

test("durations fall into buckets", async () => {
  const bench = new ProbesBench();
  const lengths = [3, 200, 20_000];
  bench.finds = async () => {
    await new Promise<void>((resolve) => bench.clock.schedule(lengths.shift() ?? 0, resolve));
    return ok;
  };
  const types: readonly ProbeType[] = ["liveness"];
  bench.run(runOf({ liveness: probe("l", { periodSeconds: 100 }) }, { types }));
  await bench.pass(290);
  const [duration] = bench.probes.metrics().durations;
  assert.deepEqual(duration?.buckets, [
    ...[0.005, 0.01, 0.025, 0.05, 0.1].map((bound) => [bound, 1]),
    ...[0.25, 0.5, 1, 2.5, 5, 10].map((bound) => [bound, 2]),
  ]);
  assert.equal(duration?.count, 3);
  assert.ok(Math.abs((duration?.sumSeconds ?? 0) - 20.203) < 1e-9);
  bench.probes.stop();
});
