import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type BackoffStep, defaultBackoff, dueAt, durationText, raised } from "./backoff.ts";

const second = 1000;
const minute = 60 * second;

describe("back-off of restarts", () => {
  it("is 10 s, doubled each time, at most 5 min, and the first restart waits for nothing", () => {
    const waits: number[] = [];
    let step: BackoffStep | undefined;
    let now = 0;
    for (let restart = 0; restart < 8; restart++) {
      // It ends a second after each start.
      const end = now + second;
      const due = dueAt(step, end, defaultBackoff);
      waits.push((due - end) / second);
      now = due;
      step = raised(step, now, defaultBackoff);
    }
    assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
  });

  const rows: readonly (readonly [string, number, number])[] = [
    ["ran 9 min 59 s: the step holds", 10 * minute - second, 80 * second],
    ["ran 10 min: the step holds", 10 * minute, 80 * second],
    ["ran longer than 10 min: it begins anew", 10 * minute + 1, 0],
  ];
  for (const [name, ran, wait] of rows) {
    it(name, () => {
      const step = { ms: 80 * second, at: 1000 };
      const end = 1000 + ran;
      assert.equal(dueAt(step, end, defaultBackoff) - end, wait);
      const next = raised(step, dueAt(step, end, defaultBackoff), defaultBackoff);
      if (wait === 0) assert.equal(next.ms, 10 * second);
    });
  }

  it("heeds a lower maximum", () => {
    const limits = { baseMs: 10_000, maxMs: 15_000 };
    assert.equal(raised({ ms: 10_000, at: 0 }, 0, limits).ms, 15_000);
    assert.equal(raised(undefined, 0, { baseMs: 10_000, maxMs: 1000 }).ms, 1000);
  });
});

describe("durations in messages", () => {
  const rows: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [250, "250ms"],
    [10_000, "10s"],
    [1500, "1.5s"],
    [80_000, "1m20s"],
    [300_000, "5m0s"],
    [3_600_000, "1h0m0s"],
  ];
  for (const [ms, text] of rows) it(text, () => assert.equal(durationText(ms), text));
});
