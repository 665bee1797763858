// Where pods of a composite go: by rule, past members that have no room, and never to two at once.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { NodeReport } from "../provider/node.ts";
import type { Provider } from "../provider.ts";
import { CompositeBench, memberOf, requestOf } from "../testing/composite-bench.ts";
import { eventually } from "../testing/eventually.ts";

describe("a pod of a composite", () => {
  test("goes to the first that can, which is told", async () => {
    await using bench = new CompositeBench();
    const { owner } = await bench.create();
    assert.deepEqual(bench.counts(), [1, 0]);
    assert.equal(memberOf(await bench.provider.getPodStatus(owner, bench.context)), "first");
    await eventually("an event", 2000, () => bench.reasons().includes("MemberChosen"));
  });

  for (const kind of ["Quota", "Throttled"] as const)
    test(`goes to the next when the first says ${kind}`, async () => {
      await using bench = new CompositeBench();
      bench.fail("first", kind);
      const { owner } = await bench.create();
      assert.deepEqual(bench.counts(), [0, 1]);
      assert.equal(memberOf(await bench.provider.getPodStatus(owner, bench.context)), "second");
    });

  test("is never given to a second one while the first may have it", async () => {
    await using bench = new CompositeBench();
    const request = requestOf({});
    bench.fail("first", "Unavailable");
    await assert.rejects(bench.provider.createPod(request, bench.context), { kind: "Unavailable" });
    assert.deepEqual(bench.counts(), [0, 0]);
    bench.cloud("first").faults.set("list", new VirtualKubeletError("Unavailable", "down"));
    await assert.rejects(bench.provider.createPod(request, bench.context), { kind: "Unavailable" });
    assert.deepEqual(bench.counts(), [0, 0], "it cannot say whether it has it");
    bench.cloud("first").faults.delete("list");
    bench.fail("first", "Quota");
    await eventually("it says that it has none", 5000, async () => {
      await bench.provider.createPod(request, bench.context);
      return true;
    });
    assert.deepEqual(bench.counts(), [0, 1]);
  });

  test("is refused for good only when no member ever can", async () => {
    const features = ["probes"] as const;
    await using bench = new CompositeBench({ capabilities: { first: { features }, second: { features } } });
    const spec = { hostNetwork: true, containers: [{ name: "web", image: "sleep" }] };
    await assert.rejects(bench.provider.createPod(requestOf({ spec }), bench.context), {
      kind: "Unsupported",
      field: "spec.hostNetwork",
      message: /first: .*; second: /,
    });
    await using other = new CompositeBench({ capabilities: { first: { features } } });
    bench.fail("first", undefined);
    const tty = { containers: [{ name: "web", image: "sleep", tty: true }] };
    await other.create({ spec: tty });
    assert.deepEqual(other.counts(), [0, 1], "the one that can");
  });

  test("waits while none takes it now, with the words of each", async () => {
    await using bench = new CompositeBench();
    bench.fail("first", "Throttled");
    bench.fail("second", "Quota");
    await assert.rejects(bench.provider.createPod(requestOf({}), bench.context), {
      kind: "Quota",
      message: /first: first: Throttled; second: second: Quota/,
    });
  });

  test("is adopted where it is after a restart, whatever the rule says", async () => {
    const bench = new CompositeBench();
    bench.fail("first", "Quota");
    const { owner } = await bench.create();
    await bench[Symbol.asyncDispose]();
    bench.fail("first", undefined);
    await using next = new CompositeBench({ clouds: bench.clouds });
    const [found] = await next.provider.getPods(next.context);
    assert.deepEqual([found?.owner, found && memberOf(found)], [owner, "second"]);
    await next.provider.deletePod(owner, { gracePeriodSeconds: 0 }, next.context);
    await eventually("it is gone", 5000, () => next.updates.some(({ type }) => type === "gone"));
    assert.deepEqual(next.counts(), [0, 0]);
  });

  test("that this process has not seen yet waits for a member that is silent, a new one does not", async () => {
    await using bench = new CompositeBench();
    bench.cloud("second").faults.set("list", new VirtualKubeletError("Unavailable", "down"));
    await assert.rejects(bench.provider.getPods(bench.context), { kind: "Unavailable" });
    const status = { startTime: "2026-01-01T00:00:00Z" };
    await assert.rejects(bench.provider.createPod(requestOf({ status }), bench.context), /second may have the pod/);
    await bench.create();
    assert.deepEqual(bench.counts(), [1, 0]);
  });

  test("goes to no member that refuses creates, although it can be reached", async () => {
    await using bench = new CompositeBench({ settings: { circuit: { failures: 2, openSeconds: 60 } } });
    bench.fail("first", "Quota");
    await bench.create();
    await bench.create();
    const provider: Provider = bench.provider;
    await provider.ping?.(bench.context);
    const tries = bench.cloud("first").calls.get("create");
    await bench.create();
    assert.equal(bench.cloud("first").calls.get("create"), tries);
  });

  test("is not given to a member whose circuit is open, as the node says", async () => {
    await using bench = new CompositeBench({ settings: { circuit: { failures: 2, openSeconds: 1 } } });
    const [type] = ["members.virtual-kubelet.io/first"];
    const status = ({ conditions = [] }: NodeReport): string | undefined =>
      conditions.find((condition) => condition.type === type)?.status;
    assert.equal(status(await bench.node(() => true)), "True");
    bench.fail("first", "Quota");
    await bench.create();
    await bench.create();
    const tries = bench.cloud("first").calls.get("create");
    const open = await bench.node((report) => status(report) === "False");
    assert.match(open.conditions?.[0]?.message ?? "", /first takes no new pods for now: first: Quota/);
    await bench.create();
    assert.equal(bench.cloud("first").calls.get("create"), tries);
    bench.fail("first", undefined);
    await eventually("it is tried again", 5000, async () => {
      await bench.create();
      return bench.cloud("first").size > 0;
    });
    assert.equal(status(await bench.node(() => true)), "True");
  });
});
