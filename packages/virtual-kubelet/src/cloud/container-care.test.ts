// Hooks, probes and new starts on a cloud that fails now and then, in a time that is moved by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProbeListener, ProbeManager, RunResults } from "../engine/probe-results.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Container, PodSpec } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryCloud, type MemoryCloudOptions } from "../testing/memory-cloud.ts";
import { withResolved } from "../testing/resolved-literally.ts";
import { CloudProvider } from "./cloud-provider.ts";

const owner = { cluster: "c", node: "n", namespace: "default", name: "a", uid: "uid-a" };

/** Probes whose results the test says. */
class ProbesByWord implements ProbeManager {
  /** Names of the containers that are probed now. */
  readonly probed = new Map<string, readonly string[]>();
  liveness: RunResults["liveness"] = "success";
  listener: ProbeListener | undefined;

  sync(podUid: string, runs: Parameters<ProbeManager["sync"]>[1]): void {
    if (runs.length === 0) this.probed.delete(podUid);
    else
      this.probed.set(
        podUid,
        runs.map(({ ref }) => ref.name),
      );
  }

  results(): RunResults {
    return { startup: "success", liveness: this.liveness, readiness: "success" };
  }

  metrics(): ReturnType<ProbeManager["metrics"]> {
    return { results: [], durations: [] };
  }

  stop(): void {}

  fail(): void {
    this.liveness = "failure";
    this.listener?.changed(owner.uid);
  }
}

class Bench implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly cloud: MemoryCloud;
  readonly probes: ProbesByWord = new ProbesByWord();
  readonly provider: CloudProvider;
  readonly updates: PodUpdate[] = [];
  readonly #stop: AbortController = new AbortController();

  constructor(options: MemoryCloudOptions = {}) {
    this.cloud = new MemoryCloud({ ...options, clock: this.clock });
    const probes = (listener: ProbeListener): ProbeManager => {
      this.probes.listener = listener;
      return this.probes;
    };
    const { clock, cloud: backend } = this;
    this.provider = new CloudProvider({ backend, node: "n", log: silentLogger, capabilities: {}, clock, probes });
    void this.#collect();
  }

  get context(): CallContext {
    return { signal: this.#stop.signal, log: silentLogger };
  }

  calls(method: string): number {
    return this.cloud.calls.get(method) ?? 0;
  }

  async created(container: Partial<Container>, spec: Partial<PodSpec> = {}): Promise<PodRequest> {
    const metadata = { name: "a", namespace: "default", uid: owner.uid, resourceVersion: "1" };
    const containers = [{ name: "web", image: "sleep", ...container }];
    const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName: "n", containers, ...spec } } as const;
    const request = withResolved({ owner, revision: "1", pod });
    await this.provider.createPod(request, this.context);
    await this.clock.advance(10_000);
    return request;
  }

  reasons(): readonly string[] {
    return this.updates.flatMap((update) => (update.type === "event" ? [update.reason] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.provider[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, "timers left");
  }

  async #collect(): Promise<void> {
    for await (const update of this.provider.watchPods(this.context)) this.updates.push(update);
  }
}

const livenessProbe = { exec: { command: ["check"] } };

test("a container that cannot be started anew now is tried again until it is", async () => {
  await using bench = new Bench();
  await bench.created({ livenessProbe });
  bench.cloud.faults.set("restartContainer", new VirtualKubeletError("Throttled", "slow down"));
  bench.probes.fail();
  await bench.clock.advance(120_000);
  assert.ok(bench.calls("restartContainer") >= 3, `${bench.calls("restartContainer")} tries`);
  assert.equal(bench.cloud.container(owner.uid, "web").restarts, 0);
  assert.ok(bench.reasons().includes("FailedKillPod"));
  bench.cloud.faults.clear();
  bench.probes.liveness = "success";
  await bench.clock.advance(300_000);
  assert.equal(bench.cloud.container(owner.uid, "web").restarts, 1, "once");
});

test("an update whose answer comes when the pod is gone leaves no probe behind", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const around = async <T>(method: string, work: () => T): Promise<T> => {
    const answer = work();
    if (method === "updateMetadata") await promise;
    return answer;
  };
  await using bench = new Bench({ around });
  const request = await bench.created({ livenessProbe });
  assert.deepEqual(bench.probes.probed.get(owner.uid), ["web"]);
  const update = bench.provider.updatePod({ ...request, revision: "2" }, bench.context);
  await bench.clock.advance(0);
  bench.cloud.lose(owner.uid);
  await bench.clock.advance(60_000);
  assert.ok(bench.updates.some(({ type }) => type === "gone"));
  resolve();
  await update;
  assert.equal(bench.probes.probed.size, 0);
});

for (const [what, grace, cut, expected] of [
  ["leaves its container a moment after TERM", 10, undefined, ["terminate web", "remove"]],
  ["leaves none when the grace is cut to nothing", 600, 0, ["remove"]],
  ["is not run without any grace", 0, undefined, ["remove"]],
] as const)
  test(`a preStop hook that takes all the time ${what}`, async () => {
    await using bench = new Bench({ heedsTerm: false });
    await bench.created({ lifecycle: { preStop: { sleep: { seconds: 3600 } } } });
    await bench.provider.deletePod(owner, { gracePeriodSeconds: grace }, bench.context);
    await bench.clock.advance(5_000);
    if (cut !== undefined) await bench.provider.deletePod(owner, { gracePeriodSeconds: cut }, bench.context);
    await bench.clock.advance(20_000);
    assert.deepEqual(bench.cloud.journal, expected);
    assert.equal(bench.reasons().includes("FailedPreStopHook"), grace > 0);
  });

test("what was created and not seen yet is told to end before it is removed", async () => {
  await using bench = new Bench();
  const metadata = { name: "a", namespace: "default", uid: owner.uid, resourceVersion: "1" };
  const spec = { nodeName: "n", containers: [{ name: "web", image: "sleep" }] };
  bench.cloud.faults.set("describe", new VirtualKubeletError("Unavailable", "down"));
  await bench.provider.createPod(
    withResolved({ owner, revision: "1", pod: { apiVersion: "v1", kind: "Pod", metadata, spec } }),
    bench.context,
  );
  await bench.provider.deletePod(owner, { gracePeriodSeconds: 30 }, bench.context);
  await bench.clock.advance(1_000);
  bench.cloud.faults.clear();
  await bench.clock.advance(10_000);
  assert.deepEqual(bench.cloud.journal, ["terminate web", "remove"]);
});

test("who gives up a listing takes it from nobody else", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isHeld = true;
  const around = async <T>(method: string, work: () => T): Promise<T> => {
    if (method === "list" && isHeld) await promise;
    return work();
  };
  await using bench = new Bench({ around });
  const impatient = new AbortController();
  const first = bench.provider.getPods({ signal: impatient.signal, log: silentLogger });
  const second = bench.provider.getPods(bench.context);
  const third = bench.provider.getPods(bench.context);
  impatient.abort();
  await assert.rejects(first, { kind: "Aborted" });
  isHeld = false;
  resolve();
  assert.deepEqual(await Promise.all([second, third]), [[], []]);
  assert.equal(bench.calls("list"), 2, "one for the two");
});
