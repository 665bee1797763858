import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AddressPool, addressText, overlaps, parseRange } from "./pod-addresses.ts";

const range = parseRange("10.99.0.0/29");
assert.ok(range !== undefined);

describe("a range of addresses", () => {
  for (const [text, expected] of [
    ["10.99.0.0/24", "10.99.0.0 10.99.0.255"],
    ["10.99.0.77/24", "10.99.0.0 10.99.0.255"],
    ["192.168.255.128/29", "192.168.255.128 192.168.255.135"],
    ["172.16.0.0/16", "172.16.0.0 172.16.255.255"],
    ["10.0.0.0/15", undefined],
    ["10.0.0.0/30", undefined],
    ["10.0.0/24", undefined],
    ["10.0.0.256/24", undefined],
    ["010.0.0.0/24", undefined],
    ["10.0.0.0", undefined],
    ["fd00::/64", undefined],
  ] as const)
    it(`${text}: ${expected ?? "refused"}`, () => {
      const found = parseRange(text);
      assert.equal(found && `${addressText(found.first)} ${addressText(found.last)}`, expected);
    });

  it("overlaps with what has an address of it", () => {
    assert.equal(overlaps(range, { first: range.last, last: range.last + 7 }), true);
    assert.equal(overlaps(range, { first: range.last + 1, last: range.last + 7 }), false);
    assert.equal(overlaps(range, { first: 0, last: range.first - 1 }), false);
  });
});

describe("the pool of addresses", () => {
  it("gives the node the first, and pods all others, until none is left", () => {
    const pool = new AddressPool(range);
    assert.equal(pool.gateway, "10.99.0.1");
    assert.deepEqual(
      ["a", "b", "c", "d", "e", "a"].map((uid) => pool.take(uid)),
      ["10.99.0.2", "10.99.0.3", "10.99.0.4", "10.99.0.5", "10.99.0.6", "10.99.0.2"],
    );
    assert.throws(() => pool.take("f"), /all addresses of 10\.99\.0\.0\/29 are taken/);
    pool.giveBack("c");
    assert.equal(pool.take("f"), "10.99.0.4");
  });

  it("takes the one that was given back last when there are others", () => {
    const pool = new AddressPool(range);
    pool.take("a");
    pool.giveBack("a");
    assert.equal(pool.take("b"), "10.99.0.3");
  });

  it("recovers what is of the range and nobody else's", () => {
    const pool = new AddressPool(range);
    assert.equal(pool.recover("a", "10.99.0.2"), true);
    assert.equal(pool.recover("b", "10.99.0.2"), false);
    for (const text of ["10.99.0.0", "10.99.0.1", "10.99.0.7", "10.99.1.2", "x"])
      assert.equal(pool.recover("c", text), false, text);
    assert.equal(pool.take("b"), "10.99.0.3");
  });

  it("gives no address to two, whatever happens", () => {
    const step = fc.record({
      uid: fc.constantFrom("a", "b", "c", "d", "e", "f", "g"),
      what: fc.constantFrom("take", "giveBack", "restart"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let pool = new AddressPool(range);
        const held = new Map<string, string>();
        for (const { uid, what } of steps) {
          if (what === "restart") {
            pool = new AddressPool(range);
            for (const [one, address] of held) assert.equal(pool.recover(one, address), true);
          } else if (what === "giveBack") {
            pool.giveBack(uid);
            held.delete(uid);
          } else if (held.size < 5 || held.has(uid)) {
            const address = pool.take(uid);
            assert.equal(held.get(uid) ?? address, address);
            held.set(uid, address);
            assert.equal(new Set(held.values()).size, held.size);
          } else assert.throws(() => pool.take(uid));
        }
      }),
    );
  });
});
