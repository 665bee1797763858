import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Container, Pod, PodSpec, PodStatus } from "../kube/types.gen.ts";
import type { PodReport, PodRequest } from "../provider.ts";
import { isTerminal, podStatus } from "../status/pod-status.ts";
import { EngineBench, quiet, requestOf } from "../testing/engine-bench.ts";
import type { JournalEntry, MemoryRuntime, RunScript } from "../testing/memory-runtime.ts";
import { ProbesByHand } from "../testing/probes-by-hand.ts";

// Random pods over a runtime that is slow, fails and loses answers, under an engine that is killed at any moment.

type Role = "init" | "sidecar" | "main";

interface Shape {
  readonly restartPolicy: string;
  /** `hooks`: 1 postStart, 2 preStop, 4 a main container whose exit code 2 restarts all. */
  readonly containers: readonly { readonly role: Role; readonly hooks: number }[];
  /** Of run n of container m: entry (m * 7 + n) of these. */
  readonly scripts: readonly RunScript[];
}

type Step =
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "kill" }
  | { readonly type: "delete"; readonly grace: number }
  | { readonly type: "exit"; readonly container: number; readonly exitCode: number }
  | { readonly type: "vanish"; readonly container: number }
  | { readonly type: "image"; readonly container: number }
  | { readonly type: "unhealthy"; readonly container: number }
  | { readonly type: "restartHost" };

const script: fc.Arbitrary<RunScript> = fc.record({
  exitAfterMs: fc.constantFrom(undefined, undefined, 0, 700, 5000, 40_000),
  exitCode: fc.constantFrom(0, 0, 1),
  termMs: fc.constantFrom(0, 0, 500, 3000, Number.POSITIVE_INFINITY),
  termExitCode: fc.constantFrom(0, 143),
});

const shape: fc.Arbitrary<Shape> = fc.record({
  restartPolicy: fc.constantFrom("Always", "OnFailure", "Never"),
  containers: fc
    .array(fc.record({ role: fc.constantFrom<Role[]>("init", "sidecar", "main"), hooks: fc.nat(7) }), { maxLength: 4 })
    .map((list) => [...list, { role: "main" as const, hooks: 0 }]),
  scripts: fc.array(script, { minLength: 1, maxLength: 12 }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.constantFrom(0, 1, 300, 2000, 11_000, 60_000) }),
  },
  { weight: 3, arbitrary: fc.constant({ type: "kill" as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), grace: fc.constantFrom(0, 1, 5, 30) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("exit" as const), container: fc.nat(4), exitCode: fc.constantFrom(0, 2) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("vanish" as const), container: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("image" as const), container: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unhealthy" as const), container: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constant({ type: "restartHost" as const }) },
);

/** Numbers below 1000: what happens around the calls of the runtime, one after another. */
const faults: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(999), { maxLength: 40 });

const restartAll = { action: "RestartAllContainers", exitCodes: { operator: "In", values: [2] } };

function specOf({ restartPolicy, containers }: Shape, images: ReadonlyMap<string, string>): PodSpec {
  const made = containers.map(({ role, hooks }, index): Container & { readonly role: Role } => ({
    role,
    name: `${role}${index}`,
    image: images.get(`${role}${index}`) ?? "img",
    ...(role === "sidecar" ? { restartPolicy: "Always" } : {}),
    ...(role === "main" ? { livenessProbe: {} } : {}),
    ...(role === "main" && hooks & 4 ? { restartPolicy, restartPolicyRules: [restartAll] } : {}),
    ...(hooks > 0 && role !== "init"
      ? { lifecycle: { ...(hooks & 1 ? { postStart: {} } : {}), ...(hooks & 2 ? { preStop: {} } : {}) } }
      : {}),
  }));
  const bare = (list: readonly (Container & { readonly role: Role })[]): readonly Container[] =>
    list.map(({ role: _role, ...container }) => container);
  return {
    restartPolicy,
    terminationGracePeriodSeconds: 10,
    initContainers: bare(made.filter(({ role }) => role !== "main")),
    containers: bare(made.filter(({ role }) => role === "main")),
  };
}

