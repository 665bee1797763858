import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import { type LogFields, type Logger, silentLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { WorkQueue, type WorkQueueOptions, type WorkQueueRunOptions } from "./work-queue.ts";

type Outcome = { readonly requeueAfterMs?: number } | undefined;

/** A queue whose work ends when the test says so. */
function bench(
  options: Partial<WorkQueueOptions> & { readonly run?: WorkQueueRunOptions; readonly start?: boolean } = {},
) {
  const clock = new FakeClock();
  const begin = clock.now();
  const started: { readonly key: string; readonly at: number }[] = [];
  const open = new Map<
    string,
    { readonly end: (outcome?: Outcome) => void; readonly fail: (error: unknown) => void }
  >();
  const signals: AbortSignal[] = [];
  const queue = new WorkQueue({
    name: "test",
    workers: 1,
    clock,
    random: () => 0,
    process(key, signal) {
      assert.ok(!open.has(key), `two workers on ${key}`);
      started.push({ key, at: clock.now() - begin });
      signals.push(signal);
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      open.set(key, { end: resolve, fail: reject });
      return promise.finally(() => open.delete(key));
    },
    ...options,
  });
  const controller = new AbortController();
  const ended = options.start === false ? undefined : queue.run(controller.signal, options.run);
  const one = (key: string) => {
    const work = open.get(key);
    assert.ok(work !== undefined, `${key} is not worked on; ${[...open.keys()].join()} are`);
    return work;
  };
  return {
    clock,
    queue,
    started,
    signals,
    controller,
    ended,
    keys: () => started.map(({ key }) => key).join(" "),
    async end(key: string, outcome?: Outcome) {
      one(key).end(outcome);
      await settle();
    },
    async fail(key: string, error: unknown = new VirtualKubeletError("Unavailable", "backend is away")) {
      one(key).fail(error);
      await settle();
    },
  };
}

test("keys are worked on once each, in order, and only after run", async () => {
  const b = bench({ start: false });
  for (const key of ["a", "b", "a", "c", "b"]) b.queue.add(key);
  assert.deepEqual(b.queue.depth, { waiting: 3, delayed: 0, active: 0 });
  await settle();
  assert.equal(b.keys(), "");
  void b.queue.run(b.controller.signal);
  await settle();
  for (const key of ["a", "b", "c"]) await b.end(key);
  assert.equal(b.keys(), "a b c");
  assert.deepEqual(b.queue.depth, { waiting: 0, delayed: 0, active: 0 });
});

test("a key added while worked on runs again right after, once", async () => {
  const b = bench({ workers: 4 });
  b.queue.add("a");
  await settle();
  b.queue.add("a");
  b.queue.add("a");
  await settle();
  assert.equal(b.keys(), "a");
  await b.end("a");
  assert.equal(b.keys(), "a a");
  await b.end("a");
  assert.equal(b.keys(), "a a");
});

test("as many keys at a time as there are workers", async () => {
  const b = bench({ workers: 2 });
  for (const key of ["a", "b", "c"]) b.queue.add(key);
  await settle();
  assert.equal(b.keys(), "a b");
  await b.end("b");
  assert.equal(b.keys(), "a b c");
});

test("delayed keys: the earlier due time stays, adding moves up, forgetting drops", async () => {
  const b = bench({ workers: 9 });
  b.queue.addAfter("earlier", 100);
  b.queue.addAfter("earlier", 50);
  b.queue.addAfter("earlier", 70);
  b.queue.addAfter("up", 1000);
  b.queue.addAfter("dropped", 10);
  assert.equal(b.queue.nextDue("earlier"), b.clock.now() + 50);
  b.queue.add("up");
  b.queue.forget("dropped");
  await b.clock.advance(2000);
  assert.deepEqual(b.started, [
    { key: "up", at: 0 },
    { key: "earlier", at: 50 },
  ]);
  assert.equal(b.queue.nextDue("dropped"), undefined);
  assert.equal(b.clock.pending, 0);
});

test("requeueAfterMs and addAfter while worked on: the earliest wins, neither is a retry", async () => {
  const b = bench();
  b.queue.add("a");
  await settle();
  b.queue.addAfter("a", 500);
  b.queue.addAfter("a", 300);
  await b.end("a", { requeueAfterMs: 400 });
  await b.clock.advance(1000);
  await b.end("a", { requeueAfterMs: 20 });
  await b.clock.advance(1000);
  assert.deepEqual(b.started, [
    { key: "a", at: 0 },
    { key: "a", at: 300 },
    { key: "a", at: 1020 },
  ]);
  assert.equal(b.queue.retries("a"), 0);
});

const backoffs: readonly { readonly name: string; readonly random: number; readonly waits: readonly number[] }[] = [
  { name: "full", random: 0, waits: [500, 1000, 2000, 4000, 8000] },
  { name: "least", random: 1, waits: [250, 500, 1000, 2000, 4000] },
];
for (const { name, random, waits } of backoffs) {
  test(`back-off doubles from its base (${name})`, async () => {
    const b = bench({ random: () => random });
    b.queue.add("a");
    await settle();
    for (const [index, wait] of waits.entries()) {
      await b.fail("a");
      assert.equal(b.queue.retries("a"), index + 1);
      assert.equal((b.queue.nextDue("a") ?? 0) - b.clock.now(), wait);
      await b.clock.advance(wait);
    }
    await b.end("a");
    assert.equal(b.queue.retries("a"), 0);
  });
}

test("back-off is capped and never ends", async () => {
  const b = bench({ backoff: { baseMs: 10, maxMs: 1000 } });
  b.queue.add("a");
  await settle();
  for (let failure = 0; failure < 2000; failure++) {
    await b.fail("a");
    assert.ok((b.queue.nextDue("a") ?? Number.NaN) - b.clock.now() <= 1000);
    await b.clock.advance(1000);
  }
  assert.equal(b.started.length, 2001);
});

test("retryAfterMs is a floor of the back-off, also above its cap", async () => {
  const b = bench({ backoff: { baseMs: 500, maxMs: 1000 } });
  b.queue.add("a");
  await settle();
  await b.fail("a", new VirtualKubeletError("Throttled", "slow down", { retryAfterMs: 7000 }));
  assert.equal((b.queue.nextDue("a") ?? 0) - b.clock.now(), 7000);
  await b.clock.advance(7000);
  await b.fail("a", new VirtualKubeletError("Throttled", "slow down", { retryAfterMs: 1 }));
  assert.equal((b.queue.nextDue("a") ?? 0) - b.clock.now(), 1000);
});

test("a new event bypasses the back-off and keeps the count", async () => {
  const b = bench();
  b.queue.add("a");
  await settle();
  await b.fail("a");
  b.queue.addAfter("a", 60_000);
  assert.equal((b.queue.nextDue("a") ?? 0) - b.clock.now(), 500);
  b.queue.add("a");
  await settle();
  assert.equal(b.keys(), "a a");
  await b.fail("a");
  assert.equal((b.queue.nextDue("a") ?? 0) - b.clock.now(), 1000);
  b.queue.forget("a");
  assert.equal(b.queue.retries("a"), 0);
  assert.deepEqual(b.queue.depth, { waiting: 0, delayed: 0, active: 0 });
});

test("fresh keys go before retries, and retries get every tenth turn", async () => {
  const order: string[] = [];
  const failing = new Set(["r0", "r1", "r2"]);
  const clock = new FakeClock();
  const queue = new WorkQueue({
    name: "test",
    workers: 1,
    clock,
    random: () => 0,
    async process(key) {
      order.push(key);
      if (failing.delete(key)) throw new VirtualKubeletError("Unavailable", "away");
    },
  });
  const first = new AbortController();
  for (const key of failing) queue.add(key);
  const run = queue.run(first.signal);
  await settle();
  first.abort();
  await run;
  await clock.advance(1000);
  order.length = 0;
  for (let index = 0; index < 40; index++) queue.add(`f${index}`);
  void queue.run(new AbortController().signal);
  await queue.idle();
  const turns = ["r0", "r1", "r2"].map((key) => order.indexOf(key));
  turns.sort((a, b) => a - b);
  assert.deepEqual(turns, [9, 19, 29]);
  assert.equal(order.length, 43);
});

test("a failure is one line with key and cause, and counted", async () => {
  const lines: { readonly fields: LogFields; readonly message: string }[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (fields, message) => lines.push({ fields, message }),
    child: () => log,
  };
  const metrics = createMetrics();
  const b = bench({ log, metrics });
  b.queue.add("default/web-0");
  await settle();
  await b.fail("default/web-0", new VirtualKubeletError("Quota", "no room", { cause: new Error("4 of 4 cores used") }));
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.fields["key"], "default/web-0");
  assert.equal(lines[0]?.fields["err"], "no room: 4 of 4 cores used");
  b.queue.add("x");
  b.queue.add("y");
  await settle();
  const text = await metrics.registry.metrics();
  assert.match(text, /virtual_kubelet_queue_retries_total\{queue="test"\} 1\n/);
  assert.match(text, /virtual_kubelet_queue_depth\{queue="test",state="waiting"\} 1\n/);
  assert.match(text, /virtual_kubelet_queue_depth\{queue="test",state="delayed"\} 1\n/);
  assert.match(text, /virtual_kubelet_queue_depth\{queue="test",state="active"\} 1\n/);
  assert.match(text, /virtual_kubelet_queue_work_seconds_count\{queue="test"\} 1\n/);
  assert.match(text, /virtual_kubelet_queue_wait_seconds_count\{queue="test"\} 2\n/);
});

