import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isErrorKind } from "../errors.ts";
import { addQuantity, compareQuantities, formatQuantity, milliUnits, parseQuantity, wholeUnits } from "./quantity.ts";

describe("parseQuantity", () => {
  const rows: readonly (readonly [string, bigint])[] = [
    ["0", 0n],
    ["1", 10n ** 9n],
    ["+1", 10n ** 9n],
    ["-1", -(10n ** 9n)],
    ["250m", 250n * 10n ** 6n],
    ["100u", 100_000n],
    ["7n", 7n],
    ["0.5", 5n * 10n ** 8n],
    [".5", 5n * 10n ** 8n],
    ["5.", 5n * 10n ** 9n],
    ["1.5Gi", 1610612736n * 10n ** 9n],
    ["1Ki", 1024n * 10n ** 9n],
    ["1Ei", (1n << 60n) * 10n ** 9n],
    ["9E", 9n * 10n ** 27n],
    ["1k", 10n ** 12n],
    ["2e3", 2n * 10n ** 12n],
    ["2E3", 2n * 10n ** 12n],
    ["12e-1", 12n * 10n ** 8n],
    ["0.0000000001", 1n],
    ["0.1n", 1n],
    ["-0.1n", -1n],
    ["12345678901234567890", 12345678901234567890n * 10n ** 9n],
  ];
  for (const [text, nanos] of rows) it(text, () => assert.equal(parseQuantity(text), nanos));

  for (const text of ["", "m", ".", "1 Gi", "1gi", "1K", "1Mii", "e3", "1e", "--1", "0x10", "1.2.3", "NaN", "1mm"]) {
    it(`refuses "${text}"`, () =>
      assert.throws(
        () => parseQuantity(text),
        (error) => isErrorKind(error, "Invalid"),
      ));
  }
});

describe("formatQuantity", () => {
  it("writes what the API server writes", () => {
    const rows = [
      ["0.5", "decimal", "500m"],
      ["1000m", "decimal", "1"],
      ["1500", "decimal", "1500"],
      ["1000", "decimal", "1k"],
      ["0.1n", "decimal", "1n"],
      ["1024", "binary", "1Ki"],
      ["1.5Gi", "binary", "1536Mi"],
      ["1000", "binary", "1000"],
      ["0.5", "binary", "500m"],
      ["0", "binary", "0"],
      ["-1Gi", "binary", "-1Gi"],
    ] as const;
    for (const [text, format, expected] of rows) assert.equal(formatQuantity(parseQuantity(text), format), expected);
  });

  it("loses nothing", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.constantFrom("decimal", "binary"),
        (n, format) => {
          assert.equal(parseQuantity(formatQuantity(n, format)), n);
        },
      ),
    );
  });
});

describe("sums and units", () => {
  it("add and compare exactly", () => {
    assert.equal(addQuantity("100m", "900m"), "1");
    assert.equal(addQuantity("1Gi", "1Mi"), "1025Mi");
    assert.ok(compareQuantities("1Gi", "1G") > 0);
    assert.ok(compareQuantities("999m", "1") < 0);
    assert.equal(compareQuantities("0.5", "500m"), 0);
  });

  it("round parts of a unit away from zero", () => {
    assert.equal(milliUnits(parseQuantity("100u")), 1n);
    assert.equal(milliUnits(parseQuantity("2")), 2000n);
    assert.equal(wholeUnits(parseQuantity("1m")), 1n);
    assert.equal(wholeUnits(parseQuantity("-1m")), -1n);
  });
});
