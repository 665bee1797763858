import assert from "node:assert/strict";
import { test } from "node:test";
import { bad, ok, ProbesBench, probe, runOf } from "../testing/probe-bench.ts";
import { runProbe } from "./probe-action.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import type { ProbedRun } from "./probe-results.ts";

test("what counts before anything was asked", async () => {
  const table: readonly [ProbedRun, string][] = [
    [runOf({ startup: probe("s"), liveness: probe("l"), readiness: probe("r") }), "usf"],
    [runOf({ readiness: probe("r") }), "ssf"],
    [runOf({ liveness: probe("l") }), "sss"],
    [runOf({ startup: probe("s") }), "uss"],
  ];
  for (const [run, results] of table) {
    const bench = new ProbesBench();
    assert.equal(bench.results, "none");
    bench.run(run);
    assert.equal(bench.results, results);
    bench.probes.stop();
  }
});

test("readiness: after the delay, at its pace, told when it changes", async () => {
  const bench = new ProbesBench();
  bench.run(runOf({ readiness: probe("r", { initialDelaySeconds: 5, periodSeconds: 10, failureThreshold: 2 }) }));
  assert.deepEqual(await bench.pass(4), []);
  assert.deepEqual(await bench.pass(1), ["5 r", "5 changed sss"]);
  assert.deepEqual(await bench.pass(20), ["15 r", "25 r"]);
  bench.finds = () => bad;
  const event = "c Warning Unhealthy Readiness probe failed: bad";
  assert.deepEqual(await bench.pass(20), ["35 r", `35 ${event}`, "45 r", `45 ${event}`, "45 changed ssf"]);
  bench.finds = () => ({ type: "warning", output: "elsewhere" });
  const warning = "c Warning ProbeWarning Readiness probe warning: elsewhere";
  assert.deepEqual(await bench.pass(10), ["55 r", `55 ${warning}`, "55 changed sss"]);
  bench.probes.stop();
  assert.deepEqual(await bench.pass(100), []);
});

test("startup holds off the others; then readiness is asked at once, liveness at its pace", async () => {
  const bench = new ProbesBench();
  const outcomes = [bad, bad, ok];
  bench.finds = (command) => (command === "s" ? (outcomes.shift() ?? bad) : ok);
  const startup = probe("s", { periodSeconds: 3, failureThreshold: 30 });
  const liveness = probe("l", { periodSeconds: 4 });
  bench.run(runOf({ startup, liveness, readiness: probe("r", { periodSeconds: 60 }) }));
  const event = "c Warning Unhealthy Startup probe failed: bad";
  assert.deepEqual(await bench.pass(5), ["0 s", `0 ${event}`, "3 s", `3 ${event}`]);
  assert.deepEqual(await bench.pass(5), ["6 s", "6 changed ssf", "6 r", "6 changed sss", "8 l"]);
  assert.deepEqual(await bench.pass(10), ["12 l", "16 l", "20 l"]);
  bench.probes.stop();
});

test("a delay of its own holds readiness off beyond the startup", async () => {
  const bench = new ProbesBench();
  bench.run(runOf({ startup: probe("s"), readiness: probe("r", { initialDelaySeconds: 7 }) }));
  assert.deepEqual(await bench.pass(8), ["0 s", "0 changed ssf", "7 r", "7 changed sss"]);
  bench.probes.stop();
});

test("what has failed its startup or its liveness is asked no more, in this run", async () => {
  for (const type of ["startup", "liveness"] as const) {
    const bench = new ProbesBench();
    bench.finds = () => bad;
    const run = runOf({ [type]: probe("x", { periodSeconds: 1, failureThreshold: 2 }) });
    bench.run(run);
    const seen = (await bench.pass(10)).filter((line) => !line.includes("Unhealthy"));
    assert.deepEqual(seen, ["0 x", "1 x", `1 changed ${type === "startup" ? "fss" : "sfs"}`]);
    bench.run({ ...run, ref: { ...run.ref, attempt: 1 }, startedAt: 10_000 });
    assert.equal(bench.results, "none");
    const next = bench.probes.results({ ...run.ref, attempt: 1 });
    assert.deepEqual(next, {
      startup: type === "startup" ? "unknown" : "success",
      liveness: "success",
      readiness: "success",
    });
    assert.equal((await bench.pass(0))[0], "10 x");
    bench.probes.stop();
  }
});

