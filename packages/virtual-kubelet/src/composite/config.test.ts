import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { parseCompositeConfig, preferred } from "./config.ts";

const small = { cpu: 1, memoryGiB: 1 };
const names = (config: ReturnType<typeof parseCompositeConfig>, uid = "u", asked = small): readonly string[] =>
  preferred(config, uid, asked).map(({ name }) => name);

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
        "members.0.name",
        "members.0.provider",
        "members.1.weight",
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
    { name: "a", provider: "mock", weight: 3, price: { cpu: 1, memoryGiB: 0.1 } },
    { name: "b", provider: "mock", price: { cpu: 0.1, memoryGiB: 0.5 } },
    { name: "last", provider: "mock", weight: 0, price: { cpu: 9, memoryGiB: 9 } },
  ];
  assert.deepEqual(names(parseCompositeConfig({ members })), ["a", "b", "last"]);
  const byPrice = parseCompositeConfig({ members, rule: "price" });
  assert.deepEqual(names(byPrice), ["b", "a", "last"]);
  assert.deepEqual(names(byPrice, "u", { cpu: 0.25, memoryGiB: 8 }), ["a", "b", "last"]);
  const byWeight = parseCompositeConfig({ members, rule: "weight" });
  const first = Array.from({ length: 2000 }, () => names(byWeight, randomUUID()));
  assert.ok(first.every((order) => order[2] === "last"));
  const share = first.filter(([name]) => name === "a").length / first.length;
  assert.ok(Math.abs(share - 0.75) < 0.05, `${share}`);
  assert.deepEqual(names(byWeight, "u"), names(byWeight, "u"));
});
