// How probes share their time and their number: pace, room, ends, and clocks that jump.
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { ok, ProbesBench, probe, probedRun, runOf } from "../testing/probe-bench.ts";
import { ContainerProbes } from "./probe-manager.ts";
import type { ProbedRun } from "./probe-results.ts";

test("slow probes never overlap, and keep their pace", async () => {
  const bench = new ProbesBench();
  let active = 0;
  bench.finds = async () => {
    active += 1;
    assert.equal(active, 1);
    await new Promise<void>((resolve) => bench.clock.schedule(2500, resolve));
    active -= 1;
    return ok;
  };
  bench.run(runOf({ readiness: probe("r", { periodSeconds: 1, timeoutSeconds: 5 }) }));
  const seen = (await bench.pass(10)).filter((line) => line.endsWith(" r"));
  assert.deepEqual(seen, ["0 r", "2.5 r", "5 r", "7.5 r", "10 r"]);
  bench.probes.stop();
});

test("a clock that is set back holds nothing up", async () => {
  const clock = new FakeClock(1_000_000_000);
  let back = 0;
  const times: number[] = [];
  await using probes = new ContainerProbes({
    listener: { changed: () => {}, event: () => {} },
    ...{ log: silentLogger, kubernetesVersion: "v1.36.3" },
    clock: { now: () => clock.now() - back, schedule: (ms, callback) => clock.schedule(ms, callback) },
    action: async () => {
      times.push(clock.now() - 1_000_000_000);
      return ok;
    },
  });
  probes.sync("uid", [runOf({ readiness: probe("r"), liveness: probe("l") }, { startedAt: clock.now() })]);
  await clock.advance(25_000);
  back = 3_600_000;
  await clock.advance(30_000);
  const [first, ...later] = times.filter((_, index) => index % 2 === 0).slice(3);
  assert.ok(first !== undefined && first > 25_000 && first <= 40_000, `first ${first}`);
  assert.deepEqual(
    later,
    [first + 10_000, first + 20_000].filter((time) => time <= 55_000),
  );
});

test("so many at a time, in the order in which they were due", async () => {
  const bench = new ProbesBench({ concurrency: 3 });
  let active = 0;
  let most = 0;
  bench.finds = async () => {
    active += 1;
    most = Math.max(most, active);
    await new Promise<void>((resolve) => bench.clock.schedule(1000, resolve));
    active -= 1;
    return ok;
  };
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  bench.run(
    ...names.map((name, index) =>
      probedRun({ container: { name, readinessProbe: probe(name, { initialDelaySeconds: index === 6 ? 0 : 1 }) } }),
    ),
  );
  const seen = (await bench.pass(5)).filter((line) => !line.includes("changed"));
  assert.equal(seen[0], "0 g");
  assert.deepEqual(
    seen.map((line) => line.split(" ")[0]),
    ["0", "1", "1", "1", "2", "2", "2"],
  );
  assert.equal(new Set(seen.map((line) => line.split(" ")[1])).size, 7);
  assert.equal(most, 3);
  bench.probes.stop();
});

test("probes of runs that are gone are ended, and heard no more", async () => {
  const bench = new ProbesBench();
  const signals: AbortSignal[] = [];
  bench.finds = (_command, signal) => {
    signals.push(signal);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  bench.run(runOf({ liveness: probe("l"), readiness: probe("r") }));
  await bench.pass(0);
  bench.run();
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, true],
  );
  assert.equal(bench.results, "none");
  assert.deepEqual((await bench.pass(100)).slice(2), []);
  assert.equal(bench.clock.pending, 0);
  bench.run(runOf({ readiness: probe("r") }));
  await bench.pass(0);
  await bench.probes[Symbol.asyncDispose]();
  assert.equal(signals[2]?.aborted, true);
  assert.equal(bench.clock.pending, 0);
  bench.run(runOf({ readiness: probe("r") }));
  assert.equal(bench.results, "none");
});

test("saying the same again disturbs nothing; new addresses and commands are taken up", async () => {
  const addresses: unknown[] = [];
  const clock = new FakeClock(0);
  await using probes = new ContainerProbes({
    listener: { changed: () => {}, event: () => {} },
    ...{ log: silentLogger, kubernetesVersion: "v1.36.3", clock },
    action: async (_probe, { podIPs }, { userAgent }) => {
      addresses.push([clock.now(), userAgent, ...podIPs]);
      return ok;
    },
  });
  const run = runOf({ readiness: probe("r") });
  for (let second = 0; second <= 20; second += 5) {
    probes.sync("uid", [{ ...run, podIPs: [`10.0.0.${second}`] }]);
    await clock.advance(5000);
  }
  const agent = "kube-probe/1.36";
  assert.deepEqual(addresses, [
    [0, agent, "10.0.0.0"],
    [10_000, agent, "10.0.0.5"],
    [20_000, agent, "10.0.0.15"],
  ]);
  assert.equal(clock.pending, 1);
});

test("a command that does not stop is not started a second time", async () => {
  const clock = new FakeClock(0);
  const events: string[] = [];
  let begun = 0;
  let end = (): void => {};
  await using probes = new ContainerProbes({
    listener: { changed: () => {}, event: (_run, _type, _reason, message) => events.push(message) },
    ...{ log: silentLogger, kubernetesVersion: "v1.36.3", clock },
  });
  const exec: ProbedRun["exec"] = () => {
    begun += 1;
    return new Promise((resolve) => {
      end = () => resolve({ exitCode: 0 });
    });
  };
  const run = runOf({ readiness: probe("hang", { timeoutSeconds: 2 }) }, { exec });
  probes.sync("uid", [run]);
  await clock.advance(22_000);
  assert.equal(begun, 1);
  const text = 'Readiness probe failed: command timed out: "hang" timed out after 2s';
  assert.deepEqual(events, [text, text, text]);
  end();
  await clock.advance(8000);
  assert.equal(begun, 2);
});
