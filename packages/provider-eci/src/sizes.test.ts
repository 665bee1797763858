// The sizes that groups have.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupSizes, nextSize } from "./sizes.ts";

describe("the next size", () => {
  const cases: readonly (readonly [readonly [number, number], readonly [number, number] | undefined])[] = [
    [
      [0.1, 0.1],
      [0.25, 0.5],
    ],
    [
      [0.25, 1.5],
      [0.5, 2],
    ],
    [
      [0.3, 0.5],
      [0.5, 1],
    ],
    [
      [1, 1],
      [1, 2],
    ],
    [
      [1, 9],
      [2, 16],
    ],
    [
      [2, 1],
      [2, 1],
    ],
    [
      [7, 13],
      [8, 16],
    ],
    [
      [12, 12],
      [12, 12],
    ],
    [
      [33, 1],
      [52, 96],
    ],
    [
      [64, 512],
      [64, 512],
    ],
    [[65, 1], undefined],
    [[1, 513], undefined],
  ];
  for (const [[cpu, memory], wanted] of cases)
    it(`of ${cpu} cores and ${memory} GiB`, () => {
      const size = nextSize({ cpu, memory });
      assert.deepEqual(size === undefined ? undefined : [size.cpu, size.memory], wanted);
    });
});

describe("a group", () => {
  const defaultRequests = { cpu: "1", memory: "2Gi" };
  const spec = {
    containers: [
      { name: "a", resources: { requests: { cpu: "250m", memory: "1Gi" }, limits: { cpu: "2", memory: "3Gi" } } },
      { name: "b", resources: { requests: { cpu: "250m" }, limits: { memory: "1Gi" } } },
    ],
  };

  it("is as large as its requests, or as its limits", () => {
    assert.deepEqual(groupSizes(spec, { defaultRequests, sizeBy: "requests" }).group, { cpu: 0.5, memory: 2 });
    const { group, limits, notes } = groupSizes(spec, { defaultRequests, sizeBy: "limits" });
    assert.deepEqual(group, { cpu: 2.25, memory: 4 });
    assert.deepEqual(limits.get("a"), { cpu: 2, memory: 3 });
    assert.deepEqual(
      notes.map(({ reason }) => reason),
      ["ResourcesRounded"],
    );
  });

  it("never loses a byte by rounding", () => {
    const bytes = { requests: { cpu: "1m", memory: String(2 ** 30 + 1) } };
    const { group } = groupSizes(
      { containers: [{ name: "a", resources: bytes }] },
      { defaultRequests, sizeBy: "requests" },
    );
    assert.deepEqual(group, { cpu: 0.001, memory: 1.001 });
  });
});
