import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalQuantity, quantityValue } from "./quantity.ts";

const cases: readonly (readonly [string, string | undefined])[] = [
  ["0.5", "500m"],
  ["1000m", "1"],
  ["1024Mi", "1Gi"],
  ["1.5Gi", "1536Mi"],
  ["1500", "1500"],
  ["1000", "1k"],
  ["1e3", "1e3"],
  ["0", "0"],
  ["-2", "-2"],
  ["100k", "100k"],
  ["x", undefined],
  ["1 Gi", undefined],
  ["", undefined],
];
for (const [text, wanted] of cases) {
  test(`quantity ${JSON.stringify(text)}`, () => assert.equal(canonicalQuantity(text), wanted));
}

test("values", () => {
  assert.equal(quantityValue("250m"), 0.25);
  assert.equal(quantityValue("1Ki"), 1024);
});
