import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCurve, usageAt, usedUntil } from "./usage.ts";

test("a usage stays or swings", () => {
  const steady = parseCurve("250m");
  assert.deepEqual([usageAt(steady, 0), usageAt(steady, 12_345)], [0.25, 0.25]);
  const swinging = parseCurve("1Mi-3Mi/10s");
  const mebi = 2 ** 20;
  assert.deepEqual(
    [0, 5000, 10_000].map((ms) => Math.round(usageAt(swinging, ms))),
    [mebi, 3 * mebi, mebi],
  );
  assert.equal(parseCurve("1-2").period, 60_000);
});

test("what was used is the sum of what was in use", () => {
  const curve = parseCurve("100m-700m/7s");
  let sum = 0;
  let last = 0;
  for (let ms = 0; ms < 20_000; ms += 1) {
    const used = usedUntil(curve, ms);
    assert.ok(used >= last, `fell at ${ms} ms`);
    assert.ok(Math.abs(used - sum) < 0.001, `${used} is not ${sum} at ${ms} ms`);
    last = used;
    sum += usageAt(curve, ms) / 1000;
  }
});

test("what is no usage is refused", () => {
  for (const text of ["", "much", "2-1", "1-2-3", "1/0", "1/1s/1s", "1-2/soon", "-1"]) {
    assert.throws(() => parseCurve(text), text);
  }
});
