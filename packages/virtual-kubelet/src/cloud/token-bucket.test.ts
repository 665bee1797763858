import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { answered, type CallLimit, fullBucket, type TokenBucket, taken, throttled, waitMs } from "./token-bucket.ts";

const limit: CallLimit = { perSecond: 10, burst: 5 };

/** Takes whenever it may until `end`; answers when. */
function greedy(
  start: TokenBucket,
  from: number,
  end: number,
): { readonly bucket: TokenBucket; readonly times: number[] } {
  const times: number[] = [];
  let bucket = start;
  for (let now = from; now < end; ) {
    const wait = waitMs(bucket, now);
    if (wait > 0) {
      now += wait;
      continue;
    }
    bucket = taken(bucket, now);
    times.push(now);
  }
  return { bucket, times };
}

test("a burst at once, then by the rate", () => {
  const { times } = greedy(fullBucket(limit, 0), 0, 1_000);
  assert.deepEqual(times.slice(0, 7), [0, 0, 0, 0, 0, 100, 200]);
  assert.equal(times.length, 14);
});

test("throttling holds all back for the time asked for, halves the rate, and a minute later all is as before", () => {
  let bucket = throttled(fullBucket(limit, 0), { now: 100, begun: 0, retryAfterMs: 4_000, random: 0 });
  assert.equal(waitMs(bucket, 100), 4_200);
  assert.equal(bucket.rate, 5);
  // What was under way at that time waits with the others, and is no second fault.
  bucket = throttled(bucket, { now: 200, begun: 50, retryAfterMs: 5_000, random: 0 });
  assert.equal(bucket.rate, 5);
  assert.equal(waitMs(bucket, 200), 5_200);
  const after = greedy(bucket, 200, 10_200);
  assert.equal(after.times[0], 5_400);
  assert.ok(after.times.length > 24 && after.times.length < 30, `${after.times.length} calls in 5 s`);
  assert.equal(taken(after.bucket, 70_000).rate, 10);
});

test("without a time to wait it doubles, with chance, up to a minute, until a call goes well", () => {
  let bucket = fullBucket(limit, 0);
  const holds: number[] = [];
  let now = 0;
  for (let round = 0; round < 8; round++) {
    bucket = throttled(bucket, { now, begun: now, retryAfterMs: undefined, random: 0.5 });
    holds.push(bucket.heldUntil - now);
    now = bucket.heldUntil;
  }
  assert.deepEqual(holds, [750, 1_500, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000]);
  // It began before the last throttling, and says nothing.
  assert.equal(answered(bucket, now - 1).throttlings, 8);
  bucket = throttled(answered(bucket, now), { now, begun: now, retryAfterMs: undefined, random: 0.5 });
  assert.equal(bucket.heldUntil - now, 750);
});

test("whatever happens, no more than the burst and the rate begin in any time, none while held, and in the end one may", () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 20_000 }),
    throttles: fc.boolean(),
    retryAfterMs: fc.option(fc.integer({ min: 0, max: 30_000 }), { nil: undefined }),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
  });
  const limits = fc.record({
    perSecond: fc.double({ min: 0.05, max: 200, noNaN: true }),
    burst: fc.integer({ min: 1, max: 50 }),
  });
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 12 }), ({ perSecond, burst }, steps) => {
      let bucket = fullBucket({ perSecond, burst }, 0);
      const times: number[] = [];
      let now = 0;
      for (const { afterMs, throttles, retryAfterMs, random } of steps) {
        const run = greedy(bucket, now, Math.min(now + afterMs, now + 2_000));
        assert.ok(run.times.every((time) => time >= bucket.heldUntil));
        times.push(...run.times);
        now += afterMs;
        bucket = run.bucket;
        if (throttles) bucket = throttled(bucket, { now, begun: now, retryAfterMs, random });
        else bucket = answered(bucket, now);
        if (throttles && retryAfterMs !== undefined) assert.ok(bucket.heldUntil - now >= retryAfterMs);
        assert.ok(bucket.rate >= perSecond / 50 - 1e-9 && bucket.rate <= perSecond);
      }
      times.forEach((first, index) => {
        const last = times[times.length - 1] ?? 0;
        const most = burst + ((last - first) / 1000) * perSecond;
        assert.ok(times.length - index <= most + 1 + 1e-6, `${times.length - index} calls, at most ${most}`);
      });
      assert.ok(Number.isFinite(waitMs(bucket, now)));
      assert.equal(waitMs(bucket, now + waitMs(bucket, now) + 1), 0);
    }),
  );
});
