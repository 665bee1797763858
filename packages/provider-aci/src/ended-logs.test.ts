// Logs of runs that are over: kept while the cloud still has them.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ContainerReport, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { eventually, FakeClock, MemoryGroups, resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";
import { EndedLogs } from "./ended-logs.ts";
import { providerOf } from "./testing/aci-bench.ts";
import { FakeArm } from "./testing/fake-arm.ts";

const finishedAt = "2026-01-01T00:01:00Z";

function groupOf(container: Partial<ContainerReport>, more: Partial<CloudGroup> = {}): CloudGroup {
  const owner = { cluster: "c", node: "n", namespace: "d", name: "p", uid: "u" };
  const lastState = { terminated: { exitCode: 1, finishedAt } };
  const main = { name: "main", state: { waiting: { reason: "CrashLoopBackOff" } }, lastState, ...container };
  return { ...{ owner, id: "/g", stage: "starting", containers: [main] }, ...more };
}

function logsOf(text: string): { readonly ended: EndedLogs; readonly asked: string[] } {
  const asked: string[] = [];
  const listLogs = async (name: string, container: string): Promise<string> => {
    asked.push(`${name}/${container}`);
    return text;
  };
  return { ended: new EndedLogs({ client: { listLogs } }), asked };
}

describe("the log of a run that is over", () => {
  it("is read once, while the next has not begun, without that one's lines", async () => {
    const { ended, asked } = logsOf(
      "2026-01-01T00:00:59.5Z one\n2026-01-01T00:01:00.9Z two\n2026-01-01T00:01:09Z next\n",
    );
    ended.seen(groupOf({ restartCount: 2 }), "g");
    ended.seen(groupOf({ restartCount: 2 }), "g");
    await ended[Symbol.asyncDispose]();
    assert.deepEqual(asked, ["g/main"]);
    assert.equal(ended.of("u", "main", 2), "2026-01-01T00:00:59.5Z one\n2026-01-01T00:01:00.9Z two\n");
    assert.equal(ended.of("u", "main", 1), undefined);
  });

  it("is not read of what runs, has not run, or does not run again", async () => {
    const { ended, asked } = logsOf("");
    ended.seen(groupOf({ state: { running: {} } }), "g");
    ended.seen(groupOf({ lastState: undefined }), "g");
    ended.seen(groupOf({}, { stage: "ended" }), "g");
    await ended[Symbol.asyncDispose]();
    assert.deepEqual(asked, []);
  });

  it("is bounded, in itself and with all others", async () => {
    const line = `2026-01-01T00:00:00Z ${"x".repeat(1000)}\n`;
    const { ended } = logsOf(`2026-01-01T00:00:00Z first\n${line.repeat(150)}2026-01-01T00:00:59Z last\n`);
    for (let run = 0; run < 300; run++) {
      ended.seen(groupOf({ restartCount: run }), "g");
      await new Promise(setImmediate);
    }
    await ended[Symbol.asyncDispose]();
    const kept = Array.from({ length: 300 }, (_, run) => ended.of("u", "main", run)).filter(
      (text) => text !== undefined,
    );
    assert.ok(kept.length <= 256 && kept.length > 200, `${kept.length} are kept`);
    assert.ok(kept.every((text) => text.length <= 33_000 && text.endsWith("last\n")));
  });

  it("is tried again after a failure", async () => {
    let calls = 0;
    const listLogs = async (): Promise<string> => {
      calls += 1;
      if (calls === 1) throw new Error("no");
      return "2026-01-01T00:00:00Z a\n";
    };
    const ended = new EndedLogs({ client: { listLogs } });
    ended.seen(groupOf({}), "g");
    await new Promise(setImmediate);
    ended.seen(groupOf({}), "g");
    await ended[Symbol.asyncDispose]();
    assert.equal(ended.of("u", "main", 0), "2026-01-01T00:00:00Z a\n");
  });
});

it("kubectl logs --previous shows it, between two runs and in the next", async () => {
  // The cloud's time is moved by hand: a run ends, and the next one begins, when all that is to be seen before has been.
  const clock = new FakeClock(Date.now());
  const runner = new MemoryGroups({ exitAfterMs: 60_000, clock });
  await using fake = await FakeArm.start({ runner, clock, pace: { restartMs: 60_000 } });
  const provider = providerOf(fake, { node: "n", cluster: "c" });
  try {
    const context = { signal: AbortSignal.timeout(300_000), log: silentLogger };
    const yaml = "{kind: Pod, metadata: {name: p}, spec: {containers: [{name: main, image: exit-1}]}}";
    const [request] = resolvedRequests(yaml, { node: "n", cluster: "c" });
    assert.ok(request !== undefined);
    await provider.createPod(request, context);
    const previous = async (): Promise<string> => {
      const target = { owner: request.owner, pod: request.pod, container: "main" };
      const logs = await provider.getContainerLogs?.(target, { previous: true }, context);
      assert.ok(logs !== undefined);
      const chunks: Uint8Array[] = [];
      for await (const chunk of logs.data) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    const untilIs = (state: "waiting" | "running", restarts: number): Promise<boolean> =>
      eventually(`it is ${state}`, 10_000, async () => {
        const main = (await provider.getPodStatus(request.owner, context)).containers[0];
        return main?.state[state] !== undefined && main.lastState !== undefined && (main.restartCount ?? 0) >= restarts;
      });
    await clock.advance(1_000);
    await clock.advance(60_000);
    await untilIs("waiting", 0);
    const between = await previous();
    assert.match(between, /^\d{4}-\S+Z .+\n/);
    await eventually("it is read to be kept, too", 10_000, () => (fake.calls.get("logs") ?? 0) >= 2);
    await clock.advance(60_000);
    await untilIs("running", 1);
    await eventually("it is shown in the next run", 10_000, async () => (await previous()) === between);
  } finally {
    await provider[Symbol.asyncDispose]?.();
  }
  assert.deepEqual(fake.problems, []);
});
