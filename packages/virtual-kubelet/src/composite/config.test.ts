import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type CompositeConfig, checkPrices, parseCompositeConfig, preferred } from "./config.ts";

const names = (config: CompositeConfig, uid = "u", costs: Readonly<Record<string, number>> = {}): readonly string[] =>
  preferred(config, uid, ({ name }) => costs[name] ?? 0).map(({ name }) => name);

test("all faults are told at once, with their fields", () => {
  assert.throws(
    () =>
      parseCompositeConfig({
        members: [
          { name: "A b", provider: "" },
          { name: "x", provider: "composite", weight: -1 },
        ],
        rule: "luck",
      }),
    (error: Error) => {
      for (const part of [
        "members[0].name",
        "members[0].provider",
        "members[1].weight",
        "rule: must be order, weight or price",
      ])
        assert.ok(error.message.includes(part), `${part} in ${error.message}`);
      return true;
    },
  );
  assert.throws(() => parseCompositeConfig({ members: [] }), /at least one member/);
  const twice = [1, 2].map(() => ({ name: "x", provider: "mock" }));
  assert.throws(() => parseCompositeConfig({ members: twice }), /different names/);
});

test("by order, by price for what the pod asks, and by weight", () => {
  const members = [
    { name: "a", provider: "mock", weight: 3 },
    { name: "b", provider: "mock", prices: "other" },
    { name: "last", provider: "mock", weight: 0 },
  ];
  assert.deepEqual(names(parseCompositeConfig({ members })), ["a", "b", "last"]);
  const byPrice = parseCompositeConfig({ members, rule: "price" });
  assert.deepEqual(names(byPrice, "u", { a: 2, b: 1, last: 9 }), ["b", "a", "last"]);
  // Of those that cost the same, the first.
  assert.deepEqual(names(byPrice, "u", { last: 1 }), ["a", "b", "last"]);
  assert.doesNotThrow(() => checkPrices(byPrice, { mock: {}, other: {} }));
  assert.throws(
    () => checkPrices(byPrice, { mock: {} }),
    /rule price goes by budgets\.prices: member b: there is no table "other"$/,
  );
  const inOrder = parseCompositeConfig({ members });
  assert.doesNotThrow(() => checkPrices(inOrder, { mock: {} }));
  assert.throws(
    () => checkPrices(inOrder, { mock: {} }, true),
    /would cost nothing without budgets\.prices \({} if that is so\): member b: there is no table "other"$/,
  );
  assert.doesNotThrow(() => checkPrices(inOrder, { mock: {}, other: {} }, true));
  const byWeight = parseCompositeConfig({ members, rule: "weight" });
  const first = Array.from({ length: 2000 }, () => names(byWeight, randomUUID()));
  assert.ok(first.every((order) => order[2] === "last"));
  const share = first.filter(([name]) => name === "a").length / first.length;
  assert.ok(Math.abs(share - 0.75) < 0.05, `${share}`);
  assert.deepEqual(names(byWeight, "u"), names(byWeight, "u"));
});
