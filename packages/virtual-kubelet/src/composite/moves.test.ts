// Pods of a composite of which nothing starts go to another member; none is lost or doubled on the way, or by a crash.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { CompositeBench, memberOf, requestOf } from "../testing/composite-bench.ts";
import { eventually, throughout } from "../testing/eventually.ts";

const never = { containers: [{ name: "web", image: "never" }] };

describe("a pod between members", () => {
  test("of which nothing starts moves to the next, and stays where it started", async () => {
    await using bench = new CompositeBench({ settings: { moveAfterSeconds: 0.2 } });
    const runs = await bench.create();
    const stuck = await bench.create({}, "never");
    await eventually("it is with the other", 10_000, () => bench.counts()[1] === 1);
    assert.deepEqual(bench.counts(), [1, 1]);
    const report = await bench.provider.getPodStatus(stuck.owner, bench.context);
    assert.equal(memberOf(report), "second");
    assert.equal(memberOf(await bench.provider.getPodStatus(runs.owner, bench.context)), "first");
    assert.ok(bench.reasons().includes("MemberLeft"));
    assert.deepEqual(
      bench.updates.filter(({ type }) => type === "gone"),
      [],
      "it was never told to be gone",
    );
  });

  test("that no other member takes is not lost between the two, and is given to one that has room again", async () => {
    await using bench = new CompositeBench({ settings: { moveAfterSeconds: 0.2 } });
    const stuck = await bench.create({}, "never");
    bench.fail("first", "Quota");
    bench.fail("second", "Quota");
    await eventually("it has left", 10_000, () => bench.reasons().includes("MemberLeft"));
    const report = await bench.provider.getPodStatus(stuck.owner, bench.context);
    assert.equal(report.containers[0]?.state.waiting?.reason, "Moving");
    const listed = await bench.provider.getPods(bench.context);
    assert.deepEqual(
      listed.map(({ owner }) => owner.uid),
      [stuck.owner.uid],
    );
    await bench.provider.createPod(stuck, bench.context);
    bench.fail("second", undefined);
    await eventually("it is with the other", 10_000, () => bench.counts()[1] === 1);
    assert.equal(bench.counts()[0], 0);
  });

  test("that is deleted between two members is gone, and is given to none", async () => {
    await using bench = new CompositeBench({ settings: { moveAfterSeconds: 0.2 } });
    const { owner } = await bench.create({}, "never");
    bench.fail("first", "Quota");
    bench.fail("second", "Quota");
    await eventually("it has left", 10_000, () => bench.reasons().includes("MemberLeft"));
    await assert.rejects(bench.provider.deletePod(owner, { gracePeriodSeconds: 0 }, bench.context), {
      kind: "NotFound",
    });
    bench.fail("first", undefined);
    bench.fail("second", undefined);
    await assert.rejects(bench.provider.getPodStatus(owner, bench.context), { kind: "NotFound" });
    const asked = bench.cloud("second").calls.get("create");
    await throughout("nobody is given it", 400, () => bench.cloud("second").calls.get("create") === asked);
    assert.deepEqual(bench.counts(), [0, 0]);
  });

  test("whose member cannot be told to let it go is asked again, and is told to be gone when it is deleted meanwhile", async () => {
    await using bench = new CompositeBench({ settings: { moveAfterSeconds: 0.2 } });
    const { owner } = await bench.create({}, "never");
    bench.cloud("first").faults.set("remove", new VirtualKubeletError("Unavailable", "down"));
    await eventually("a try", 5000, () => (bench.cloud("first").calls.get("remove") ?? 0) > 0);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 0 }, bench.context);
    bench.cloud("first").faults.clear();
    await eventually("it is told to be gone", 10_000, () => bench.updates.some(({ type }) => type === "gone"));
    assert.deepEqual(bench.counts(), [0, 0]);
  });

  test("that two members have after a crash stays where it runs", async () => {
    const bench = new CompositeBench();
    const request = requestOf({});
    await bench.cloud("second").create(request);
    await bench.cloud("first").create({ ...request, pod: { ...request.pod, spec: never } });
    await eventually("one of them alone", 10_000, async () => {
      await bench.provider.getPods(bench.context);
      return bench.counts().join() === "0,1";
    });
    assert.equal(memberOf(await bench.provider.getPodStatus(request.owner, bench.context)), "second");
    await bench[Symbol.asyncDispose]();
  });

  test("waits for a silent member when it is older than this process, although nothing was told of it", async () => {
    await using bench = new CompositeBench();
    bench.cloud("second").faults.set("list", new VirtualKubeletError("Unavailable", "down"));
    const { pod, ...request } = requestOf({});
    const metadata = { ...pod.metadata, creationTimestamp: new Date(Date.now() - 60_000).toISOString() };
    const create = bench.provider.createPod({ ...request, pod: { ...pod, metadata } }, bench.context);
    await assert.rejects(create, /may have the pod, and has not been listed yet/);
    assert.deepEqual(bench.counts(), [0, 0]);
  });
});
