import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pod } from "../kube/types.gen.ts";
import { type EvictionCandidate, evictionMessage, evictionOrder, type Pressure } from "./eviction.ts";

const mebi = 1024 * 1024;
const time = "2026-01-01T00:00:00Z";

function candidate(name: string, priority: number, requestMi: number, usedMi: number): EvictionCandidate {
  const requests = requestMi === 0 ? {} : { memory: `${requestMi}Mi` };
  const pod: Pod = {
    metadata: { name },
    spec: { priority, containers: [{ name: "c", resources: { requests } }] },
  };
  return { pod, stats: [{ name: "c", startTime: time, memory: { time, workingSetBytes: usedMi * mebi } }] };
}

describe("the order of eviction", () => {
  const rows: readonly (readonly [string, readonly EvictionCandidate[], string, Pressure?])[] = [
    [
      "what uses more than requested goes before what does not",
      [candidate("within", -5, 100, 90), candidate("beyond", 9, 10, 20)],
      "beyond within",
    ],
    ["then the lower priority", [candidate("high", 10, 0, 900), candidate("low", 1, 0, 10)], "low high"],
    ["then the larger excess", [candidate("a", 0, 100, 150), candidate("b", 0, 10, 90)], "b a"],
    [
      "short of disk, those go first that use most of it, volumes included",
      [
        { ...candidate("a", 0, 0, 900), storageBytes: 1 },
        { ...candidate("b", 0, 0, 1), storageBytes: 2 },
      ],
      "b a",
      "DiskPressure",
    ],
    [
      "the cluster's own never",
      [candidate("system", 2_000_000_000, 0, 900), candidate("user", 1_999_999_999, 0, 1)],
      "user",
    ],
  ];
  for (const [name, candidates, order, pressure = "MemoryPressure"] of rows)
    it(name, () => {
      const names = evictionOrder(pressure, candidates).map(({ pod }) => pod.metadata?.name);
      assert.equal(names.join(" "), order);
    });
});

describe("the message of an eviction", () => {
  it("names the resource, and the containers that use more than they requested", () => {
    assert.equal(
      evictionMessage("MemoryPressure", candidate("p", 0, 1, 2)),
      "The node was low on resource: memory. Container c was using 2048Ki, request is 1Mi, has larger consumption of memory. ",
    );
    assert.equal(
      evictionMessage("DiskPressure", candidate("p", 0, 1, 2)),
      "The node was low on resource: ephemeral-storage. ",
    );
  });
});