test("the age of the oldest key tells of a queue that is stuck", async () => {
  const metrics = createMetrics();
  const b = bench({ metrics });
  const ages = async (): Promise<readonly number[]> => {
    await metrics.registry.metrics();
    return (await metrics.queueOldest.get()).values.map(({ value }) => value);
  };
  b.queue.add("a");
  await settle();
  assert.deepEqual(await ages(), [0, 0]);
  await b.clock.advance(5000);
  b.queue.add("b");
  b.queue.addAfter("later", 60_000);
  await b.clock.advance(2000);
  b.queue.add("c");
  assert.deepEqual(await ages(), [2, 7], "waiting, active");
});

test("idle waits for what is due, not for what is delayed, and ends with its signal", async () => {
  const b = bench();
  await b.queue.idle();
  b.queue.addAfter("later", 1000);
  await b.queue.idle();
  b.queue.add("a");
  let idle = false;
  const waiting = b.queue.idle().then(() => {
    idle = true;
  });
  await settle();
  assert.equal(idle, false);
  const signal = new AbortController();
  const given = b.queue.idle(signal.signal);
  signal.abort();
  await given;
  await b.end("a");
  await waiting;
});

test("stopping: no new key, work under way ends, its signal aborts after the drain time", async () => {
  const b = bench({ workers: 1, run: { drainMs: 5000 } });
  b.queue.add("a");
  b.queue.add("b");
  b.queue.addAfter("c", 100);
  await settle();
  b.controller.abort();
  b.queue.add("d");
  await b.clock.advance(4999);
  assert.equal(b.signals[0]?.aborted, false);
  await b.clock.advance(1);
  assert.equal(b.signals[0]?.aborted, true);
  await b.fail("a", b.signals[0]?.reason);
  await b.ended;
  assert.equal(b.keys(), "a");
  assert.equal(b.queue.retries("a"), 0, "an abort is no failure");
  assert.equal(b.clock.pending, 0);

  const again = b.queue.run(new AbortController().signal);
  await b.clock.advance(1000);
  for (const key of ["c", "b", "d", "a"]) if (b.started.at(-1)?.key === key) await b.end(key);
  void again;
  await b.clock.advance(1000);
  assert.ok(b.started.length >= 2, "kept keys are worked on in the next run");
});

