// Pods that wait for what they refer to, and changes that reach the volumes of those that run, against the real API server: as a
// node's own user under the Node authoriser and as a ServiceAccount with deploy/rbac.yaml.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { configMaps, secrets } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Event, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { eventually, type Harness, isRunning, startHarness, throughout } from "./harness.ts";
import { base64, environment, ResolvingCluster, resolvingNode } from "./resolving-node.ts";

let harness: Harness;
let cluster: ResolvingCluster;

before(async () => {
  harness = await startHarness();
  cluster = new ResolvingCluster(harness);
  await harness.apply(await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"));
});
after(() => harness?.[Symbol.asyncDispose]());

async function credentials(name: string, node: string): Promise<string> {
  if (name === "account") return await harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet");
  return await harness.cluster.kubeconfigFor(`system:node:${node}`, ["system:nodes"]);
}

const waiting = (pod: Pod, container = "main"): { readonly reason?: string; readonly message?: string } | undefined =>
  pod.status?.containerStatuses?.find(({ name }) => name === container)?.state?.waiting;

describe("references of pods", { concurrency: true, timeout: 900_000 }, () => {
  for (const name of ["node-user", "account"]) {
    it(`a pod waits for what it must have, and starts when that appears: ${name}`, async () => {
      const node = await resolvingNode(`${name}-waits`);
      const config = await credentials(name, `${name}-waits`);
      await using _kubelet = await harness.kubelet([node], { kubeconfig: config });
      const env = [{ name: "KEY", valueFrom: { secretKeyRef: { name: `${name}-later`, key: "key" } } }];
      await cluster.run(`${name}-env`, `${name}-waits`, { env });
      const volumes = [{ name: "data", configMap: { name: `${name}-late` } }];
      await cluster.run(`${name}-volume`, `${name}-waits`, {}, { volumes });

      const lacks = await harness.untilPod(
        "says what it lacks",
        `${name}-env`,
        15_000,
        (pod) => waiting(pod)?.reason === "CreateContainerConfigError",
      );
      assert.equal(waiting(lacks)?.message, `secret "${name}-later" not found`);
      assert.equal(lacks.status?.phase, "Pending");
      await harness.untilPod(
        "waits for its volume",
        `${name}-volume`,
        15_000,
        (pod) => waiting(pod)?.reason === "ContainerCreating",
      );
      const told = async (pod: string, reason: string): Promise<readonly Event[]> =>
        (await cluster.eventsOf(pod)).filter((event) => event.reason === reason);
      const [event] = await eventually("event", 10_000, async () => {
        const found = await told(`${name}-env`, "MandatorySecretNotFound");
        return found.length > 0 && found;
      });
      assert.equal(event?.type, "Warning");
      assert.equal(event?.involvedObject.fieldPath, "spec.containers{main}");
      const [mount] = await eventually("event", 10_000, async () => {
        const found = await told(`${name}-volume`, "FailedMount");
        return found.length > 0 && found;
      });
      assert.equal(mount?.message, `MountVolume.SetUp failed for volume "data" : configmap "${name}-late" not found`);
      await throughout("nothing is given to the provider", 1500, () => node.created.size === 0);

      // The object, but not its key.
      await cluster.secret(`${name}-later`, { wrong: "x" });
      const message = `couldn't find key key in Secret default/${name}-later`;
      await harness.untilPod("says so", `${name}-env`, 10_000, (pod) => waiting(pod)?.message === message);
      const patch = { data: { key: base64("found") } };
      await harness.client.patchMeta(secrets, { namespace: "default", name: `${name}-later` }, "merge", patch);
      const at = Date.now();
      assert.equal(environment(await node.resolved(`${name}-env`, 5000))["KEY"], "found");
      // Ten seconds would be the next look of a kubelet at its pods.
      assert.ok((node.created.get(`${name}-env`)?.at ?? 0) - at < 9500, "at once");
      await cluster.configMap(`${name}-late`, { a: "1" });
      await node.resolved(`${name}-volume`, 5000);
      for (const pod of [`${name}-env`, `${name}-volume`]) await harness.untilPod("runs", pod, 15_000, isRunning);
      assert.equal((await told(`${name}-env`, "MandatorySecretNotFound"))[0]?.count, 1);
      await harness.kubectl("delete", "pod", `${name}-env`, `${name}-volume`);
    });

    it(`changes reach the volumes of a running pod, and nothing else of it: ${name}`, async () => {
      const node = await resolvingNode(`${name}-changes`);
      const config = await credentials(name, `${name}-changes`);
      const kubelet = await harness.kubelet([node], { kubeconfig: config });
      await cluster.configMap(`${name}-live`, { key: "one" });
      const volumes = [
        { name: "live", configMap: { name: `${name}-live` } },
        { name: "later", secret: { secretName: `${name}-optional`, optional: true } },
        { name: "labels", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
      ];
      const env = [{ name: "KEY", valueFrom: { configMapKeyRef: { name: `${name}-live`, key: "key" } } }];
      const pod = `${name}-changing`;
      await cluster.run(pod, `${name}-changes`, { env }, { volumes });
      await harness.untilPod("runs", pod, 15_000, isRunning);
      assert.equal(node.file(pod, "live", "key"), "one");
      assert.equal(node.file(pod, "later", "key"), undefined);

      const change = { data: { key: "two" } };
      await harness.client.patchMeta(configMaps, { namespace: "default", name: `${name}-live` }, "merge", change);
      await eventually("the change arrives", 10_000, () => node.file(pod, "live", "key") === "two");
      await cluster.secret(`${name}-optional`, { key: "there" });
      await eventually("what is optional comes", 10_000, () => node.file(pod, "later", "key") === "there");
      await harness.kubectl("label", "pod", pod, "tier=web");
      await eventually("labels", 10_000, () => node.file(pod, "labels", "labels") === 'tier="web"');
      assert.ok(
        node.updated.every(({ volumes: handed }) => handed.length === 1),
        "only what changed",
      );
      assert.equal(node.created.size, 1);
      assert.equal(environment(await node.resolved(pod))["KEY"], "one");

      // Deleted under the pod: it keeps what it has, and other changes go on.
      await harness.client.delete(configMaps, { namespace: "default", name: `${name}-live` });
      await eventually("told", 10_000, async () =>
        (await cluster.eventsOf(pod)).some(({ reason }) => reason === "FailedMount"),
      );
      assert.equal(node.file(pod, "live", "key"), "two");
      await harness.kubectl("label", "pod", pod, "tier=api", "--overwrite");
      await eventually("labels", 10_000, () => node.file(pod, "labels", "labels") === 'tier="api"');

      // Adopted by another process, which cannot know what the pod has.
      await kubelet.stop();
      await cluster.configMap(`${name}-live`, { key: "three" });
      await using _again = await harness.kubelet([node], { kubeconfig: config });
      await eventually("the change arrives", 15_000, () => node.file(pod, "live", "key") === "three");
      assert.equal(node.created.size, 1);
      await harness.kubectl("delete", "pod", pod);
    });
  }
});