class World {
  readonly bench: EngineBench;
  readonly shape: Shape;
  readonly #faults: number[];
  #probes: ProbesByHand = new ProbesByHand();
  calm = false;
  request: PodRequest;
  api: Stored<Pod>;
  readonly images = new Map<string, string>();
  generation = 1;
  /** When and with what grace it was deleted. */
  deadline: number | undefined;
  forced = false;
  readonly restarts = new Map<string, number>();
  ended: number | undefined;
  seen = 0;

  constructor(shape: Shape, noise: readonly number[]) {
    this.shape = shape;
    this.#faults = [...noise];
    this.bench = new EngineBench(
      {
        script: ({ name, attempt }) => {
          const index = Number(name.replace(/\D/g, ""));
          return shape.scripts[(index * 7 + attempt) % shape.scripts.length] ?? {};
        },
        around: (call, work) => this.#around(call, work),
      },
      {
        runHook: (_handler, _target, context) => this.#hook(context.signal),
        probes: (listener) => {
          this.#probes = new ProbesByHand();
          return this.#probes.listenTo(listener);
        },
      },
    );
    this.api = this.#pod({ phase: "Pending" });
    this.request = requestOf(this.api);
  }

  #pod(status: PodStatus): Stored<Pod> {
    const metadata = { name: "p", namespace: "ns", uid: "uid-p", resourceVersion: "1", generation: this.generation };
    return { metadata, spec: specOf(this.shape, this.images), status };
  }

  async #around<T>(call: string, work: () => T): Promise<T> {
    const noise = this.calm ? 0 : (this.#faults.shift() ?? 0);
    const pause = async (ms: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.bench.clock.schedule(ms, resolve);
      await promise;
    };
    const kind = noise % 5;
    if (kind === 1 || kind === 2) await pause(noise);
    if (kind === 3) throw new VirtualKubeletError("Unavailable", `${call} failed`);
    const answer = work();
    if (kind === 2) await pause(noise);
    if (kind === 4) throw new VirtualKubeletError("Unavailable", `${call} lost its answer`);
    return answer;
  }

  async #hook(signal: AbortSignal): Promise<{ readonly type: "succeeded" }> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.bench.clock.schedule(1500, resolve);
    signal.addEventListener("abort", () => {
      cancel();
      resolve();
    });
    await promise;
    signal.throwIfAborted();
    return { type: "succeeded" };
  }

  async apply(one: Step): Promise<void> {
    const { bench, request } = this;
    const { owner } = request;
    const running = bench.runtime.running(owner.uid);
    switch (one.type) {
      case "pass":
        return bench.pass(one.ms);
      case "kill":
        return this.kill();
      case "delete":
        return this.delete(one.grace);
      case "exit": {
        const run = running[one.container % Math.max(1, running.length)];
        if (run !== undefined) bench.runtime.exit(run, one.exitCode);
        return bench.pass(0);
      }
      case "vanish": {
        const run = running[one.container % Math.max(1, running.length)];
        if (run !== undefined) bench.runtime.vanish(run);
        return bench.pass(0);
      }
      case "unhealthy": {
        const run = running[one.container % Math.max(1, running.length)];
        if (run !== undefined) this.#probes.say(`${run.name}/${run.attempt}`, { liveness: "failure" });
        return bench.pass(0);
      }
      case "restartHost":
        bench.runtime.restartHost();
        return bench.pass(0);
      case "image": {
        if (this.deadline !== undefined || this.ended !== undefined) return;
        const container = this.shape.containers[one.container % this.shape.containers.length];
        if (container === undefined) return;
        this.images.set(`${container.role}${one.container % this.shape.containers.length}`, `img${this.generation}`);
        this.generation += 1;
        this.api = this.#pod(this.api.status ?? {});
        this.request = requestOf(this.api);
        await bench.during(bench.engine.updatePod(this.request, quiet)).catch(gone);
        return bench.pass(0);
      }
    }
  }

  async kill(): Promise<void> {
    const { bench } = this;
    // What the program does in its first moments is tried until it works.
    for (;;) {
      try {
        await bench.during(bench.restart());
        break;
      } catch {
        await bench.pass(100);
      }
    }
    const report = await this.current();
    if (this.deadline !== undefined) {
      const grace = Math.max(this.forced ? 0 : 1, Math.ceil((this.deadline - bench.clock.now()) / 1000));
      await this.#tryDelete(grace);
    } else if (report === undefined) {
      // Never got onto the backend, as far as the core can know.
      if (this.bench.runtime.journal.length === 0) await bench.engine.createPod(this.request, quiet);
    } else if (report.revision !== this.request.revision)
      await bench.during(bench.engine.updatePod(this.request, quiet)).catch(gone);
    await bench.pass(0);
  }

  async current(): Promise<PodReport | undefined> {
    for (;;) {
      try {
        return await this.bench.during(this.bench.report(this.request.owner));
      } catch {
        await this.bench.pass(100);
      }
    }
  }

  async delete(grace: number): Promise<void> {
    const at = this.bench.clock.now() + grace * 1000;
    this.deadline = Math.min(this.deadline ?? at, at);
    if (grace === 0) this.forced = true;
    this.api = { ...this.api, metadata: { ...this.api.metadata, deletionTimestamp: new Date(at).toISOString() } };
    await this.#tryDelete(grace);
    await this.bench.pass(0);
  }

  async #tryDelete(grace: number): Promise<void> {
    for (let left = 50; left > 0; left--) {
      try {
        await this.bench.during(this.bench.engine.deletePod(this.request.owner, { gracePeriodSeconds: grace }, quiet));
        return;
      } catch (error) {
        if (VirtualKubeletError.from(error).kind === "NotFound") return;
        await this.bench.pass(100);
      }
    }
  }

  /** Takes in what was pushed since, as the core does. */
  check(): void {
    for (; this.seen < this.bench.updates.length; this.seen++) {
      const update = this.bench.updates[this.seen];
      if (update?.type === "report") this.#reported(update.report);
    }
    const { journal } = this.bench.runtime;
    checkJournal(journal, this);
    if (this.ended !== undefined) {
      const late = journal.slice(this.ended).filter(({ what }) => what === "start");
      assert.deepEqual(late, [], "nothing starts once the phase is terminal");
    }
  }

  #reported(report: PodReport): void {
    for (const { name, restartCount = 0 } of report.containers) {
      assert.ok(restartCount >= (this.restarts.get(name) ?? 0), `restart count of ${name} fell`);
      this.restarts.set(name, restartCount);
    }
    const situation = { type: "reported" as const, report };
    const status = podStatus({ pod: this.api, situation, now: this.bench.clock.now(), nodeIPs: ["10.0.0.1"] });
    const before = this.api.status;
    if (isTerminal(before)) assert.equal(status.phase, before?.phase, "a terminal phase is never left");
    if (isTerminal(status) && !isTerminal(before)) {
      assert.deepEqual(
        report.containers.filter((one) => one.state.running),
        [],
        "terminal while something runs",
      );
      this.ended ??= this.bench.runtime.journal.length;
    }
    this.api = { ...this.api, status };
  }
}

