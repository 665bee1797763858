// How often a cloud is asked about many pods that run: what one account's limits have to bear.
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../log.ts";
import type { PodOwner } from "../provider/pods.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { CloudBackend, CloudGroup } from "./cloud-backend.ts";
import { CloudProvider } from "./cloud-provider.ts";

interface Case {
  readonly pods: number;
  readonly describeAtOnce: number;
  /** The most calls in any one minute after the first. */
  readonly most: number;
}

/** Groups that run for long already; only what a provider needs to look at them. */
function steadyCloud(pods: number, describeAtOnce: number, asked: () => void): CloudBackend {
  const groups = Array.from({ length: pods }, (_, index): CloudGroup => {
    const uid = `uid-${index}`;
    const owner: PodOwner = { cluster: "c", node: "n", namespace: "default", name: uid, uid };
    const state = { running: { startedAt: "2025-01-01T00:00:00Z" } };
    return {
      owner,
      id: uid,
      stage: "running",
      containers: [{ name: "web", state }],
      startTime: "2025-01-01T00:00:00Z",
    };
  });
  const byId = new Map(groups.map((group) => [group.id, group]));
  return {
    ...{ type: "steady", describeAtOnce, honoursGrace: true },
    admit: () => {},
    create: async () => ({ id: "", notes: [] }),
    list: async () => groups,
    describe: async (refs) => {
      asked();
      return refs.map(({ id }) => byId.get(id));
    },
    remove: async () => {},
    nativeProbes: () => [],
  };
}

for (const { pods, describeAtOnce, most } of [
  { pods: 100, describeAtOnce: 1, most: 350 },
  { pods: 1000, describeAtOnce: 1, most: 350 },
  { pods: 5000, describeAtOnce: 1, most: 350 },
  { pods: 1000, describeAtOnce: 100, most: 80 },
  { pods: 5000, describeAtOnce: 100, most: 200 },
] satisfies readonly Case[])
  test(`${pods} pods that run, ${describeAtOnce} in a call, take at most ${most} calls a minute`, async () => {
    const clock = new FakeClock();
    const minutes: number[] = [0];
    const backend = steadyCloud(pods, describeAtOnce, () => {
      minutes[minutes.length - 1] = (minutes.at(-1) ?? 0) + 1;
    });
    const stop = new AbortController();
    const context = { signal: stop.signal, log: silentLogger };
    const provider = new CloudProvider({
      ...{ backend, node: "n", log: silentLogger, capabilities: {}, clock, random: chances() },
    });
    assert.equal((await provider.getPods(context)).length, pods);
    for (let minute = 0; minute < 6; minute++) {
      await clock.advance(60_000);
      minutes.push(0);
    }
    const steady = minutes.slice(1, -1);
    assert.ok(Math.max(...steady) <= most, `${steady.join(", ")} calls a minute`);
    assert.ok(Math.max(...steady) > 0, "they are looked at");
    // As many as in any other minute: what was found running is not looked at more often because the program is new.
    assert.ok((minutes[0] ?? 0) <= most, `${minutes[0]} calls in the first minute`);
    stop.abort();
    await provider[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0);
  });

/** 0 to below 1, spread evenly. */
function chances(): () => number {
  let last = 0.5;
  return () => {
    last = (last + 0.618033988749895) % 1;
    return last;
  };
}
