import assert from "node:assert/strict";
import { test } from "node:test";
import type { Probe } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { renderProbeMetrics } from "../server/probe-metrics.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { probedRun } from "../testing/probe-bench.ts";
import { ContainerProbes, type ContainerProbesOptions } from "./probe-manager.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import type { ProbedRun, ProbeType } from "./probe-results.ts";

const ok: ProbeOutcome = { type: "success" };
const bad: ProbeOutcome = { type: "failure", output: "bad" };

/** Probes in fake time from 0 on; each probe is known by its exec command. */
class Bench {
  readonly clock: FakeClock = new FakeClock(0);
  /** "second what", as it happened. */
  readonly log: string[] = [];
  /** What a probe finds; default success. */
  finds: (command: string, signal: AbortSignal) => ProbeOutcome | Promise<ProbeOutcome> = () => ok;
  readonly probes: ContainerProbes;

  constructor(options: Partial<ContainerProbesOptions> = {}) {
    this.probes = new ContainerProbes({
      listener: {
        changed: () => this.#note(`changed ${this.results}`),
        event: ({ ref }, type, reason, message) => this.#note(`${ref.name} ${type} ${reason} ${message}`),
      },
      log: silentLogger,
      kubernetesVersion: "v1.36.3",
      clock: this.clock,
      action: async ({ exec }, _target, { signal }) => {
        const command = exec?.command?.join(" ") ?? "";
        this.#note(command);
        return await this.finds(command, signal);
      },
      ...options,
    });
  }

  /** Of the first run of container c: startup, liveness, readiness by their first letters; "none" when it is not probed. */
  get results(): string {
    const found = this.probes.results({ podUid: "uid", name: "c", attempt: 0 });
    if (found === undefined) return "none";
    return [found.startup, found.liveness, found.readiness].map((result) => result.charAt(0)).join("");
  }

  run(...runs: readonly ProbedRun[]): void {
    this.probes.sync("uid", runs);
  }

  /** What has happened in so many seconds. */
  async pass(seconds: number): Promise<readonly string[]> {
    await this.clock.advance(seconds * 1000);
    return this.log.splice(0);
  }

  #note(what: string): void {
    this.log.push(`${this.clock.now() / 1000} ${what}`);
  }
}

const probe = (name: string, numbers: Partial<Probe> = {}): Probe => ({ exec: { command: [name] }, ...numbers });

function runOf(
  probes: { readonly startup?: Probe; readonly liveness?: Probe; readonly readiness?: Probe },
  change: Partial<ProbedRun> = {},
): ProbedRun {
  const container = {
    name: "c",
    ...(probes.startup && { startupProbe: probes.startup }),
    ...(probes.liveness && { livenessProbe: probes.liveness }),
    ...(probes.readiness && { readinessProbe: probes.readiness }),
  };
  return probedRun({ container, ...change });
}

test("what counts before anything was asked", async () => {
  const table: readonly [ProbedRun, string][] = [
    [runOf({ startup: probe("s"), liveness: probe("l"), readiness: probe("r") }), "usf"],
    [runOf({ readiness: probe("r") }), "ssf"],
    [runOf({ liveness: probe("l") }), "sss"],
    [runOf({ startup: probe("s") }), "uss"],
  ];
  for (const [run, results] of table) {
    const bench = new Bench();
    assert.equal(bench.results, "none");
    bench.run(run);
    assert.equal(bench.results, results);
    bench.probes.stop();
  }
});

test("readiness: after the delay, at its pace, told when it changes", async () => {
  const bench = new Bench();
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
  const bench = new Bench();
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
  const bench = new Bench();
  bench.run(runOf({ startup: probe("s"), readiness: probe("r", { initialDelaySeconds: 7 }) }));
  assert.deepEqual(await bench.pass(8), ["0 s", "0 changed ssf", "7 r", "7 changed sss"]);
  bench.probes.stop();
});

test("what has failed its startup or its liveness is asked no more, in this run", async () => {
  for (const type of ["startup", "liveness"] as const) {
    const bench = new Bench();
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
  const bench = new Bench();
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
  const bench = new Bench();
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
  const bench = new Bench();
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
  const bench = new Bench({ random: () => 0.5 });
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
  const fresh = new Bench({ random: () => 0.5 });
  fresh.run(runOf(probes, { startedAt: 0 }));
  assert.equal((await fresh.pass(0))[0], "0 s");
  fresh.probes.stop();
});

test("slow probes never overlap, and keep their pace", async () => {
  const bench = new Bench();
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
  const bench = new Bench({ concurrency: 3 });
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
  const bench = new Bench();
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

test("metrics by container and result, kept over restarts and dropped some time after the pod", async () => {
  const bench = new Bench();
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
  const bench = new Bench();
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
