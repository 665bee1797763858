// What pods cost by a table: each part of the price, variants, spot, minimum, and what is told of it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import type { BilledSize, PriceTable } from "../provider/billing.ts";
import { costOf, estimate, moneyText, sizeOf } from "./estimate.ts";

const size: BilledSize = { cpu: 2, memoryGiB: 4, basis: "its requests" };
const table: PriceTable = { cpu: 0.04, memoryGiB: 0.005 };

describe("an estimate", () => {
  const cases: readonly (readonly [string, BilledSize, PriceTable, number])[] = [
    ["cpu and memory", size, table, 0.1],
    ["a price for each pod", size, { ...table, pod: 0.5 }, 0.6],
    ["storage", { ...size, storageGiB: 10 }, { ...table, storageGiB: 0.01 }, 0.2],
    ["GPUs by type", { ...size, gpus: { T4: 2, A10: 1 } }, { ...table, gpus: { T4: 0.5 } }, 1.1],
    ["spot", { ...size, spot: true }, { ...table, spotFactor: 0.3 }, 0.03],
    ["spot without a factor", { ...size, spot: true }, table, 0.1],
    ["no price at all", size, {}, 0],
    [
      "the first variant that it is of, for what that names",
      { ...size, architecture: "arm64" },
      {
        ...table,
        variants: [
          { architecture: "arm64", operatingSystem: "windows", cpu: 9 },
          { architecture: "arm64", cpu: 0.03 },
          { operatingSystem: "linux", cpu: 7 },
        ],
      },
      0.08,
    ],
    ["a variant of the node's", size, { ...table, variants: [{ operatingSystem: "linux", memoryGiB: 0.01 }] }, 0.12],
  ];
  for (const [what, of, prices, expected] of cases)
    test(what, () => {
      const { perHour } = estimate(of, prices, { architecture: "amd64", operatingSystem: "linux" });
      assert.ok(Math.abs(perHour - expected) < 1e-12, `${perHour}`);
    });

  test("says what it goes by, and what has no price", () => {
    const { basis } = estimate({ ...size, gpus: { T4: 1 }, spot: true }, table);
    assert.equal(basis, "2 cpu, 4 GiB, 1 T4 (without a price) (its requests, spot)");
  });

  test("is never negative, and never falls as a pod asks for more", () => {
    const amount = fc.double({ min: 0, max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.record({ cpu: amount, memoryGiB: amount }), amount, amount, amount, (of, more, cpu, memoryGiB) => {
        const one = estimate({ ...of, basis: "" }, { cpu, memoryGiB }).perHour;
        const other = estimate({ ...of, cpu: of.cpu + more, basis: "" }, { cpu, memoryGiB }).perHour;
        assert.ok(one >= 0 && other >= one);
      }),
    );
  });
});

test("what a provider does not know, or would refuse, is billed by its requests", () => {
  const requests = { cpu: "1500m", memory: "2Gi", "nvidia.com/gpu": "1" };
  const pod = { spec: { containers: [{ name: "c", resources: { requests } }] } };
  const expected = { cpu: 1.5, memoryGiB: 2, gpus: { "nvidia.com/gpu": 1 }, basis: "its requests" };
  assert.deepEqual(sizeOf(pod, undefined), expected);
  assert.deepEqual(
    sizeOf(pod, () => undefined),
    expected,
  );
  const refuses = (): never => {
    throw new VirtualKubeletError("Invalid", "too large");
  };
  assert.deepEqual(sizeOf(pod, refuses), expected);
  assert.deepEqual(
    sizeOf(pod, () => size),
    size,
  );
  const broken = (): never => {
    throw new TypeError("a bug");
  };
  assert.throws(() => sizeOf(pod, broken), TypeError);
});

test("a cost is rate by time, and amounts are told in four figures", () => {
  assert.equal(costOf(3, 20 * 60_000), 1);
  assert.equal(costOf(3, -1), 0);
  assert.equal(moneyText(0.049371, "EUR"), "0.04937 EUR");
  assert.equal(moneyText(12_345.678, ""), "12345.68");
});
