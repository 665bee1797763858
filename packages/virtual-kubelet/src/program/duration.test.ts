// Durations in Go's form, both ways.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";

const cases: readonly (readonly [string, number | undefined])[] = [
  ["30s", 30_000],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  ["250ms", 250],
  [".5s", 500],
  ["100us", 0.1],
  ["1µs", 0.001],
  ["-1m", -60_000],
  ["0", 0],
  ["0s", 0],
  ["30", undefined],
  ["", undefined],
  ["1 m", undefined],
  ["1d", undefined],
  ["s", undefined],
  ["1m30", undefined],
];

for (const [text, ms] of cases) {
  test(`"${text}" is ${ms === undefined ? "no duration" : `${ms} ms`}`, () => assert.equal(parseDuration(text), ms));
}

test("formats the shortest way, and reads back what it wrote", () => {
  assert.equal(formatDuration(60_000), "1m");
  assert.equal(formatDuration(5_400_000), "1h30m");
  assert.equal(formatDuration(0), "0s");
  assert.equal(formatDuration(1500), "1.5s");
  fc.assert(fc.property(fc.integer({ min: -1e9, max: 1e9 }), (ms) => parseDuration(formatDuration(ms)) === ms));
});
