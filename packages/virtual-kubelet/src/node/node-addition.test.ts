// What the program adds to a node of its own, beside the provider's report.
import assert from "node:assert/strict";
import { test } from "node:test";
import { spendAnnotation } from "../budget/spend-ledger.ts";
import type { Taint } from "../kube/types.gen.ts";
import { withAddition } from "./node-addition.ts";
import { desiredNode, nodeFromTemplate } from "./node-object.ts";
import { oursAnnotation, readOurs } from "./node-ours.ts";
import { metadataPatch, nodeToCreate } from "./node-plan.ts";

const taint: Taint = { key: "t", effect: "NoSchedule" };
const condition = { type: "x/Full", status: "True", reason: "Full", message: "it is" };
const addition = { conditions: [condition], taints: [taint], annotations: { [spendAnnotation]: "{}" } };
const base = nodeFromTemplate({ name: "n", provider: { name: "mock", version: "1" }, kubeletVersion: "v1.36.3" });

test("conditions, taints and annotations beside the report's; no taints where the credentials may set none", () => {
  const report = { capacity: { cpu: "1" }, conditions: [{ ...condition, type: "y" }], annotations: { a: "b" } };
  assert.deepEqual(withAddition(report, addition, false), {
    capacity: { cpu: "1" },
    conditions: [{ ...condition, type: "y" }, condition],
    taints: [],
    annotations: { a: "b", [spendAnnotation]: "{}" },
  });
  assert.deepEqual(withAddition(undefined, addition, true).taints, [taint]);
});

test("what was spent stays on the Node when a program is configured without budgets", () => {
  const before = nodeToCreate(desiredNode(base, withAddition(undefined, addition, true), undefined), () => true, 0);
  assert.equal(before.metadata?.annotations?.[spendAnnotation], "{}");
  assert.doesNotMatch(before.metadata?.annotations?.[oursAnnotation] ?? "", /spend/);
  const desired = desiredNode(base, undefined, undefined);
  const patch = metadataPatch({ desired, observed: before, before: readOurs(before), mayLabel: () => true });
  assert.ok(!JSON.stringify(patch ?? {}).includes(spendAnnotation), JSON.stringify(patch));
});
