// The kubelet's arithmetic of requests and limits, by tables.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KillRank, ResourceRequirements } from "@virtual-kubelet/virtual-kubelet";
import { changedLimits, cpuShares, infraLimits, limitsOf, oomScoreAdj } from "./limits.ts";

const host = { memoryBytes: 8 * 2 ** 30, lowestOomScoreAdj: -1000 };

describe("limits", () => {
  it("of cpu are shares by request, a quota by limit, with the least that the kernel takes", () => {
    const shares: readonly (readonly [ResourceRequirements, number])[] = [
      [{}, 2],
      [{ requests: { cpu: "1m" } }, 2],
      [{ requests: { cpu: "100m" } }, 102],
      [{ requests: { cpu: "250m" }, limits: { cpu: "2" } }, 256],
      [{ limits: { cpu: "1500m" } }, 1536],
      [{ requests: { cpu: "0" }, limits: { cpu: "1" } }, 2],
      [{ requests: { cpu: "1000" } }, 262_144],
    ];
    for (const [resources, expected] of shares) assert.equal(cpuShares(resources), expected, JSON.stringify(resources));
    const quotas: readonly (readonly [string, number | undefined])[] = [
      ["0", undefined],
      ["1m", 1000],
      ["10m", 1000],
      ["15m", 1500],
      ["0.5", 50_000],
      ["2", 200_000],
    ];
    for (const [cpu, quota] of quotas) {
      const limits = limitsOf({ resources: { limits: { cpu } } }, host);
      assert.deepEqual([limits.CpuQuota, limits.CpuPeriod], [quota, quota === undefined ? undefined : 100_000], cpu);
    }
  });

  it("of memory hold with swap, and none of processes is an engine's default", () => {
    const { Memory, MemorySwap, PidsLimit } = limitsOf({ resources: { limits: { memory: "64Mi" } } }, host);
    assert.deepEqual([Memory, MemorySwap, PidsLimit], [67_108_864, 67_108_864, -1]);
    const none = limitsOf({ resources: { requests: { memory: "64Mi" }, limits: { memory: "0" } } }, host);
    assert.ok(!("Memory" in none) && !("MemorySwap" in none) && none.PidsLimit === -1);
    assert.equal(limitsOf({ resources: {} }, { ...host, containerPids: 100 }).PidsLimit, 100);
  });

  it("that are taken away are said to be", () => {
    assert.deepEqual(changedLimits({ requests: { cpu: "500m" } }), {
      ...{ CpuShares: 512, CpuPeriod: 100_000, CpuQuota: -1, Memory: -1, MemorySwap: -1 },
    });
    assert.deepEqual(changedLimits({ limits: { cpu: "30m", memory: "1Mi" } }), {
      ...{ CpuShares: 30, CpuPeriod: 100_000, CpuQuota: 3000, Memory: 1_048_576, MemorySwap: 1_048_576 },
    });
  });
});

describe("oom_score_adj", () => {
  it("goes by the class, and in between by the share of the host's memory", () => {
    const burstable = (memoryRequestBytes: number): KillRank => ({ qosClass: "Burstable", memoryRequestBytes });
    const table: readonly (readonly [KillRank | undefined, number])[] = [
      [undefined, 1000],
      [{ qosClass: "BestEffort", memoryRequestBytes: 0 }, 1000],
      [{ qosClass: "Guaranteed", memoryRequestBytes: 1 }, -997],
      [burstable(0), 999],
      [burstable(1), 999],
      [burstable(2 ** 30), 875],
      [burstable(4 * 2 ** 30), 500],
      [burstable(8 * 2 ** 30), 3],
    ];
    for (const [rank, expected] of table) assert.equal(oomScoreAdj(rank, host), expected, JSON.stringify(rank));
  });

  it("is never lower than the engine may set it", () => {
    const bare = { ...host, lowestOomScoreAdj: 0 };
    assert.equal(oomScoreAdj({ qosClass: "Guaranteed", memoryRequestBytes: 0 }, bare), 0);
    assert.equal(infraLimits(bare).OomScoreAdj, 0);
    assert.equal(infraLimits(host).OomScoreAdj, -998);
    assert.equal(
      oomScoreAdj({ qosClass: "Burstable", memoryRequestBytes: 2 ** 40 }, { ...host, lowestOomScoreAdj: 100 }),
      100,
    );
  });
});