test("a probe that could not be carried out changes nothing, and is tried three times each time", async () => {
  const bench = new ProbesBench();
  bench.finds = () => ({ type: "error", state: "unknown", message: "no shell" });
  bench.run(runOf({ liveness: probe("l", { failureThreshold: 1 }) }));
  const event = "c Warning Unhealthy Liveness probe errored and resulted in unknown state: no shell";
  assert.deepEqual(await bench.pass(10), [
    ...["0 l", "0 l", "0 l", `0 ${event}`],
    ...["10 l", "10 l", "10 l", `10 ${event}`],
  ]);
  assert.equal(bench.results, "sss");
  bench.finds = () => {
    throw new Error("broken");
  };
  assert.deepEqual(await bench.pass(10), [
    "20 l",
    "20 c Warning Unhealthy Liveness probe errored and resulted in unknown state: broken",
  ]);
  bench.probes.stop();
});

test("a pod in deletion is asked whether it is ready, and not whether it lives", async () => {
  const bench = new ProbesBench();
  const hanging = Promise.withResolvers<ProbeOutcome>();
  bench.finds = (command) => (command === "l" ? hanging.promise : ok);
  const run = runOf({ liveness: probe("l", { failureThreshold: 1 }), readiness: probe("r", { periodSeconds: 2 }) });
  bench.run(run);
  assert.deepEqual(await bench.pass(1), ["0 l", "0 r", "0 changed sss"]);
  bench.run({ ...run, types: ["readiness"] });
  hanging.resolve(bad);
  bench.finds = () => bad;
  const event = "c Warning Unhealthy Readiness probe failed: bad";
  assert.deepEqual(await bench.pass(5), [
    "2 r",
    `2 ${event}`,
    "4 r",
    `4 ${event}`,
    "6 r",
    `6 ${event}`,
    "6 changed ssf",
  ]);
  bench.probes.stop();
});

test("what failed its liveness lives as long as it is being stopped", async () => {
  const bench = new ProbesBench();
  bench.finds = () => bad;
  const run = runOf({ liveness: probe("l", { failureThreshold: 1 }), readiness: probe("r") });
  bench.run(run);
  await bench.pass(1);
  assert.equal(bench.results, "sff");
  bench.run({ ...run, types: ["readiness"] });
  assert.equal(bench.results, "ssf");
  bench.probes.stop();
});

test("after a restart of the program ready containers stay ready, and are asked over the length of a period", async () => {
  const bench = new ProbesBench({ random: () => 0.5 });
  await bench.pass(2);
  const probes = { startup: probe("s"), liveness: probe("l"), readiness: probe("r", { failureThreshold: 1 }) };
  const found = { startedAt: -100_000, known: { started: true, ready: true } };
  bench.run(runOf(probes, found));
  assert.equal(bench.results, "sss");
  bench.finds = () => bad;
  const seen = (await bench.pass(5)).filter((line) => !line.includes("Unhealthy"));
  assert.deepEqual(seen, ["7 l", "7 r", "7 changed ssf"]);
  bench.run();
  await bench.pass(20);
  // Later on, or for what has begun since, there is no burst to be spread.
  bench.run(runOf(probes, found));
  assert.equal((await bench.pass(0))[0], "27 l");
  bench.probes.stop();
  const fresh = new ProbesBench({ random: () => 0.5 });
  fresh.run(runOf(probes, { startedAt: 0 }));
  assert.equal((await fresh.pass(0))[0], "0 s");
  fresh.probes.stop();
});

test("commands of several probes go on side by side; after one that does not stop there are no more of them", async () => {
  const bench = new ProbesBench({ action: runProbe });
  const hangs = Promise.withResolvers<void>();
  const begun: string[] = [];
  const exec: ProbedRun["exec"] = async ([command = ""]) => {
    begun.push(command);
    if (command === "lives" && begun.length > 6) await hangs.promise;
    else await new Promise<void>((done) => void bench.clock.schedule(100, done));
    return { exitCode: 0 };
  };
  bench.run(runOf({ liveness: probe("lives"), readiness: probe("ready") }, { exec }));
  await bench.pass(25);
  assert.deepEqual(begun, ["lives", "ready", "lives", "ready", "lives", "ready"]);
  assert.equal(bench.results, "sss");
  await bench.pass(10);
  assert.equal(begun.length, 8);
  // Both are failures of a command that takes too long, for as long as the one that hangs is there.
  await bench.pass(10);
  assert.equal(begun.length, 8);
  hangs.resolve();
  await bench.pass(10);
  assert.equal(begun.length, 10);
  assert.equal(bench.results, "sss");
});
