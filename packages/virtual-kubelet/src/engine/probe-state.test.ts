import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ProbeResult, ProbeType } from "./probe-results.ts";
import { initialState, nextState, type ProbeRules, probeFault, probeRules } from "./probe-state.ts";

test("numbers that are not given are the API's defaults", () => {
  const seconds = (initialDelayMs: number, periodMs: number, timeoutMs: number) => ({
    initialDelayMs,
    periodMs,
    timeoutMs,
  });
  assert.deepEqual(probeRules({}), { ...seconds(0, 10_000, 1000), failureThreshold: 3, successThreshold: 1 });
  const given = {
    initialDelaySeconds: 5,
    periodSeconds: 2,
    timeoutSeconds: 3,
    failureThreshold: 1,
    successThreshold: 4,
  };
  assert.deepEqual(probeRules(given), { ...seconds(5000, 2000, 3000), failureThreshold: 1, successThreshold: 4 });
  const none = {
    initialDelaySeconds: 0,
    periodSeconds: 0,
    timeoutSeconds: 0,
    failureThreshold: 0,
    successThreshold: 0,
  };
  assert.deepEqual(probeRules(none), probeRules({}));
});

test("what counts before the first probe", () => {
  const table: readonly [ProbeType, { started?: boolean; ready?: boolean }, ProbeResult][] = [
    ["startup", {}, "unknown"],
    ["startup", { started: false }, "unknown"],
    ["startup", { started: true }, "success"],
    ["liveness", {}, "success"],
    ["liveness", { started: true, ready: false }, "success"],
    ["readiness", {}, "failure"],
    ["readiness", { ready: false }, "failure"],
    ["readiness", { started: true, ready: true }, "success"],
  ];
  for (const [type, known, result] of table) assert.equal(initialState(type, known).result, result, type);
  assert.equal(initialState("startup", { started: true }).isDone, true, "what has started is not asked again");
});

/** Outcomes by letter: s success, f failure. Results after each: S, F, U. */
function told(type: ProbeType, outcomes: string, rules: Partial<ProbeRules>): string {
  let state = initialState(type, {});
  return [...outcomes]
    .map((letter) => {
      state = nextState(type, state, { ...probeRules({}), ...rules }, letter === "s" ? "success" : "failure");
      return state.result.charAt(0).toUpperCase();
    })
    .join("");
}

test("thresholds", () => {
  const table: readonly [ProbeType, Partial<ProbeRules>, string, string][] = [
    ["readiness", {}, "sfffsf", "SSSFSS"],
    ["readiness", {}, "sffsffs", "SSSSSSS"],
    ["readiness", { failureThreshold: 1 }, "sfs", "SFS"],
    ["readiness", { successThreshold: 3 }, "sssffsfffsss", "FFSSSSSSFFFS"],
    ["readiness", { failureThreshold: 2, successThreshold: 2 }, "sfsfssffs", "FFFFFSSFF"],
    ["liveness", {}, "fffs", "SSFF"],
    ["liveness", {}, "ffsffsfff", "SSSSSSSSF"],
    ["liveness", { failureThreshold: 1 }, "fssss", "FFFFF"],
    ["startup", {}, "ffs", "UUS"],
    ["startup", {}, "sfffff", "SSSSSS"],
    ["startup", {}, "fffss", "UUFFF"],
    ["startup", { failureThreshold: 30 }, `${"f".repeat(29)}s`, `${"U".repeat(29)}S`],
  ];
  for (const [type, rules, outcomes, results] of table) assert.equal(told(type, outcomes, rules), results, outcomes);
});

test("a result is the last run of equal outcomes that was long enough, whatever came", () => {
  const outcomes = fc.array(fc.constantFrom("success" as const, "failure" as const), { maxLength: 60 });
  const threshold = fc.integer({ min: 1, max: 5 });
  const type = fc.constantFrom<ProbeType>("startup", "liveness", "readiness");
  fc.assert(
    fc.property(type, outcomes, threshold, threshold, (of, seen, failureThreshold, successThreshold) => {
      const rules = { ...probeRules({}), failureThreshold, successThreshold };
      let state = initialState(of, {});
      for (const outcome of seen) state = nextState(of, state, rules, outcome);
      // All that was ever said, one look at a time, by looking back from each place.
      const said = seen.flatMap((outcome, at) => {
        const need = outcome === "success" ? successThreshold : failureThreshold;
        const back = seen.slice(Math.max(0, at + 1 - need), at + 1);
        return back.length === need && back.every((other) => other === outcome) ? [outcome] : [];
      });
      const initial = initialState(of, {}).result;
      const expected =
        of === "readiness"
          ? (said.at(-1) ?? initial)
          : of === "startup"
            ? (said[0] ?? initial)
            : said.includes("failure")
              ? "failure"
              : initial;
      assert.equal(state.result, expected);
    }),
  );
});

test("what stops a run, and the grace it then has", () => {
  const container = {
    name: "c",
    startupProbe: { terminationGracePeriodSeconds: 7 },
    livenessProbe: { terminationGracePeriodSeconds: 0 },
  };
  const results = { startup: "success", liveness: "success", readiness: "failure" } as const;
  assert.equal(probeFault(results, container), undefined);
  assert.equal(probeFault({ ...results, startup: "unknown" }, container), undefined);
  assert.deepEqual(probeFault({ ...results, startup: "failure" }, container), { type: "startup", graceSeconds: 7 });
  assert.deepEqual(probeFault({ ...results, liveness: "failure" }, container), { type: "liveness", graceSeconds: 0 });
  const bare = { name: "c", livenessProbe: {} };
  assert.deepEqual(probeFault({ ...results, liveness: "failure" }, bare), {
    type: "liveness",
    graceSeconds: undefined,
  });
});
