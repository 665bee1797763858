// One call of the provider for all readers, and what is served while it fails, hangs or talks nonsense.
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Provider } from "../provider.ts";
import type { StatsSummary } from "../stats-summary.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { containerStats, podStats, runningPod, servedNode, summary } from "../testing/stats-fixtures.ts";
import { type CollectedStats, StatsCollector } from "./stats-collector.ts";

const good = (cpu = 5): StatsSummary => summary(podStats("a", containerStats({ time: 0, cpu, memory: 100 })));
const down = new VirtualKubeletError("Unavailable", "backend is down");

describe("a collector", () => {
  let clock: FakeClock;
  let calls: AbortSignal[];
  let answer: () => Promise<StatsSummary>;
  let lines: string[];
  let collect: () => Promise<CollectedStats>;
  const server = new AbortController();

  beforeEach(() => {
    clock = new FakeClock();
    calls = [];
    lines = [];
    answer = async () => good();
    const getStatsSummary: Provider["getStatsSummary"] = ({ signal }) => {
      calls.push(signal);
      return answer();
    };
    const log: Logger = {
      ...silentLogger,
      warn: (_, message) => lines.push(`warn ${message}`),
      info: (_, message) => lines.push(`info ${message}`),
    };
    const node = servedNode(() => [runningPod("a")], { getStatsSummary });
    const collector = new StatsCollector(node, { clock, log, signal: server.signal });
    collect = () => collector.collect(node);
  });

  const containers = (stats: CollectedStats) => stats.usage?.pods.flatMap((pod) => pod.containers).length;

  it("asks once for all who ask at the same time, and for a second after", async () => {
    const slow = Promise.withResolvers<StatsSummary>();
    answer = () => slow.promise;
    const readers = [collect(), collect(), collect()];
    slow.resolve(good());
    assert.deepEqual((await Promise.all(readers)).map(containers), [1, 1, 1]);
    await clock.advance(999);
    await collect();
    assert.equal(calls.length, 1);
    await clock.advance(1);
    await collect();
    assert.equal(calls.length, 2);
  });

  it("serves the last summary for a minute while the provider fails, and says so once", async () => {
    await collect();
    answer = () => Promise.reject(down);
    for (const seconds of [15, 30, 45, 60]) {
      await clock.advance(15_000);
      const stats = await collect();
      assert.deepEqual([containers(stats), stats.error?.message], [1, "backend is down"], `${seconds} s`);
    }
    await clock.advance(1_000);
    const late = await collect();
    assert.deepEqual([late.usage, late.error?.message], [undefined, "backend is down"]);
    assert.deepEqual(lines, ["warn the provider gives no stats"]);
    answer = async () => good();
    await clock.advance(1_000);
    assert.equal(containers(await collect()), 1);
    assert.deepEqual(lines, ["warn the provider gives no stats", "info the provider gives stats again"]);
  });

  it("gives up after eight seconds, and on a call that hangs asks again only after a minute", async () => {
    answer = () => new Promise(() => {});
    const reader = collect();
    await clock.advance(7_999);
    await settle();
    assert.equal(calls[0]?.aborted, false);
    await clock.advance(1);
    assert.match((await reader).error?.message ?? "", /longer than 8000 ms/);
    assert.equal(calls[0]?.aborted, true);
    answer = async () => good();
    await clock.advance(15_000);
    assert.match((await collect()).error?.message ?? "", /not answered yet/);
    assert.equal(calls.length, 1);
    await clock.advance(45_000);
    assert.equal(containers(await collect()), 1);
    assert.equal(clock.pending, 0);
  });

  it("asks again at once when a call that took too long has ended", async () => {
    const slow = Promise.withResolvers<StatsSummary>();
    answer = () => slow.promise;
    const reader = collect();
    await clock.advance(8_000);
    await reader;
    slow.reject(down);
    answer = async () => good();
    await clock.advance(1_000);
    assert.equal(containers(await collect()), 1);
  });

  it("is not taken down by a summary of another form, or a method that throws", async () => {
    for (const broken of [
      "{}",
      "null",
      '{"pods":[{}]}',
      '{"node":{},"pods":[{"podRef":{"uid":"uid-a"},"containers":7}]}',
    ]) {
      answer = async () => JSON.parse(broken);
      const stats = await collect();
      assert.equal(stats.usage, undefined, broken);
      assert.ok(stats.error instanceof VirtualKubeletError, broken);
      await clock.advance(1_000);
    }
    answer = () => {
      throw new TypeError("oops");
    };
    assert.equal((await collect()).error?.kind, "Internal");
    await clock.advance(1_000);
    answer = async () => good();
    assert.equal(containers(await collect()), 1);
  });

  it("ends its call with the server", async () => {
    answer = () => new Promise((_, reject) => calls[0]?.addEventListener("abort", () => reject(calls[0]?.reason)));
    const reader = collect();
    server.abort();
    assert.equal((await reader).error?.kind, "Aborted");
    assert.deepEqual(lines, []);
  });
});
