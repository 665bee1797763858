// What is wrong with a provider's configuration is told in words of ours: which setting, and what would be right; no values.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { checkedConfig } from "./provider-config.ts";

const schema = v.strictObject({
  stateDirectory: v.string(),
  count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9))),
  on: v.optional(v.boolean()),
  mode: v.optional(v.picklist(["slow", "fast"])),
  zones: v.optional(v.pipe(v.array(v.string()), v.minLength(1))),
  nested: v.optional(
    v.strictObject({ path: v.optional(v.string()), others: v.optional(v.record(v.string(), v.number())) }),
  ),
});
const right = { stateDirectory: "/a" };

for (const [given, told] of [
  [{}, "stateDirectory: is required"],
  [{ ...right, stateDirectorie: 1 }, "stateDirectorie: unknown setting (did you mean stateDirectory?)"],
  [{ ...right, nested: { secret: "hunter2" } }, "nested.secret: unknown setting; known here: path, others"],
  [
    { ...right, nodes: [] },
    "nodes: unknown setting: a configuration of the program is given by --config; here stands what it has under provider.config of a node",
  ],
  [{ ...right, stateDir: 1 }, "stateDir: unknown setting (did you mean stateDirectory?)"],
  [
    { ...right, nested: { secret: 1, third: 2 } },
    "nested.secret: unknown setting; known here: path, others; nested.third: unknown setting",
  ],
  [{ ...right, nested: [{ path: "/a" }] }, "nested: a list must be a map"],
  [{ ...right, nested: { others: { "a/b": "hunter2" } } }, 'nested.others["a/b"]: must be a number'],
  [{ ...right, count: "2" }, "count: must be a number"],
  [{ ...right, count: 0 }, "count: must be at least 1"],
  [{ ...right, count: 10 }, "count: must be at most 9"],
  [{ ...right, count: 1.5 }, "count: must be a whole number"],
  [{ ...right, on: "yes" }, "on: must be true or false"],
  [{ ...right, mode: "fats" }, "mode: must be one of slow, fast"],
  [{ ...right, zones: "a" }, "zones: must be a list"],
  [{ ...right, zones: [] }, "zones: must have at least 1"],
  [{ ...right, zones: [1] }, "zones[0]: must be a text"],
  ["text", "must be a map"],
  [{ mode: 1, stateDirectory: 2 }, "stateDirectory: must be a text; mode: must be one of slow, fast"],
] as const)
  test(told, () => {
    assert.throws(() => checkedConfig("own", schema, given), {
      kind: "Invalid",
      message: `configuration of the own provider: ${told}`,
    });
  });
