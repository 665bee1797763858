import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Circuit,
  type CircuitRules,
  closedCircuit,
  failed,
  passage,
  succeeded,
  trying,
  undecided,
} from "./circuit.ts";

const rules: CircuitRules = { failures: 3, openMs: 1000, mostOpenMs: 4000 };
const after = (count: number, now: number, from: Circuit = closedCircuit): Circuit =>
  Array.from({ length: count }).reduce<Circuit>((circuit) => failed(circuit, now, "down", rules), from);

test("opens after some failures in a row, not before", () => {
  assert.equal(passage(after(2, 0), 0), "free");
  assert.equal(passage(after(3, 0), 0), "barred");
  assert.equal(passage(after(2, 0, succeeded(after(2, 0))), 0), "free");
});

test("lets one try when its time is over, and that one decides", () => {
  const open = after(3, 0);
  assert.equal(passage(open, 999), "barred");
  assert.equal(passage(open, 1000), "try");
  const tried = trying(open);
  assert.equal(passage(tried, 1000), "barred");
  assert.equal(passage(succeeded(tried), 1000), "free");
  assert.equal(passage(undecided(tried), 1000), "try");
  const again = failed(tried, 1000, "down", rules);
  assert.equal(passage(again, 2999), "barred");
  assert.equal(passage(again, 3000), "try");
});

test("failures that began before it opened do not keep it open for longer", () => {
  assert.equal(passage(after(9, 0), 1000), "try");
});

test("is never barred for longer than the longest time, whatever happens", () => {
  const step = fc.oneof(
    fc.record({ type: fc.constantFrom("fail", "succeed", "undecided" as const), ms: fc.nat(5000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let now = 0;
      let circuit = closedCircuit;
      for (const { type, ms } of steps) {
        now += ms;
        const way = passage(circuit, now);
        if (way === "barred") assert.ok((circuit.openUntil ?? 0) <= now + rules.mostOpenMs);
        if (way === "barred") continue;
        if (way === "try") circuit = trying(circuit);
        if (type === "fail") circuit = failed(circuit, now, "down", rules);
        else circuit = type === "succeed" ? succeeded(circuit) : undecided(circuit);
        assert.ok(!circuit.isTrying);
      }
      assert.notEqual(passage(circuit, now + rules.mostOpenMs), "barred");
    }),
  );
});
