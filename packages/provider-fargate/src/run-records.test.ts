// Counting of runs that goes on in the next program, and what it costs.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Tag } from "@aws-sdk/client-ecs";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { factsOf } from "./container-facts.ts";
import { countText, seenLagMs } from "./container-runs.ts";
import { RunRecords } from "./run-records.ts";
import { tagsOf } from "./task-owner.ts";
import { at, taskArn, taskOf } from "./testing/task-shapes.ts";

function bench(policy = "Always", kind = "main") {
  let now = at(15).getTime();
  let task = taskOf({ lastStatus: "RUNNING", desiredStatus: "RUNNING", startedAt: at(12) }, [], {
    web: `${kind} ${policy} -`,
  });
  const writes: (readonly Tag[])[] = [];
  const faults: VirtualKubeletError[] = [];
  const records = () =>
    new RunRecords({
      clock: { now: () => now, schedule: () => () => {} },
      log: silentLogger,
      aws: {
        tagResource: async ({ tags = [] }) => {
          const fault = faults.pop();
          if (fault !== undefined) throw fault;
          writes.push(tags);
          const others = (task.tags ?? []).filter(({ key }) => !tags.some((tag) => tag.key === key));
          task = { ...task, tags: [...others, ...tags] };
          return {};
        },
      },
    });
  const look = async (by: RunRecords, web: Container): Promise<string> => {
    const container = { name: "web", ...web };
    const runs = by.see(taskArn, container, factsOf("web", tagsOf(task)));
    by.save({ ...task, containers: [container] });
    await new Promise(setImmediate);
    return countText(runs);
  };
  return {
    ...{ records, look, writes, faults, now: () => now },
    pass: (ms: number): void => {
      now += ms;
    },
  };
}

const run = (runtimeId: string, more: Container = {}): Container => ({ lastStatus: "RUNNING", runtimeId, ...more });

describe("runs of a container", () => {
  it("are counted on by a program that starts later, also those that it did not see", async () => {
    const { records, look, writes, pass } = bench();
    const first = records();
    assert.equal(await look(first, run("a")), "0 a -");
    assert.equal(await look(first, run("b")), "1 b -");
    assert.equal(writes.length, 1);
    const second = records();
    assert.equal(await look(second, run("b")), "1 b -");
    assert.equal(await look(second, run("c")), "2 c -");
    const third = records();
    pass(60_000);
    assert.equal(await look(third, run("d")), "3 d -");
    assert.equal(writes.length, 3);
  });

  it("have the code of the last one where a look showed it, and keep it", async () => {
    const { records, look } = bench();
    const first = records();
    await look(first, run("a"));
    await look(first, { lastStatus: "STOPPED", runtimeId: "a", exitCode: 3 });
    assert.equal(await look(first, run("b")), "1 b 3");
    assert.equal(await look(records(), run("b")), "1 b 3");
    assert.equal(await look(first, run("c")), "2 c -", "that of b is not known");
  });

  it("cost one write each, none while the first is young or cannot be followed by another", async () => {
    const { records, look, writes, pass } = bench();
    const first = records();
    await look(first, run("a"));
    pass(20_000);
    await look(first, run("a"));
    assert.equal(writes.length, 0);
    pass(20_000);
    for (let turn = 0; turn < 3; turn++) await look(first, run("a"));
    assert.equal(writes.length, 1);
    for (const [policy, kind] of [
      ["Never", "main"],
      ["Always", "init"],
    ] as const) {
      const other = bench(policy, kind);
      other.pass(100_000);
      await other.look(other.records(), run("a"));
      assert.equal(other.writes.length, 0);
    }
  });

  it("are written later when AWS has no time, and not when it forbids it", async () => {
    const { records, look, writes, faults } = bench();
    const first = records();
    await look(first, run("a"));
    faults.push(new VirtualKubeletError("Throttled", "slow down"));
    await look(first, run("b"));
    assert.equal(writes.length, 0);
    assert.equal(await look(first, run("b")), "1 b -");
    assert.equal(writes.length, 1);
    faults.push(new VirtualKubeletError("Forbidden", "no"));
    await look(first, run("c"));
    assert.equal(await look(first, run("d")), "3 d -", "it counts all the same");
    assert.equal(writes.length, 1);
  });

  it("are told apart in their log by looks: no line is lost, those between two looks are of both", async () => {
    const { records, look, pass, now } = bench();
    const first = records();
    await look(first, run("a"));
    assert.equal(first.of(taskArn, "web")?.runs.since, undefined, "all is of the first");
    pass(70_000);
    await look(first, run("a"));
    const lastOfA = now();
    pass(20_000);
    await look(first, run("b"));
    const firstOfB = now();
    const runs = first.of(taskArn, "web")?.runs;
    assert.equal(runs?.since, lastOfA - seenLagMs);
    assert.deepEqual(runs?.before, { from: undefined, to: firstOfB + 1000 });
    pass(100_000);
    await look(first, { lastStatus: "STOPPED", runtimeId: "b", exitCode: 1 });
    const endOfB = now();
    pass(10_000);
    await look(first, run("c"));
    const later = first.of(taskArn, "web")?.runs;
    assert.deepEqual(later?.before, { from: runs?.since, to: endOfB + 1000 }, "its end was seen");
    assert.equal(later?.since, endOfB - seenLagMs);
    const second = records();
    await look(second, run("c"));
    assert.deepEqual(second.of(taskArn, "web")?.runs, { ...later, lastEnd: { exitCode: 1, isOutOfMemory: false } });
  });

  it("that nobody saw begin are not told apart from those before", async () => {
    const { records, look, pass } = bench();
    const first = records();
    await look(first, run("a"));
    pass(70_000);
    await look(first, run("b"));
    const since = first.of(taskArn, "web")?.runs.since;
    const second = records();
    pass(600_000);
    await look(second, run("c"));
    const runs = second.of(taskArn, "web")?.runs;
    assert.deepEqual([runs?.count, runs?.since, runs?.before], [2, since, undefined]);
    pass(20_000);
    await look(second, run("d"));
    assert.equal(second.of(taskArn, "web")?.runs.before?.from, since, "no line of it is lost");
  });
});
