import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Quantities } from "../status/pod-resources.ts";
import { type PodClaim, resizeVerdict } from "./resize-room.ts";

const amount = (cpu: number, memory = 0): Quantities =>
  new Map([
    ["cpu", BigInt(cpu)],
    ["memory", BigInt(memory)],
  ]);
const node = amount(1000, 1000);

function claim(uid: string, granted: Quantities, wanted?: Quantities, more: Partial<PodClaim> = {}): PodClaim {
  return { uid, granted, wanted, priority: 0, qosClass: "Burstable", since: 0, ...more };
}

const state = (uid: string, claims: readonly PodClaim[]): string => resizeVerdict(uid, claims, node).state;

describe("room for a pod that wants more", () => {
  it("is there, is not there now, or never will be", () => {
    const others = claim("b", amount(400));
    assert.equal(state("a", [claim("a", amount(100), amount(600)), others]), "fits");
    assert.deepEqual(resizeVerdict("a", [claim("a", amount(100), amount(601)), others], node), {
      state: "deferred",
      message: "Node didn't have enough resource: cpu, requested: 601, used: 400, capacity: 1000",
    });
    assert.deepEqual(resizeVerdict("a", [claim("a", amount(100, 1), amount(100, 1001)), others], node), {
      state: "infeasible",
      message: "Node didn't have enough capacity: memory, requested: 1001, capacity: 1000",
    });
  });

  it("is not asked for by one that takes no more, whatever the node has", () => {
    const full = claim("b", amount(5000, 5000));
    assert.equal(state("a", [claim("a", amount(100, 100), amount(100, 50)), full]), "fits");
    assert.equal(resizeVerdict("a", [claim("a", amount(1), amount(9))], new Map()).state, "fits", "nothing is known");
  });

  const small = amount(100);
  const large = amount(500);
  const order: readonly (readonly [string, PodClaim, PodClaim])[] = [
    [
      "the one with the higher priority",
      claim("a", small, large, { priority: 5, since: 9 }),
      claim("b", small, large, { qosClass: "Guaranteed" }),
    ],
    [
      "the one of the better class",
      claim("a", small, large, { qosClass: "Guaranteed", since: 9 }),
      claim("b", small, large),
    ],
    ["the one that has waited longer", claim("z", small, large, { since: 1 }), claim("b", small, large, { since: 2 })],
  ];
  for (const [name, first, second] of order)
    it(`is first for ${name}`, () => {
      const claims = [second, claim("other", amount(200)), first];
      assert.deepEqual([state(first.uid, claims), state(second.uid, claims)], ["fits", "deferred"]);
    });

  it("is not kept for one before it that does not fit, and what another gives back is there for it", () => {
    const first = claim("a", small, amount(900), { priority: 9 });
    assert.deepEqual(
      [state("a", [first, claim("b", large, amount(600))]), state("b", [first, claim("b", large, amount(600))])],
      ["deferred", "fits"],
    );
    const shrinking = claim("c", large, small);
    assert.equal(state("a", [claim("a", small, amount(900)), shrinking]), "fits");
  });
});
