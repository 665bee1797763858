// Pods go to the next member when the first has no room for what they request, also after a restart, and to none twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeReport } from "../provider/node.ts";
import type { PodReport } from "../provider/pods.ts";
import type { Provider } from "../provider.ts";
import { CompositeBench, requestOf } from "../testing/composite-bench.ts";
import { eventually } from "../testing/eventually.ts";
import { MemoryCloud } from "../testing/memory-cloud.ts";
import { isOver } from "./room.ts";

/** Of one core, and another that says nothing of its room. */
const clouds = (): ReadonlyMap<string, MemoryCloud> => {
  const watchNode = async function* (): AsyncGenerator<NodeReport> {
    yield { capacity: { cpu: "1", pods: "2" } };
  };
  return new Map([
    ["first", Object.assign(new MemoryCloud(), { watchNode })],
    ["second", new MemoryCloud()],
  ]);
};
const asking = (cpu: string): ReturnType<typeof requestOf> =>
  requestOf({ spec: { containers: [{ name: "web", image: "sleep", resources: { requests: { cpu } } }] } });

async function opened(of: ReadonlyMap<string, MemoryCloud>): Promise<CompositeBench> {
  const bench = new CompositeBench({ clouds: of });
  await bench.node(({ capacity }) => capacity !== undefined);
  return bench;
}

test("as many as fit beside one another, those that come at once too", async () => {
  await using bench = await opened(clouds());
  const pods = [asking("600m"), asking("600m"), asking("300m"), asking("2")];
  await Promise.all(pods.map((pod) => bench.provider.createPod(pod, bench.context)));
  assert.deepEqual(bench.counts(), [2, 2]);
  await bench.create();
  assert.deepEqual(bench.counts(), [2, 3], "by the number of pods");
});

test("room is there again when a pod is gone, and one that is for none waits", async () => {
  await using bench = await opened(new Map([...clouds()].slice(0, 1)));
  const first = asking("600m");
  await bench.provider.createPod(first, bench.context);
  const next = asking("600m");
  await assert.rejects(bench.provider.createPod(next, bench.context), {
    kind: "Quota",
    message: "no member takes it now: first: not enough cpu: requested: 600, used: 600, capacity: 1000",
  });
  await bench.provider.deletePod(first.owner, { gracePeriodSeconds: 0 }, bench.context);
  await eventually("it is gone", 5000, () => bench.updates.some(({ type }) => type === "gone"));
  await bench.provider.createPod(next, bench.context);
});

test("pods of a process before this one take the room that they took", async () => {
  const kept = clouds();
  const before = await opened(kept);
  const old = asking("600m");
  await before.provider.createPod(old, before.context);
  await before[Symbol.asyncDispose]();
  await using bench = await opened(kept);
  const [found] = await bench.provider.getPods(bench.context);
  assert.equal(found?.revision, "", "it is asked for again");
  const calls = bench.cloud("first").calls.get("update");
  const provider: Provider = bench.provider;
  await provider.updatePod?.(old, bench.context);
  assert.equal(bench.cloud("first").calls.get("update"), calls, "its member has it as it is");
  assert.equal((await bench.provider.getPodStatus(old.owner, bench.context)).revision, old.revision);
  await bench.provider.createPod(asking("600m"), bench.context);
  assert.deepEqual(bench.counts(), [1, 1]);
});

const ended = (exitCode: number): PodReport["containers"][number] => ({
  name: "web",
  state: { terminated: { exitCode } },
});
const { owner, pod } = requestOf({});
for (const [restartPolicy, container, over] of [
  ["Always", ended(0), false],
  ["Never", ended(3), true],
  ["OnFailure", ended(3), false],
  ["OnFailure", ended(0), true],
  ["Never", { name: "web", state: { running: {} } }, false],
] as const)
  test(`what has ended takes no room: ${restartPolicy}, ${JSON.stringify(container.state)}`, () => {
    const spec = { restartPolicy, containers: [{ name: "web", image: "x" }] };
    assert.equal(isOver({ owner, containers: [container] }, { ...pod, spec }), over);
    assert.equal(isOver({ owner, containers: [container] }, undefined), false);
  });