test("stopping with flush: what is due is finished, each key once, failures are left", async () => {
  const b = bench({ run: { flush: true } });
  for (const key of ["a", "b", "c"]) b.queue.add(key);
  b.queue.addAfter("later", 100);
  await settle();
  b.queue.add("a");
  b.controller.abort();
  await settle();
  b.queue.add("new");
  await b.end("a");
  await b.fail("b");
  await b.end("c");
  await b.end("a");
  await b.ended;
  assert.equal(b.keys(), "a b c a");
  assert.equal(b.clock.pending, 0);
});

test("flush runs a key again that was added while worked on, also when other workers are free before", async () => {
  const b = bench({ workers: 2, run: { flush: true } });
  b.queue.add("a");
  await settle();
  b.queue.add("a");
  b.queue.add("b");
  b.controller.abort();
  await settle();
  await b.end("b");
  await b.end("a");
  await b.end("a");
  await b.ended;
  assert.equal(b.keys(), "a b a");
});

test("flush ends with the drain time", async () => {
  const b = bench({ run: { flush: true, drainMs: 1000 } });
  b.queue.add("a");
  b.queue.add("b");
  await settle();
  b.controller.abort();
  await b.clock.advance(1000);
  await b.end("a");
  await b.ended;
  assert.equal(b.keys(), "a");
});

