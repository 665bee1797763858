// Answers end at their time, and never more than so many are kept.
import assert from "node:assert/strict";
import { it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { ExpiringMap } from "./expiring-map.ts";

it("an answer is good until its time, and not at it", async () => {
  const clock = new FakeClock();
  const map = new ExpiringMap<string>(clock, 10);
  map.set("a", "1", clock.now() + 1000);
  map.set("past", "1", clock.now());
  map.set("never a time", "1", Number.NaN);
  assert.equal(map.size, 1);
  await clock.advance(999);
  assert.equal(map.get("a"), "1");
  await clock.advance(1);
  assert.equal(map.get("a"), undefined);
  assert.equal(map.size, 0);
});

it("setting an entry anew with a time that has passed removes it", () => {
  const clock = new FakeClock();
  const map = new ExpiringMap<string>(clock, 10);
  map.set("a", "1", clock.now() + 1000);
  map.set("a", "2", clock.now() - 1);
  assert.equal(map.get("a"), undefined);
});

it("when it is full, what was used longest ago goes", () => {
  const clock = new FakeClock();
  const map = new ExpiringMap<number>(clock, 3);
  for (const [index, key] of ["a", "b", "c"].entries()) map.set(key, index, clock.now() + 1000);
  map.get("a");
  map.set("c", 9, clock.now() + 1000);
  map.set("d", 3, clock.now() + 1000);
  assert.deepEqual(
    ["a", "b", "c", "d"].map((key) => map.get(key)),
    [0, undefined, 9, 3],
  );
  for (let index = 0; index < 1000; index++) map.set(`key-${index}`, index, clock.now() + 1000);
  assert.equal(map.size, 3);
});
