// What was spent in a day and a month, across their ends and the ends of programs.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SpendLedger } from "./spend-ledger.ts";

const at = (text: string): number => Date.parse(text);
const hour = 3_600_000;
const noon = at("2026-03-31T12:00:00Z");

describe("a ledger", () => {
  test("counts what falls into this day and month, by namespace and of all", () => {
    const ledger = new SpendLedger();
    ledger.add("a", 2, at("2026-03-30T22:00:00Z"), noon);
    ledger.add("b", 1, noon - hour, noon);
    assert.equal(ledger.spent("day", noon, "a"), 24);
    assert.equal(ledger.spent("month", noon, "a"), 28);
    assert.equal(ledger.spent("day", noon), 25);
    assert.equal(ledger.spent("month", noon, "none"), 0);
  });

  test("begins anew with the day and the month, in UTC", () => {
    const ledger = new SpendLedger();
    ledger.add("a", 1, noon - hour, noon);
    assert.equal(ledger.spent("day", at("2026-03-31T23:59:59Z")), 1);
    const next = at("2026-04-01T00:30:00Z");
    assert.equal(ledger.spent("day", next), 0);
    assert.equal(ledger.spent("month", next), 0);
    // What runs across midnight counts for the new day from then on.
    ledger.add("a", 1, noon, next);
    assert.equal(ledger.spent("day", next), 0.5);
    assert.equal(ledger.spent("month", next), 0.5);
  });

  test("survives the program, as far as its day and month last", () => {
    const before = new SpendLedger();
    before.add("a", 2, noon - 3 * hour, noon);
    const text = before.text(noon);
    const after = new SpendLedger();
    assert.equal(after.restore(text, noon + hour), noon);
    assert.equal(after.spent("day", noon + hour, "a"), 6);
    const nextMonth = new SpendLedger();
    assert.equal(nextMonth.restore(text, noon + 24 * hour), noon);
    assert.equal(nextMonth.spent("month", noon + 24 * hour, "a"), 0);
  });

  for (const text of [undefined, "", "{", "[]", "null", '{"at":"never"}', '{"at":"2100-01-01T00:00:00Z","day":{"":1}}'])
    test(`takes nothing from ${text}`, () => {
      const ledger = new SpendLedger();
      assert.equal(ledger.restore(text, noon), undefined);
      assert.equal(ledger.spent("day", noon), 0);
    });

  test("takes no amounts that are none", () => {
    const ledger = new SpendLedger();
    ledger.restore(JSON.stringify({ at: new Date(noon).toISOString(), day: { "": -1, a: "9", b: 2 }, month: 7 }), noon);
    assert.deepEqual(
      ["", "a", "b"].map((name) => ledger.spent("day", noon, name)),
      [0, 0, 2],
    );
  });

  test("forgets those that spent least among too many, and keeps fewer still", () => {
    const ledger = new SpendLedger();
    for (let index = 1; index <= 1500; index++) ledger.add(`n${index}`, index, noon - hour, noon);
    assert.equal(ledger.spent("day", noon, "n1"), 0);
    assert.equal(ledger.spent("day", noon, "n1500"), 1500);
    assert.equal(ledger.spent("day", noon), (1500 * 1501) / 2);
    const { day } = JSON.parse(ledger.text(noon));
    assert.equal(Object.keys(day).length, 201);
    assert.equal(day["n1500"], 1500);
    assert.ok(ledger.text(noon).length < 20_000);
  });

  test("cut into any pieces, a time costs the same", () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 72 * hour }), { maxLength: 8 });
    fc.assert(
      fc.property(cuts, (list) => {
        const begin = at("2026-03-30T06:00:00Z");
        const points = [0, ...list.sort((a, b) => a - b), 72 * hour].map((offset) => begin + offset);
        const whole = new SpendLedger();
        whole.add("a", 1, begin, begin + 72 * hour);
        const cut = new SpendLedger();
        for (const [index, to] of points.entries()) if (index > 0) cut.add("a", 1, points[index - 1] ?? to, to);
        const end = begin + 72 * hour;
        for (const period of ["day", "month"] as const)
          assert.ok(Math.abs(whole.spent(period, end) - cut.spent(period, end)) < 1e-9);
      }),
    );
  });
});
