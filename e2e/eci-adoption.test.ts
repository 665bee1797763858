// A container group that the Go provider made is taken over with its pod when the program comes in its place; one of another pod of a
// node with the same name is left alone. Groups are simulated.
import assert from "node:assert/strict";
import { it } from "node:test";
import { clientOf, groupOf } from "../packages/provider-eci/src/testing/eci-bench.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { EciWorld } from "./cloud/eci-world.ts";
import { CloudBench, cloudNode } from "./cloud/world.ts";
import { eventually, isReady, podObject } from "./harness.ts";

it("groups of a running Go installation are adopted; those of another cluster stay", { timeout: 600_000 }, async () => {
  const world = await EciWorld.start(new MemoryGroups(), "app:1", "exit-0");
  await using bench = await CloudBench.start(world);
  const { harness } = bench;
  await bench.program?.kill("SIGTERM");
  await using client = clientOf(world.fake);
  const call = { signal: AbortSignal.timeout(600_000), log: silentLogger };
  const make = async (name: string, uid: string): Promise<void> => {
    const tags = { ClusterName: "default", NodeName: cloudNode, NameSpace: "default", PodName: "web", UID: uid };
    const Tag = Object.entries({ ...tags, CreationTimestamp: "2026-01-01 00:00:00" }).map(([Key, Value]) => ({
      Key,
      Value,
    }));
    await client.create(groupOf(name, "app:1", { Tag, RestartPolicy: "Always" }), call);
  };
  const spec = { nodeName: cloudNode, containers: [{ name: "web", image: "app:1" }] };
  await harness.apply(podObject("web", { spec }));
  const { metadata } = await harness.untilPod("there", "web", 10_000, () => true);
  await make("default-web", metadata.uid);
  await make("other-web", "00000000-0000-4000-8000-000000000000");
  const status = { phase: "Running", containerStatuses: [] };
  await harness.kubectl("patch", "pod", "web", "--subresource=status", "-p", JSON.stringify({ status }));

  await bench.begin();
  await harness.untilPod("adopted", "web", 60_000, isReady);
  // The node may still name the port of the program before.
  await eventually("its log is read", 30_000, async () => /^web env=/.test(await harness.kubectl("logs", "web")));
  const groups = (): readonly string[] => world.fake.groups.all.map(({ name }) => name).sort();
  assert.deepEqual(groups(), ["default-web", "other-web"], "none is made beside it");
  await harness.kubectl("delete", "pod", "web", "--grace-period=1");
  await eventually("its group is gone", 30_000, () => !groups().includes("default-web"));
  assert.deepEqual(groups(), ["other-web"]);
});
