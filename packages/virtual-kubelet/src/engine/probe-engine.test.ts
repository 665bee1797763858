// Probes and hooks together with the engine that acts on them: readiness in reports, restarts, graces, adoption.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../clock.ts";
import type { Container, PodSpec, Probe } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { PodOwner } from "../provider/pods.ts";
import { EngineBench, quiet } from "../testing/engine-bench.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { hookRunner } from "./hook-run.ts";
import { ContainerProbes } from "./probe-manager.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";

const ok: ProbeOutcome = { type: "success" };
const bad: ProbeOutcome = { type: "failure", output: "bad" };

/** Probes are known by the first word of their commands, and succeed unless it is said otherwise. */
function benchOf(): { readonly bench: EngineBench; readonly finds: Map<string, ProbeOutcome> } {
  const finds = new Map<string, ProbeOutcome>();
  const begin = new FakeClock().now();
  // The engine of the bench begins before there is a bench to ask.
  const clock: Clock = {
    now: () => parts?.bench.clock.now() ?? begin,
    schedule: (ms, callback) => parts?.bench.clock.schedule(ms, callback) ?? (() => {}),
  };
  let parts: { readonly bench: EngineBench } | undefined;
  const bench = new EngineBench(
    {},
    {
      probes: (listener) =>
        new ContainerProbes({
          ...{ listener, clock, log: silentLogger, kubernetesVersion: "v1.36.3", random: () => 0.5 },
          action: async ({ exec }) => finds.get(exec?.command?.[0] ?? "") ?? ok,
        }),
      runHook: hookRunner({ kubernetesVersion: "v1.36.3", clock }),
    },
  );
  parts = { bench };
  return { bench, finds };
}

const probe = (name: string, numbers: Partial<Probe> = {}): Probe => ({ exec: { command: [name] }, ...numbers });
const podWith = (container: Partial<Container>): Partial<PodSpec> => ({
  terminationGracePeriodSeconds: 30,
  containers: [{ name: "c", image: "img", ...container }],
});

async function readiness(bench: EngineBench, owner: PodOwner): Promise<string> {
  const { ready, started } = (await bench.container(owner)) ?? {};
  return `${started === true ? "started" : "not started"}, ${ready === true ? "ready" : "not ready"}`;
}

test("startup, then readiness, are seen in reports", async () => {
  const { bench, finds } = benchOf();
  finds.set("s", bad);
  const startupProbe = probe("s", { periodSeconds: 2, failureThreshold: 30 });
  const { owner } = await bench.create(podWith({ startupProbe, readinessProbe: probe("r") }));
  await bench.pass(3000);
  assert.equal(await readiness(bench, owner), "not started, not ready");
  finds.set("s", ok).set("r", bad);
  await bench.pass(1000);
  assert.equal(await readiness(bench, owner), "started, not ready");
  finds.set("r", ok);
  await bench.pass(10_000);
  assert.equal(await readiness(bench, owner), "started, ready");
  assert.deepEqual(
    bench.events.filter((event) => event.includes("Unhealthy")),
    [
      ...["c Unhealthy: Startup probe failed: bad", "c Unhealthy: Startup probe failed: bad"],
      "c Unhealthy: Readiness probe failed: bad",
    ],
  );
  await bench.close();
});

test("a failed liveness or startup restarts the container, with the grace of its probe", async () => {
  for (const type of ["liveness", "startup"] as const) {
    const { bench, finds } = benchOf();
    const numbers = { periodSeconds: 1, failureThreshold: 2, terminationGracePeriodSeconds: 7 };
    finds.set("x", bad);
    const { owner } = await bench.create(podWith({ [`${type}Probe`]: probe("x", numbers) }));
    assert.equal(await bench.state(owner), "running #0");
    await bench.pass(1000);
    assert.equal(await bench.state(owner), "running #1");
    assert.ok(bench.events.includes(`c Killing: Container c failed ${type} probe, will be restarted`));
    const graces = bench.runtime.journal.flatMap(({ what, graceSeconds }) => (what === "term" ? [graceSeconds] : []));
    assert.deepEqual(graces, [7]);
    await bench.close();
  }
});

test("a ready container stays ready over a restart of the program, until its probe says otherwise", async () => {
  const { bench, finds } = benchOf();
  const request = await bench.create(podWith({ startupProbe: probe("s"), readinessProbe: probe("r") }));
  const { owner } = request;
  await bench.pass(20_000);
  assert.equal(await readiness(bench, owner), "started, ready");
  const before = bench.updates.length;
  finds.set("r", bad).set("s", bad);
  await bench.restart(request);
  await bench.pass(4000);
  assert.equal(await readiness(bench, owner), "started, ready");
  for (const update of bench.updates.slice(before))
    if (update.type === "report") assert.equal(update.report.containers[0]?.ready, true);
  await bench.pass(60_000);
  assert.equal(await readiness(bench, owner), "started, not ready");
  assert.equal(await bench.state(owner), "running #0");
  await bench.close();
});

test("hooks that fail: fixed words, and a restart after postStart alone", async () => {
  const { bench } = benchOf();
  const lifecycle = { postStart: { tcpSocket: { port: 1 } }, preStop: { tcpSocket: { port: 1 } } };
  const { owner } = await bench.create(podWith({ lifecycle }));
  assert.ok(bench.events.includes("c FailedPostStartHook: PostStartHook failed"), bench.events.join("\n"));
  const spared = await bench.create(podWith({ lifecycle: { preStop: lifecycle.preStop } }), "q");
  await bench.engine.deletePod(spared.owner, { gracePeriodSeconds: 30 }, quiet);
  await bench.pass(5000);
  assert.ok(bench.events.includes("c FailedPreStopHook: PreStopHook failed"), bench.events.join("\n"));
  assert.equal(await bench.state(spared.owner), "gone");
  assert.notEqual(await bench.state(owner), "gone");
  await bench.close();
});

test("a preStop that sleeps goes before the signal, within the grace", async () => {
  const { bench } = benchOf();
  const { owner } = await bench.create(podWith({ lifecycle: { preStop: { sleep: { seconds: 5 } } } }));
  await bench.engine.deletePod(owner, { gracePeriodSeconds: 10 }, quiet);
  await bench.pass(4900);
  assert.equal(await bench.state(owner), "running #0");
  await bench.pass(200);
  assert.notEqual(await bench.state(owner), "running #0");
  await bench.close();
});