test("a signal aborted beforehand still flushes", async () => {
  const b = bench({ start: false });
  b.queue.add("a");
  const run = b.queue.run(AbortSignal.abort(), { flush: true });
  await settle();
  await b.end("a");
  await run;
  assert.equal(b.keys(), "a");
});

test("100,000 keys: timers and sockets get their turn in between", async () => {
  let worked = 0;
  const queue = new WorkQueue({
    name: "test",
    workers: 10,
    async process() {
      worked += 1;
    },
  });
  const controller = new AbortController();
  const run = queue.run(controller.signal);
  for (let index = 0; index < 50_000; index++) queue.add(`pod-${index}`);
  for (let index = 0; index < 50_000; index++) queue.addAfter(`later-${index}`, 1 + (index % 7));
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    if (worked < 100_000) setImmediate(turn);
  };
  turn();
  while (worked < 100_000) await settle();
  assert.ok(turns > 50, `the event loop had ${turns} turns`);
  assert.equal(worked, 100_000);
  controller.abort();
  await run;
});

test("model: no key is lost, doubled or starved, whatever happens", async () => {
  const key = fc.constantFrom("a", "b", "c", "d", "e");
  const step = fc.oneof(
    fc.record({ do: fc.constant("add" as const), key }),
    fc.record({ do: fc.constant("addAfter" as const), key, ms: fc.integer({ min: 0, max: 2000 }) }),
    fc.record({ do: fc.constant("forget" as const), key }),
    fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({ do: fc.constant("end" as const), pick: fc.nat(9), how: fc.constantFrom("ok", "fail", "again") }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, workers) => {
      const clock = new FakeClock();
      const working = new Map<string, { end(how: string): void }>();
      /** When a run of the key must have begun, were a worker free; the model of what the queue owes. */
      const owed = new Map<string, number>();
      const queue = new WorkQueue({
        name: "model",
        workers,
        clock,
        random: () => 0,
        backoff: { baseMs: 100, maxMs: 1000 },
        process(name) {
          assert.ok(!working.has(name), "two workers on one key");
          assert.ok(working.size < workers, "more work than workers");
          const due = owed.get(name);
          assert.ok(due !== undefined, `nobody asked for ${name}`);
          assert.ok(due <= clock.now(), `${name} was due at ${due}, taken at ${clock.now()}`);
          owed.delete(name);
          const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
          working.set(name, {
            end(how) {
              working.delete(name);
              if (how === "ok") resolve(undefined);
              if (how === "again") {
                resolve({ requeueAfterMs: 700 });
                owe(name, clock.now() + 700);
              }
              if (how === "fail") {
                const failures = queue.retries(name);
                reject(new VirtualKubeletError("Unavailable", "away"));
                owe(name, clock.now() + Math.min(1000, 100 * 2 ** failures));
              }
            },
          });
          return promise;
        },
      });
      const owe = (name: string, due: number): void => {
        owed.set(name, Math.min(owed.get(name) ?? due, due));
      };
      const controller = new AbortController();
      const run = queue.run(controller.signal);
      for (const action of steps) {
        if (action.do === "add") {
          owe(action.key, clock.now());
          queue.add(action.key);
        } else if (action.do === "addAfter") {
          owe(action.key, clock.now() + action.ms);
          queue.addAfter(action.key, action.ms);
        } else if (action.do === "forget") {
          owed.delete(action.key);
          queue.forget(action.key);
        } else if (action.do === "advance") {
          await clock.advance(action.ms);
        } else {
          [...working.values()][action.pick % Math.max(1, working.size)]?.end(action.how);
          await settle(1);
        }
        await settle(1);
        const overdue = [...owed].filter(([name, due]) => due <= clock.now() && !working.has(name));
        assert.ok(working.size === workers || overdue.length === 0, `a worker is free, but ${overdue.join()} waits`);
        for (const [name, due] of owed) {
          if (!working.has(name) && due > clock.now()) assert.equal(queue.nextDue(name), due);
        }
      }
      for (let round = 0; owed.size > 0 || working.size > 0; round++) {
        assert.ok(round < 200, "keys are left for ever");
        for (const work of [...working.values()]) work.end("ok");
        await clock.advance(1000);
      }
      await queue.idle();
      assert.deepEqual(queue.depth, { waiting: 0, delayed: 0, active: 0 });
      controller.abort();
      await run;
      assert.equal(clock.pending, 0);
    }),
    { numRuns: 300 },
  );
});
