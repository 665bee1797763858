// The API server goes away and comes back: what pods refer to is followed as before, and nothing that happened meanwhile is missed.
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { configMaps } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually, type Harness, isRunning, startHarness } from "./harness.ts";
import { environment, ResolvingCluster, resolvingNode } from "./resolving-node.ts";

let harness: Harness;
before(async () => {
  harness = await startHarness();
});
after(() => harness?.[Symbol.asyncDispose]());

it("waiting and running pods after an outage", { timeout: 900_000 }, async () => {
  const cluster = new ResolvingCluster(harness);
  const node = await resolvingNode("outage");
  const kubeconfig = await harness.cluster.kubeconfigFor("system:node:outage", ["system:nodes"]);
  const kubelet = await harness.kubelet([node], { kubeconfig });
  await cluster.configMap("live", { key: "one" });
  await cluster.run("runs", "outage", {}, { volumes: [{ name: "live", configMap: { name: "live" } }] });
  const env = [{ name: "KEY", valueFrom: { secretKeyRef: { name: "later", key: "key" } } }];
  await cluster.run("waits", "outage", { env });
  await harness.untilPod("runs", "runs", 15_000, isRunning);
  await eventually("told", 15_000, async () =>
    (await cluster.eventsOf("waits")).some(({ reason }) => reason === "MandatorySecretNotFound"),
  );

  await harness.cluster.killApiServer();
  await harness.cluster.startApiServer();
  await cluster.secret("later", { key: "found" });
  await harness.client.patchMeta(configMaps, { namespace: "default", name: "live" }, "merge", { data: { key: "two" } });
  assert.equal(environment(await node.resolved("waits", 40_000))["KEY"], "found");
  await eventually("the change arrives", 40_000, () => node.file("runs", "live", "key") === "two");

  // Away again, and what is written first when it is back is still there when the next process looks.
  await kubelet.stop();
  await harness.client.delete(configMaps, { namespace: "default", name: "live" });
  await using _again = await harness.kubelet([node], { kubeconfig });
  await eventually("told", 15_000, async () =>
    (await cluster.eventsOf("runs")).some(({ reason }) => reason === "FailedMount"),
  );
  assert.equal(node.file("runs", "live", "key"), "two");
  assert.equal(node.created.size, 2);
});
