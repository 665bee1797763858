import assert from "node:assert/strict";
import { test } from "node:test";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { CallBudget, type CallBudgetOptions, type Urgency } from "./call-budget.ts";

const slow = { perSecond: 1, burst: 1 };

function bench(limits: CallBudgetOptions["limits"] = {}, fallback: CallBudgetOptions["fallback"] = slow) {
  const clock = new FakeClock(0);
  const log = new LogRecorder();
  const budget = new CallBudget({ limits, fallback, clock, random: () => 0, log });
  const journal: string[] = [];
  const controller = new AbortController();
  const call = (operation: string, urgency: Urgency, name: string, fails: Error[] = []): Promise<string> =>
    budget.run(
      operation,
      urgency,
      async () => {
        journal.push(`${clock.now()} ${name}`);
        const error = fails.shift();
        if (error !== undefined) throw error;
        return name;
      },
      { signal: controller.signal },
    );
  return { clock, log, budget, journal, controller, call };
}

test("the urgent go first, each operation by its own limit, and nothing waits for ever", async () => {
  const { clock, journal, call, budget } = bench({ list: { perSecond: 2, burst: 2 } });
  const calls = [call("get", "later", "later")];
  for (let index = 0; index < 9; index++) calls.push(call("get", "now", `now${index}`));
  calls.push(call("get", "soon", "soon"), call("get", "later", "last"), call("list", "later", "list"));
  await clock.advance(20_000);
  await Promise.all(calls);
  assert.deepEqual(journal.slice(0, 3), ["0 later", "0 list", "1000 now0"]);
  const names = journal.map((line) => line.split(" ")[1]);
  assert.equal(names.indexOf("last"), 8, "every eighth is of the least urgent");
  assert.equal(names.at(-1), "soon");
  assert.deepEqual(budget.counts.get("get"), { calls: 12, throttled: 0, waitedMs: 66_000 });
});

test("the cloud is known to be there for a while after an answer, and as long as it asks to be left alone", async () => {
  const { clock, call, budget } = bench({}, { perSecond: 10, burst: 5 });
  assert.equal(budget.isAnswered("get", 5_000), false);
  await assert.rejects(call("get", "now", "lost", [new VirtualKubeletError("Unavailable", "no answer")]));
  assert.equal(budget.isAnswered("get", 5_000), false, "no answer");
  await call("get", "now", "first");
  assert.deepEqual([budget.isAnswered("get", 5_000), budget.isAnswered("list", 5_000)], [true, false]);
  await clock.advance(5_000);
  assert.equal(budget.isAnswered("get", 5_000), false);
  const throttling = new VirtualKubeletError("Throttled", "slow down", { retryAfterMs: 30_000 });
  const second = call("get", "now", "second", [throttling]);
  await clock.advance(29_000);
  assert.equal(budget.isAnswered("get", 0), true, "it asked for a pause");
  await clock.advance(2_000);
  await second;
});

test("a throttled call is made again after the time asked for, and all of its operation wait", async () => {
  const { clock, journal, call, log } = bench({}, { perSecond: 10, burst: 5 });
  const throttling = new VirtualKubeletError("Throttled", "slow down", { retryAfterMs: 3_000 });
  const [first, second, other] = [
    call("get", "soon", "first", [throttling]),
    call("get", "soon", "second"),
    call("list", "soon", "other"),
  ];
  await clock.advance(0);
  assert.deepEqual([await second, await other], ["second", "other"]);
  const third = call("get", "now", "third");
  await clock.advance(2_999);
  assert.deepEqual(journal, ["0 first", "0 second", "0 other"]);
  await clock.advance(1_000);
  assert.deepEqual([await first, await third], ["first", "third"]);
  assert.equal(log.count(/fewer calls/, "warn"), 1);
});

test("creations hand throttling on, with a time to wait; others do after their deadline", async () => {
  const { clock, call } = bench({ create: { ...slow, passThrottled: true } });
  const creation = call("create", "now", "create", [new VirtualKubeletError("Throttled", "slow down")]);
  await assert.rejects(creation, (error: unknown) => {
    return error instanceof VirtualKubeletError && error.kind === "Throttled" && error.retryAfterMs === 500;
  });
  const endless = Array.from({ length: 50 }, () => new VirtualKubeletError("Throttled", "slow down"));
  const failing = assert.rejects(call("get", "now", "get", endless), (error) => isErrorKind(error, "Throttled"));
  await clock.advance(61_000);
  await failing;
  assert.ok(endless.length > 40, "few tries within the minute");
});

test("other errors are thrown as they are", async () => {
  const { call } = bench();
  const error = new TypeError("a fault");
  await assert.rejects(call("get", "now", "get", [error]), (thrown) => thrown === error);
});

test("who no longer waits leaves the queue, and nothing is left of it", async () => {
  const { clock, journal, call, controller } = bench();
  await call("get", "now", "first");
  const waiting = [call("get", "now", "second"), call("get", "later", "third")];
  await settle();
  assert.equal(clock.pending, 1);
  controller.abort();
  for (const each of waiting) await assert.rejects(each, (error) => isErrorKind(error, "Aborted"));
  await settle();
  assert.equal(clock.pending, 0);
  await assert.rejects(call("get", "now", "fourth"), (error) => isErrorKind(error, "Aborted"));
  assert.deepEqual(journal, ["0 first"]);
});
