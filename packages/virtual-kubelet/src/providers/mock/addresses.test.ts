import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressPool, parseRange } from "./addresses.ts";

test("addresses are different until they are given back", () => {
  const pool = new AddressPool("10.0.0.7/29");
  const all = Array.from({ length: 6 }, () => pool.take());
  assert.deepEqual(all, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
  assert.throws(() => pool.take(), { kind: "Quota" });
  pool.release("10.0.0.3");
  assert.equal(pool.take(), "10.0.0.3");
});

test("IPv6 addresses are in their canonical form", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["fd00:10:244::/64", "fd00:10:244::1"],
    ["::/96", "::1"],
    ["2001:db8:1:2:3:4:5:0/112", "2001:db8:1:2:3:4:5:1"],
    ["2001:0:0:1::/64", "2001:0:0:1::1"],
    ["fe80:0:0:1:0:0:1:0/120", "fe80::1:0:0:1:1"],
  ];
  for (const [range, first] of cases) assert.equal(new AddressPool(range).take(), first);
});

test("what is no range is refused", () => {
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.256/24", "::/129", "fd00:/64", "10.0.0.0/31", "a/b/c", "/8"]) {
    assert.throws(() => parseRange(text), new RegExp(text.replaceAll(".", "\\.")), text);
  }
});