function gone(error: unknown): void {
  const { kind } = VirtualKubeletError.from(error);
  if (kind !== "NotFound" && kind !== "Unavailable") throw error;
}

interface Life {
  attempt: number;
  running: boolean;
  exitedAt: number;
  startedAt: number;
}

function checkJournal(journal: readonly JournalEntry[], world: World): void {
  const lives = new Map<string, Life>();
  const { containers } = specOfWorld(world);
  let doneInits = new Set<string>();
  let startedSidecars = new Set<string>();
  let mainsBegun = false;
  for (const entry of journal) {
    const { what, name, attempt, at } = entry;
    const role = roleOf(name);
    if (what === "sandbox") {
      doneInits = new Set();
      startedSidecars = new Set();
      mainsBegun = false;
    }
    if (what === "start") {
      const life = lives.get(name);
      assert.ok(life?.running !== true, `two runs of ${name} at once`);
      assert.ok(life === undefined || attempt > life.attempt, `run ${attempt} of ${name} began again`);
      lives.set(name, { attempt, running: true, exitedAt: 0, startedAt: at });
      if (role === "sidecar") startedSidecars.add(name);
      if (role === "main" && !mainsBegun) {
        mainsBegun = true;
        for (const other of containers) {
          if (other.role === "init")
            assert.ok(doneInits.has(other.name), `${name} began before ${other.name} was done`);
          if (other.role === "sidecar")
            assert.ok(startedSidecars.has(other.name), `${name} began before ${other.name} did`);
        }
      }
    }
    if (what === "exit") {
      const life = lives.get(name);
      if (life !== undefined) lives.set(name, { ...life, running: false, exitedAt: at });
      if (role === "init" && entry.exitCode === 0) doneInits.add(name);
    }
    if (role === "sidecar" && (what === "term" || what === "kill") && !world.images.has(name)) {
      const late = world.deadline !== undefined && at >= world.deadline;
      const mains = [...lives].filter(([other, life]) => roleOf(other) === "main" && life.running);
      if (!late) assert.deepEqual(mains, [], `${name} was stopped while main containers ran`);
    }
  }
}

