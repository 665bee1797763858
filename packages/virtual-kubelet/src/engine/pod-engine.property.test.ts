import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { PodReport } from "../provider/pods.ts";
import { isTerminal, podStatus } from "../status/pod-status.ts";
import { quiet } from "../testing/engine-bench.ts";
import {
  EngineWorld,
  faults,
  graceSeconds,
  type Role,
  type Shape,
  type Step,
  shape,
  step,
} from "../testing/engine-world.ts";
import type { JournalEntry, MemoryRuntime } from "../testing/memory-runtime.ts";

/** What the core and the backend have seen of a pod. */
class Witness {
  readonly #restarts = new Map<string, number>();
  /** Length of the journal when its phase became terminal. */
  #ended: number | undefined;
  #seen = 0;

  /** Takes in what was pushed since, as the core does. */
  check(world: EngineWorld): void {
    for (; this.#seen < world.bench.updates.length; this.#seen++) {
      const update = world.bench.updates[this.#seen];
      if (update?.type === "report") this.#reported(update.report, world);
    }
    const { journal } = world.bench.runtime;
    checkJournal(journal, world);
    if (this.#ended !== undefined) {
      const late = journal.slice(this.#ended).filter(({ what }) => what === "start");
      assert.deepEqual(late, [], "nothing starts once the phase is terminal");
    }
  }

  #reported(report: PodReport, world: EngineWorld): void {
    for (const { name, restartCount = 0 } of report.containers) {
      assert.ok(restartCount >= (this.#restarts.get(name) ?? 0), `restart count of ${name} fell`);
      this.#restarts.set(name, restartCount);
    }
    const situation = { type: "reported" as const, report };
    const status = podStatus({ pod: world.api, situation, now: world.bench.clock.now(), nodeIPs: ["10.0.0.1"] });
    const before = world.api.status;
    if (isTerminal(before)) assert.equal(status.phase, before?.phase, "a terminal phase is never left");
    if (isTerminal(status) && !isTerminal(before)) {
      assert.deepEqual(
        report.containers.filter((one) => one.state.running),
        [],
        "terminal while something runs",
      );
      this.#ended ??= world.bench.runtime.journal.length;
      world.ended = true;
    }
    world.api = { ...world.api, status };
  }
}

interface Life {
  attempt: number;
  running: boolean;
  exitedAt: number;
  exitCode?: number | undefined;
  startedAt: number;
}

function checkJournal(journal: readonly JournalEntry[], world: EngineWorld): void {
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
      if (life !== undefined) lives.set(name, { ...life, running: false, exitedAt: at, exitCode: entry.exitCode });
      if (role === "init" && entry.exitCode === 0) doneInits.add(name);
    }
    if (role === "sidecar" && (what === "term" || what === "kill") && !world.images.has(name)) {
      const late = at >= Math.min(world.deadline ?? Number.POSITIVE_INFINITY, restartDeadline(lives, world));
      const mains = [...lives].filter(([other, life]) => roleOf(other) === "main" && life.running);
      if (!late) assert.deepEqual(mains, [], `${name} was stopped while main containers ran`);
    }
  }
}

/** When the grace ends of containers that are stopped because the end of one restarts all. */
function restartDeadline(lives: ReadonlyMap<string, Life>, world: EngineWorld): number {
  const asking = [...lives].filter(
    ([name, { running, exitCode }]) => !running && exitCode === 2 && world.restartsAll.has(name),
  );
  return Math.min(...asking.map(([, { exitedAt }]) => exitedAt + graceSeconds * 1000));
}

function roleOf(name: string): string {
  return name.replace(/\d/g, "");
}

function specOfWorld({ shape }: EngineWorld): {
  readonly containers: readonly { readonly role: Role; readonly name: string }[];
} {
  return { containers: shape.containers.map(({ role }, index) => ({ role, name: `${role}${index}` })) };
}

/** Longer than a postStart hook takes: until it is done, its container waits for nothing that has a name. */
const hooksTakeMs = 2000;

/** Once the runtime works and time has passed, whatever may run runs, has ended, or backs off. */
async function checkProgress(world: EngineWorld, witness: Witness): Promise<void> {
  const before = waitingForNothing(await world.current(), world);
  await world.bench.pass(hooksTakeMs);
  const after = waitingForNothing(await world.current(), world);
  witness.check(world);
  // What was lost of a pod that is over has nothing to wait for.
  if (world.ended) return;
  assert.deepEqual(
    after.filter((run) => before.includes(run)),
    [],
    "waits for nothing",
  );
}

/** A pod that was stopped and not deleted has ended, and is still there. */
async function checkKept(world: EngineWorld, witness: Witness): Promise<void> {
  witness.check(world);
  assert.ok(world.ended, "it was stopped, and its phase is terminal");
  const report = await world.current();
  // Nothing of it ever came to be on the backend, and the engine was killed.
  if (report === undefined) assert.deepEqual(world.bench.runtime.pods, []);
  else {
    assert.deepEqual(
      report.containers.filter(({ state }) => state.running !== undefined),
      [],
    );
  }
}

/** The runs, as "name/count", that may go on, and of which nothing says why they do not. */
function waitingForNothing(report: PodReport | undefined, world: EngineWorld): readonly string[] {
  assert.ok(report !== undefined, "the pod is still there");
  const found: string[] = [];
  const spec = world.request.pod.spec ?? { containers: [] };
  for (const { name, restartPolicy } of [...(spec.initContainers ?? []), ...spec.containers]) {
    const shown = report.containers.find((one) => one.name === name);
    const { state, started, restartCount = 0 } = shown ?? { state: {} };
    if (state.running === undefined && state.terminated === undefined && state.waiting?.reason === undefined)
      found.push(`${name}/${restartCount}`);
    const isInit = spec.initContainers?.some((one) => one.name === name) === true;
    const done = restartPolicy === "Always" ? started === true : state.terminated?.exitCode === 0;
    if (isInit && !done) return found;
  }
  return found;
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

const steady: Shape = {
  restartPolicy: "Always",
  containers: [{ role: "main", hooks: 0 }],
  scripts: [{ exitAfterMs: undefined, exitCode: 0, termMs: 0, termExitCode: 0 }],
};

/** Killed before anything of its pod was written down, and the runtime fails as the next engine is told of it. */
const untold: [Shape, readonly number[], Step[]] = [steady, [0, 0, 0, 116, 106, 0, 0, 0, 378], [{ type: "kill" }]];

/** Looked at while a postStart hook is under way. */
const inHook: [Shape, readonly number[], Step[]] = [
  {
    restartPolicy: "Always",
    containers: [
      { role: "init", hooks: 0 },
      { role: "main", hooks: 1 },
    ],
    scripts: [
      { exitAfterMs: 399_000, exitCode: 0 },
      { exitAfterMs: undefined, exitCode: 0 },
    ],
  },
  [],
  [],
];

/** All are restarted, and main containers outlive TERM: sidecars get theirs when the grace is over. */
const deafToTerm: [Shape, readonly number[], Step[]] = [
  {
    restartPolicy: "Always",
    containers: [
      { role: "sidecar", hooks: 0 },
      { role: "main", hooks: 4 },
      { role: "main", hooks: 0 },
      { role: "main", hooks: 0 },
    ],
    scripts: [{ termMs: Number.POSITIVE_INFINITY }],
  },
  [],
  [
    { type: "exit", container: 1, exitCode: 2 },
    { type: "pass", ms: 60_000 },
  ],
];

const stays = { exitAfterMs: undefined, exitCode: 0 };

/** A sidecar is lost as its pod ends, and the engine is killed: nobody knows of its run any more. */
const lostAtEnd: [Shape, readonly number[], Step[]] = [
  {
    restartPolicy: "Never",
    containers: [
      { role: "sidecar", hooks: 0 },
      { role: "sidecar", hooks: 0 },
      { role: "main", hooks: 0 },
    ],
    scripts: [stays, stays, stays, stays, stays, stays, stays, { ...stays, termMs: 500 }, stays, stays],
  },
  [],
  [{ type: "exit", container: 2, exitCode: 0 }, { type: "vanish", container: 0 }, { type: "kill" }],
];

describe("pods under an engine that is killed, over a runtime that fails", () => {
  it("are never doubled, never lost, and end for good", async () => {
    await fc.assert(
      fc.asyncProperty(shape, faults, fc.array(step, { maxLength: 14 }), async (form, noise, steps) => {
        const world = new EngineWorld(form, noise);
        const witness = new Witness();
        const { bench } = world;
        await bench.engine.createPod(world.request, quiet);
        await bench.pass(0);
        for (const one of steps) {
          await world.apply(one);
          witness.check(world);
        }
        world.calm = true;
        const rough = steps.some(({ type }) => type === "restartHost" || type === "vanish");
        if (!rough && world.restartsAll.size === 0) checkBackoff(bench.runtime, new Set(world.images.keys()));
        await bench.pass(400_000);
        if (world.deadline === undefined) await checkProgress(world, witness);
        if (world.stopped && !world.deleted) await checkKept(world, witness);
        await world.delete(5);
        await bench.pass(120_000);
        witness.check(world);
        assert.deepEqual(bench.runtime.pods, [], "a deleted pod is gone from the backend");
        assert.equal(await bench.report(world.request.owner), undefined, "and from the engine");
        await bench.during(bench.close());
      }),
      { numRuns: Number(process.env["FC_RUNS"] ?? 300), examples: [untold, inHook, deafToTerm, lostAtEnd] },
    );
  });
});
