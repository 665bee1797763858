// A name that another kubelet's node has: refused while that kubelet lives, unless it is a virtual one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { leases, nodes } from "../kube/resource.ts";
import type { Lease, Node } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryNodes } from "../testing/memory-nodes.ts";
import { refuseForeignNodes } from "./foreign-nodes.ts";

const nodeInfo = { kubeletVersion: "v1.36.1", containerRuntimeVersion: "containerd://2.1.4" };
const worker = { status: { nodeInfo } };

class Bench {
  readonly api: MemoryNodes = new MemoryNodes();
  readonly clock: FakeClock = new FakeClock();

  async node(name: string, node: object, heardMsAgo?: number): Promise<void> {
    const object: Node = { ...node, metadata: { name, ...metadataOf(node) } };
    await this.api.client.create(nodes, object);
    if (heardMsAgo === undefined) return;
    const renewTime = new Date(this.clock.now() - heardMsAgo).toISOString();
    const lease: Lease = { metadata: { name }, spec: { renewTime, leaseDurationSeconds: 40 } };
    await this.api.client.create(leases, lease);
  }

  check(...names: string[]): Promise<void> {
    const options = { client: this.api.client, names, clock: this.clock, log: silentLogger };
    return refuseForeignNodes(options, new AbortController().signal);
  }
}

const metadataOf = (node: object): object =>
  "metadata" in node && typeof node.metadata === "object" && node.metadata !== null ? node.metadata : {};

test("a worker of the cluster is not taken over, however many nodes there are", async () => {
  const bench = new Bench();
  await bench.node("worker-1", worker, 3000);
  const names = Array.from({ length: 40 }, (_, index) => `vk-${index}`);
  await bench.check(...names);
  await assert.rejects(bench.check(...names, "worker-1"), {
    kind: "Conflict",
    message:
      "node worker-1 belongs to another kubelet (v1.36.1, containerd://2.1.4), heard of 3 s ago, and is not touched: choose another name (--nodename); if this program is to take its place, end that kubelet, and start again when its lease has run out (40 s)",
  });
  assert.deepEqual(
    bench.api.calls.filter(({ verb }) => verb !== "get" && verb !== "create"),
    [],
  );
});

for (const [what, node, heardMsAgo] of [
  ["one that nobody is heard of", worker, undefined],
  ["one whose kubelet has ended", worker, 41_000],
  ["one of ours that runs", { metadata: { annotations: { "virtual-kubelet.io/managed": "{}" } } }, 1000],
  ["one of ours without anything written down", { status: { nodeInfo: { kubeletVersion: "v1.36.3-vk-0.1.0" } } }, 1000],
  ["one of the Go project's", { ...worker, metadata: { labels: { type: "virtual-kubelet" } } }, 1000],
] as const)
  test(`${what} may be taken over`, async () => {
    const bench = new Bench();
    await bench.node("n", node, heardMsAgo);
    await bench.check("n");
  });

test("credentials that may not look start all the same; an API server that is away is waited for", async () => {
  const bench = new Bench();
  await bench.node("worker-1", worker, 3000);
  bench.api.fault = () => new VirtualKubeletError("Forbidden", "not for you");
  await bench.check("worker-1");
  bench.api.fault = () => new VirtualKubeletError("Unavailable", "away");
  const checked = bench.check("worker-1");
  await bench.clock.advance(1500);
  bench.api.fault = () => undefined;
  await Promise.all([assert.rejects(checked, { kind: "Conflict" }), bench.clock.advance(2000)]);
});