function roleOf(name: string): string {
  return name.replace(/\d/g, "");
}

function specOfWorld({ shape }: World): {
  readonly containers: readonly { readonly role: Role; readonly name: string }[];
} {
  return { containers: shape.containers.map(({ role }, index) => ({ role, name: `${role}${index}` })) };
}

/** Of runs whose image never changed and whose host was never restarted: the pause before each restart is the kubelet's. */
function checkBackoff(runtime: MemoryRuntime, skip: ReadonlySet<string>): void {
  const ends = new Map<string, { readonly at: number; readonly began: number }>();
  const steps = new Map<string, number>();
  const begins = new Map<string, number>();
  for (const { what, name, at } of runtime.journal) {
    if (skip.has(name)) continue;
    if (what === "exit") ends.set(name, { at, began: begins.get(name) ?? at });
    if (what !== "start") continue;
    begins.set(name, at);
    const end = ends.get(name);
    if (end === undefined) continue;
    const step = steps.get(name) ?? 0;
    const waited = at - end.at;
    if (end.at - end.began <= 600_000) assert.ok(waited >= step, `${name} waited ${waited} ms, not ${step}`);
    steps.set(name, end.at - end.began > 600_000 ? 10_000 : Math.min(300_000, step === 0 ? 10_000 : step * 2));
  }
}

describe("pods under an engine that is killed, over a runtime that fails", () => {
  it("are never doubled, never lost, and end for good", async () => {
    await fc.assert(
      fc.asyncProperty(shape, faults, fc.array(step, { maxLength: 14 }), async (form, noise, steps) => {
        const world = new World(form, noise);
        const { bench } = world;
        await bench.engine.createPod(world.request, quiet);
        await bench.pass(0);
        for (const one of steps) {
          await world.apply(one);
          world.check();
        }
        world.calm = true;
        const rough = steps.some(({ type }) => type === "restartHost" || type === "vanish");
        const all = form.containers.some(({ role, hooks }) => role === "main" && (hooks & 4) > 0);
        if (!rough && !all) checkBackoff(bench.runtime, new Set(world.images.keys()));
        await bench.pass(30_000);
        await world.delete(5);
        await bench.pass(120_000);
        world.check();
        assert.deepEqual(bench.runtime.pods, [], "a deleted pod is gone from the backend");
        assert.equal(await bench.report(world.request.owner), undefined, "and from the engine");
        await bench.during(bench.close());
      }),
      { numRuns: Number(process.env["FC_RUNS"] ?? 150) },
    );
  });
});
