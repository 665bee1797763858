// Slots are handed over in turn, fresh work first without starving retries, and are never more than the limit.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CallSlots } from "./call-slots.ts";

const never = new AbortController().signal;

describe("call slots", () => {
  it("are no more than the limit, and are handed over in turn", async () => {
    const slots = new CallSlots(2);
    assert.deepEqual([slots.tryTake(), slots.tryTake(), slots.tryTake()], [true, true, false]);
    const order: string[] = [];
    const waits = ["a", "b"].map((name) => slots.wait(never, false).then(() => order.push(name)));
    assert.equal(slots.tryTake(), false);
    slots.give();
    slots.give();
    await Promise.all(waits);
    assert.deepEqual(order, ["a", "b"]);
    assert.equal(slots.tryTake(), false, "both were handed over, not freed");
    slots.give();
    assert.equal(slots.tryTake(), true);
  });

  it("go to fresh work before retries, but to a retry now and then", async () => {
    const slots = new CallSlots(1);
    slots.tryTake();
    const order: string[] = [];
    const waits = [slots.wait(never, true).then(() => order.push("retry"))];
    for (let index = 0; index < 12; index++) waits.push(slots.wait(never, false).then(() => order.push("fresh")));
    for (let index = 0; index < 13; index++) {
      slots.give();
      await Promise.resolve();
      await Promise.resolve();
    }
    await Promise.all(waits);
    assert.equal(order.indexOf("retry"), 9);
    assert.equal(order.length, 13);
  });

  it("are not lost to one that gave up waiting", async () => {
    const slots = new CallSlots(1);
    slots.tryTake();
    const gone = new AbortController();
    const wait = slots.wait(gone.signal, false);
    gone.abort();
    assert.equal(await wait, false);
    assert.equal(slots.waiting, 0);
    slots.give();
    assert.equal(slots.tryTake(), true);
    assert.equal(await slots.wait(gone.signal, false), false);
  });
});
