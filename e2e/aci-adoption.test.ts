// A container group that the Go provider made is taken over with its pod when the program comes in its place; one of another cluster
// whose node has the same name is left alone. Its address is dialled for port-forward. Groups are simulated.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { it } from "node:test";
import { clientOf, groupOf } from "../packages/provider-aci/src/testing/arm-bench.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { AciWorld } from "./cloud/aci-world.ts";
import { CloudBench, cloudNode } from "./cloud/world.ts";
import { eventually, type Harness, podObject } from "./harness.ts";
import { kubectlClients, startKubectl } from "./kubectl.ts";

it("groups of a running Go installation are adopted; those of another cluster stay", { timeout: 600_000 }, async () => {
  const world = await AciWorld.start(new MemoryGroups(), "app:1");
  await using bench = await CloudBench.start(world);
  const { harness } = bench;
  await bench.program?.kill("SIGTERM");
  await using client = clientOf(world.fake);
  const call = { signal: AbortSignal.timeout(600_000), log: silentLogger };
  const make = async (name: string, uid: string): Promise<void> => {
    const tags = { PodName: "web", NodeName: cloudNode, Namespace: "default", UID: uid, ClusterName: "" };
    const network = `/subscriptions/${client.subscription}/resourceGroups/group/providers/Microsoft.Network`;
    const subnetIds = [{ id: `${network}/virtualNetworks/net/subnets/pods` }];
    await client.createOrUpdate(name, { ...groupOf("app:1", { subnetIds }), tags }, call);
  };
  const spec = { nodeName: cloudNode, containers: [{ name: "web", image: "app:1" }] };
  await harness.apply(podObject("web", { spec }));
  const { metadata } = await harness.untilPod("there", "web", 10_000, () => true);
  await make("default-web", metadata.uid);
  await make("other-web", "00000000-0000-4000-8000-000000000000");
  const status = { phase: "Running", containerStatuses: [] };
  await harness.kubectl("patch", "pod", "web", "--subresource=status", "-p", JSON.stringify({ status }));

  await bench.begin();
  const isReady = ({ status }: Pod): boolean => status?.containerStatuses?.[0]?.ready === true;
  const { status: adopted } = await harness.untilPod("adopted", "web", 60_000, isReady);
  // The node may still name the port of the program before.
  await eventually("its log is read", 30_000, async () => /^web env=/.test(await harness.kubectl("logs", "web")));
  const groups = (): readonly string[] => world.fake.groups.all.map(({ name }) => name).sort();
  assert.deepEqual(groups(), ["default-web", "other-web"], "none is made beside it");
  assert.equal(await forwarded(harness, adopted?.podIP ?? ""), "answered");
  await harness.kubectl("delete", "pod", "web", "--grace-period=1");
  await eventually("its group is gone", 30_000, () => !groups().includes("default-web"));
  assert.deepEqual(groups(), ["other-web"]);
});

/** What the pod's address answers through kubectl port-forward: a server on it stands in for the pod's. */
async function forwarded(harness: Harness, address: string): Promise<string> {
  const server = createServer((socket) => void socket.resume().end("answered"));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const found = server.address();
  assert.ok(found !== null && typeof found !== "string");
  const [client] = await kubectlClients();
  assert.ok(client !== undefined);
  const kubectl = startKubectl(harness, client, "port-forward", "--address", "127.0.0.1", "pod/web", `:${found.port}`);
  try {
    await kubectl.says(/Forwarding from 127\.0\.0\.1:\d+/);
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(kubectl.stdout)?.[1]);
    // It ends although its client keeps its own side open.
    return await text(connect(port, "127.0.0.1"));
  } finally {
    kubectl.child.kill();
    server.close();
  }
}
