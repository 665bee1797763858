import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "../../testing/fake-clock.ts";
import { Schedule } from "./schedule.ts";

test("each key comes due at the last time set for it, over one timer", async () => {
  const entry = fc.tuple(fc.nat({ max: 20 }), fc.option(fc.nat({ max: 1000 })));
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 60 }), async (entries) => {
      const clock = new FakeClock(0);
      const fired: [string, number][] = [];
      const schedule = new Schedule(clock, (key) => fired.push([key, clock.now()]));
      const expected = new Map<string, number>();
      for (const [number, at] of entries) {
        const key = String(number);
        schedule.set(key, at ?? Number.POSITIVE_INFINITY);
        if (at === null) expected.delete(key);
        else expected.set(key, at);
        assert.ok(clock.pending <= 1, "one timer at most");
      }
      await clock.advance(2000);
      const byKey = (left: readonly [string, number], right: readonly [string, number]): number =>
        left[0].localeCompare(right[0]);
      assert.deepEqual(fired.toSorted(byKey), [...expected].toSorted(byKey));
      assert.equal(clock.pending, 0);
    }),
    { numRuns: 100 },
  );
});

test("closed, it holds no timer", () => {
  const clock = new FakeClock();
  const schedule = new Schedule(clock, () => assert.fail("came due"));
  schedule.set("a", clock.now() + 1000);
  schedule.close();
  assert.equal(clock.pending, 0);
});
