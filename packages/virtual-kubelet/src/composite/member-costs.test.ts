// What a pod costs on the members of a composite, and in which order it is tried on them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Pod } from "../kube/types.gen.ts";
import { memberAnnotation, parseCompositeConfig } from "./config.ts";
import { inOrder, type Priced, sizeOnMember } from "./member-costs.ts";

const config = parseCompositeConfig({
  rule: "price",
  members: [
    { name: "small", provider: "mock", prices: "byPod" },
    { name: "large", provider: "mock" },
    { name: "rounding", provider: "mock" },
  ],
});
const tables = { byPod: { pod: 1, cpu: 1 }, mock: { cpu: 2 } };
const [small, large, rounding] = config.members;
const composite: Priced = {
  config,
  prices: { tables },
  members: [small, large, rounding].flatMap((member) =>
    member === undefined
      ? []
      : [
          {
            config: member,
            capabilities: member.name === "large" ? { features: [] } : {},
            billedSize: () => (member.name === "rounding" ? { cpu: 4, memoryGiB: 0, basis: "its sizes" } : undefined),
          },
        ],
  ),
};
const pod = (cpu: string, more: Partial<Pod["spec"]> = {}, annotations = {}): Pod => ({
  metadata: { annotations },
  spec: { containers: [{ name: "c", resources: { requests: { cpu } } }], ...more },
});
const order = (cpu: string): readonly string[] => inOrder(composite, pod(cpu), "u").map((member) => member.config.name);

describe("by price", () => {
  for (const [cpu, expected] of [
    ["500m", ["large", "small", "rounding"]],
    ["3", ["small", "large", "rounding"]],
    // What is rounded up is dear for small pods, and may be cheap for large ones.
    ["8", ["rounding", "small", "large"]],
  ] as const)
    test(`a pod of ${cpu}`, () => assert.deepEqual(order(cpu), expected));
});

test("a pod is billed by the member that has it; before, by the first that can run it", () => {
  const on = (of: Pod): string | undefined => sizeOnMember(composite, of)?.prices;
  assert.equal(on(pod("500m")), "mock");
  assert.equal(on(pod("500m", { hostNetwork: true })), "byPod", "the cheaper one cannot");
  assert.equal(on(pod("500m", {}, { [memberAnnotation]: "small" })), "byPod");
  assert.equal(sizeOnMember(composite, pod("1", {}, { [memberAnnotation]: "rounding" }))?.cpu, 4);
});
