import assert from "node:assert/strict";
import { test } from "node:test";
import { firstDue, nextDue, resumedDue } from "./probe-schedule.ts";
import { probeRules } from "./probe-state.ts";

const rules = probeRules({ initialDelaySeconds: 5, periodSeconds: 10 });

test("the first probe comes after the delay from the start of the run", () => {
  const table: readonly [startedAt: number, now: number, spread: number | undefined, due: number][] = [
    [100_000, 100_000, undefined, 105_000],
    [100_000, 103_000, undefined, 105_000],
    [100_000, 200_000, undefined, 200_000],
    // A backend whose clock is ahead.
    [900_000, 100_000, undefined, 105_000],
    [100_000, 200_000, 0, 200_000],
    [100_000, 200_000, 0.5, 205_000],
    [100_000, 102_000, 0.25, 107_500],
  ];
  for (const [startedAt, now, spread, due] of table) assert.equal(firstDue(rules, startedAt, now, spread), due);
});

test("the pace is kept, and what was missed is made up for once", () => {
  const table: readonly [due: number, now: number, next: number][] = [
    [0, 0, 10_000],
    [0, 9999, 10_000],
    [0, 10_000, 10_000],
    [0, 15_000, 10_000],
    [0, 29_000, 20_000],
    [0, 1_000_001, 1_000_000],
    [50_000, 40_000, 60_000],
  ];
  for (const [due, now, next] of table) assert.equal(nextDue(rules, due, now), next);
});

test("what was held off goes on at its own pace", () => {
  const table: readonly [first: number, now: number, due: number][] = [
    [5000, 0, 5000],
    [5000, 5000, 5000],
    [5000, 5001, 15_000],
    [5000, 15_000, 15_000],
    [5000, 33_000, 35_000],
  ];
  for (const [first, now, due] of table) assert.equal(resumedDue(rules, first, now), due);
});
