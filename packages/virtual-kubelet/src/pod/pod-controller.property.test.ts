// Anything may happen in any order: API events, ends of containers, losses, failures on both sides, restarts of the controller.
// Whatever it was, in the end every wanted pod runs, nothing unwanted does, and no rule was broken on the way.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pause } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { isTerminal } from "../status/pod-status.ts";
import { PodBench } from "../testing/pod-bench.ts";
import { everRan } from "./pod-entry.ts";

const second = 1000;
const minute = 60_000;
const names = ["a", "b", "c", "d"] as const;
const methods = ["createPod", "updatePod", "deletePod", "getPodStatus", "getPods", "watchPods"] as const;

const name = fc.constantFrom(...names);
const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const), name, restartPolicy: fc.constantFrom("Always", "Never") }),
  fc.record({ do: fc.constant("remove" as const), name, grace: fc.constantFrom(undefined, 0, 1, 30) }),
  fc.record({ do: fc.constant("label" as const), name, value: fc.constantFrom("x", "y") }),
  fc.record({ do: fc.constant("respec" as const), name }),
  fc.record({ do: fc.constant("finalizer" as const), name }),
  fc.record({ do: fc.constant("exit" as const), name, code: fc.constantFrom(0, 1) }),
  fc.record({ do: fc.constant("lose" as const), name }),
  fc.record({ do: fc.constant("evict" as const), name }),
  fc.record({
    do: fc.constant("fault" as const),
    method: fc.constantFrom(...methods),
    kind: fc.constantFrom("Unavailable", "Throttled", "Internal", "Aborted", "Conflict"),
    when: fc.constantFrom("before", "after"),
    next: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    do: fc.constant("hang" as const),
    method: fc.constantFrom(...methods),
    ignoreAbort: fc.boolean(),
  }),
  fc.record({ do: fc.constant("release" as const) }),
  fc.record({ do: fc.constant("cutPushes" as const) }),
  fc.record({ do: fc.constant("cutWatches" as const), compact: fc.boolean() }),
  fc.record({ do: fc.constant("apiDown" as const), down: fc.boolean() }),
  fc.record({ do: fc.constant("restart" as const) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 50, 1000, 12_000, 70_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

interface Weather {
  down: boolean;
  /** Pods that the API knew to have run when the backend lost them: UID, and how often each had been created until then. */
  readonly lostForGood: Map<string, number>;
}

async function take(bench: PodBench, what: Step, api: Weather): Promise<void> {
  const pod = "name" in what ? bench.api.get(what.name) : undefined;
  const uid = pod?.metadata.uid ?? "";
  const held = bench.backend.list("n").some(({ owner }) => owner.uid === uid);
  const { faults } = bench.provider().control;
  switch (what.do) {
    case "create":
      if (pod === undefined) bench.api.create("n", what.name, { spec: { restartPolicy: what.restartPolicy } });
      break;
    case "remove":
      if (pod !== undefined) bench.api.remove(what.name, what.grace);
      break;
    case "label":
      if (pod !== undefined)
        bench.api.edit(what.name, (old) => ({ ...old, metadata: { ...old.metadata, labels: { v: what.value } } }));
      break;
    case "respec":
      if (pod?.spec !== undefined) {
        const spec = { ...pod.spec, containers: [{ name: "main", image: "j" }] };
        bench.api.edit(what.name, (old) => ({ ...old, spec }));
      }
      break;
    case "finalizer":
      if (pod !== undefined) {
        const finalizers = (pod.metadata.finalizers ?? []).length > 0 ? [] : ["example.com/hold"];
        bench.api.edit(what.name, (old) => ({ ...old, metadata: { ...old.metadata, finalizers } }));
      }
      break;
    case "exit": {
      const report = bench.backend.list("n").find(({ owner }) => owner.uid === uid);
      if (report?.containers[0]?.state.running !== undefined) bench.backend.exitContainer(uid, "main", what.code);
      break;
    }
    case "lose":
      if (held && pod !== undefined) {
        if (everRan(pod)) api.lostForGood.set(uid, bench.creates.get(uid)?.length ?? 0);
        bench.backend.lose(uid);
      }
      break;
    case "evict":
      if (held) bench.backend.evictPod(uid, 5);
      break;
    case "fault":
      faults.addError({
        method: what.method,
        kind: what.kind,
        when: what.when === "after" ? "after" : "before",
        next: what.next,
      });
      break;
    case "hang":
      // Two creates that come to life after their controllers are beyond what anybody could prevent.
      faults.addHang({ method: what.method, next: 1, ignoreAbort: what.ignoreAbort && what.method !== "createPod" });
      break;
    case "release":
      faults.releaseHangs();
      break;
    case "cutPushes":
      faults.cutWatches();
      break;
    case "cutWatches":
      bench.api.cutWatches(what.compact);
      break;
    case "apiDown":
      api.down = what.down;
      if (what.down) bench.api.cutWatches();
      break;
    case "restart":
      await bench.stop();
      await bench.start(0);
      break;
    case "wait":
      await bench.clock.advance(what.ms);
      break;
  }
  await bench.clock.advance(20);
}

/** Of 0 to below 1, the same each time for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function check(steps: readonly Step[], polling: boolean, delayMs: number, seed: number): Promise<void> {
  const random = randomOf(seed);
  const behaviour = { terminateDelay: 2 * second, startDelay: 300 };
  const controller = { workers: random() < 0.5 ? 1 : 10 };
  await using bench = new PodBench({ polling, random, behaviour, controller, consistencyDelayMs: delayMs });
  const api: Weather = { down: false, lostForGood: new Map() };
  const unavailable = (): VirtualKubeletError => new VirtualKubeletError("Unavailable", "down", { httpStatus: 500 });
  const never = new AbortController().signal;
  // Answers take their time, and some get lost.
  bench.api.before = async () => {
    await pause(bench.clock, random() * 40, never);
    if (api.down) throw unavailable();
  };
  bench.api.after = async () => {
    await pause(bench.clock, random() * 40, never);
    if (api.down || random() < 0.05) throw unavailable();
  };
  bench.api.watchFault = () => (api.down ? unavailable() : undefined);
  await bench.start(0);
  for (const what of steps) await take(bench, what, api);

  api.down = false;
  bench.provider().control.faults.clear();
  for (const pod of bench.api.all())
    if ((pod.metadata.finalizers ?? []).length > 0)
      bench.api.edit(pod.metadata.name, (old) => ({ ...old, metadata: { ...old.metadata, finalizers: [] } }));
  await bench.clock.advance(20 * minute);

  assert.deepEqual(bench.api.sins, []);
  for (const [uid, times] of api.lostForGood)
    assert.equal(bench.creates.get(uid)?.length, times, `${uid} was made again after its loss`);
  for (const [uid, outcomes] of bench.creates)
    assert.ok(!outcomes.includes("startedTwice"), `${uid} was started twice: ${outcomes.join(", ")}`);
  const runs = new Map(bench.backend.list("n").map((report) => [report.owner.uid, report]));
  for (const { metadata, status } of bench.api.all()) {
    assert.equal(metadata.deletionTimestamp, undefined, `${metadata.name} is still being deleted`);
    const state = runs.get(metadata.uid)?.containers[0]?.state;
    if (isTerminal(status)) assert.equal(state?.running, undefined, `${metadata.name} is ${status?.phase} and runs`);
    else {
      assert.equal(status?.phase, "Running", metadata.name);
      assert.ok(state !== undefined, `${metadata.name} is not on the backend`);
    }
    runs.delete(metadata.uid);
  }
  assert.deepEqual([...runs.keys()], [], "left on the backend");
}

test("in the end every wanted pod runs, and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 40, size: "max" }),
      fc.boolean(),
      fc.constantFrom(0, 5000),
      fc.nat(),
      check,
    ),
    { numRuns: Number(process.env["VIRTUAL_KUBELET_PROPERTY_RUNS"] ?? 40), endOnFailure: false },
  );
});
