// A node that shuts down with pods on it, as the API server and its users see it: they end by priority and stay, new ones are
// refused, and the next program begins where that left off. Needs root on Linux.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { NodeCondition } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { eventually } from "./harness.ts";
import { type ProcessSemantics, startProcesses } from "./semantics.ts";

const shutdown = [
  "--shutdown-when=always",
  "--shutdown-grace-period=300s",
  "--shutdown-grace-period-critical-pods=60s",
];
let bench: ProcessSemantics;
before(async () => {
  bench = await startProcesses({}, shutdown);
});
after(() => bench?.[Symbol.asyncDispose]());

const ready = async (): Promise<NodeCondition | undefined> => {
  const node = await bench.harness.client.get(nodes, { name: bench.subject.node });
  return node.status?.conditions?.find(({ type }) => type === "Ready");
};

describe("a node that shuts down", () => {
  it("ends its pods by priority, with their logs kept, and takes no new ones", async () => {
    const told = join(bench.scratch, "told");
    const slow = `trap 'at term; echo last words; until [ -e ${told} ]; do sleep 0.1; done; at over; exit 0' TERM; at up; while :; do sleep 0.1; done`;
    const fast = "trap 'at term; exit 0' TERM; at up; while :; do sleep 0.1; done";
    const terminationGracePeriodSeconds = 240;
    await bench.run("web", { terminationGracePeriodSeconds, containers: [bench.container("web", "main", slow)] });
    const critical = { terminationGracePeriodSeconds, priorityClassName: "system-node-critical" };
    await bench.run("dns", { ...critical, containers: [bench.container("dns", "main", fast)] });
    await bench.untilStamp("web", "up");
    await bench.untilStamp("dns", "up");
    await bench.untilLine("web", "Running");
    await bench.untilLine("dns", "Running");

    const { program } = bench;
    process.kill(program.pid, "SIGTERM");
    await bench.untilStamp("web", "term");
    await eventually("the node says so", 10_000, async () => {
      const { status, reason, message } = (await ready()) ?? {};
      return status === "False" && reason === "KubeletNotReady" && message === "node is shutting down";
    });
    const late = { nodeName: bench.subject.node, containers: [bench.container("late", "main", fast)] };
    await bench.run("late", late);
    const refused = await bench.until("is refused", "late", ({ status }) => status?.phase === "Failed");
    assert.equal(refused.status?.reason, "NodeShutdown");
    assert.equal(refused.status?.message, "Pod was rejected: Pod was rejected as the node is shutting down.");
    bench.touch("told");
    assert.deepEqual(await program.ended, { code: 0, signal: null });

    const at = (pod: string, what: string): number =>
      bench.stamps(pod).find((stamp) => stamp.what === what)?.at ?? assert.fail(`${pod} did not write ${what}`);
    assert.ok(at("dns", "term") >= at("web", "over"), "the cluster's own pods go last");
    for (const pod of ["web", "dns"]) {
      const { status } = await bench.until("has ended", pod, (one) => one.status?.phase === "Failed");
      assert.equal(status?.reason, "Terminated");
      assert.equal(status?.message, "Pod was terminated in response to imminent node shutdown.");
      const disruption = status?.conditions?.find(({ type }) => type === "DisruptionTarget");
      assert.deepEqual([disruption?.status, disruption?.reason], ["True", "TerminationByKubelet"]);
      assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 0);
      await bench.assertNothingRuns(pod);
    }
  });

  it("is back with the next program, and its pods stay ended", async () => {
    await bench.launch();
    await eventually("the node is ready again", 30_000, async () => (await ready())?.status === "True");
    await bench.run("next", { containers: [bench.container("next", "main", "at up; sleep 1000")] });
    await bench.untilStamp("next", "up");
    for (const pod of ["web", "dns", "late"]) {
      const object = await bench.harness.client.get(pods, { namespace: "default", name: pod });
      assert.equal(object.status?.phase, "Failed", pod);
      await bench.assertNothingRuns(pod);
    }
    assert.equal(await bench.harness.kubectl("logs", "web"), "last words");
    await bench.remove("web");
    await bench.remove("next");
  });
});
