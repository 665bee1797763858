// Pods live and die with both kinds of credentials, in the program itself: a ServiceAccount with deploy/rbac.yaml, and a node's own.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { deployments, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually, type Harness, isReady, isRunning, podObject, podTemplate, startHarness } from "./harness.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
  await harness.apply(await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"));
});
after(() => harness?.[Symbol.asyncDispose]());

describe("credentials", { concurrency: true, timeout: 900_000 }, () => {
  for (const [node, kubeconfig] of [
    ["by-account", () => harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet")],
    ["by-node-user", () => harness.cluster.kubeconfigFor("system:node:by-node-user", ["system:nodes"])],
  ] satisfies [string, () => Promise<string>][]) {
    it(`runs, changes, restarts and ends pods: ${node}`, async () => {
      const backend = await harness.backendProcess();
      const config = await harness.writeFile("mock.yaml", `${node}: { backend: "${backend.address}", cpu: "4" }\n`);
      // Without deploy/bootstrap-rbac.yaml, nodes may not read from the cluster who signs client certificates.
      const clientCA = ["--client-ca-file", harness.cluster.caFile];
      const args = ["--nodename", node, "--provider", "mock", "--provider-config", config, "--log-level", "debug"];
      if (node === "by-node-user") args.push(...clientCA);
      const credentials = await kubeconfig();
      const first = await harness.program(args, { kubeconfig: credentials, name: node });
      await harness.nodeIsReady(node, first);

      // Scheduled, as part of a Deployment, and alone.
      const labels = { app: node };
      const nodeSelector = { "kubernetes.io/hostname": node };
      await harness.client.create(deployments, {
        metadata: { name: node, namespace: "default" },
        spec: {
          replicas: 3,
          selector: { matchLabels: labels },
          template: podTemplate({ labels, spec: { nodeSelector } }),
        },
      });
      await harness.client.create(pods, podObject(`${node}-alone`, { spec: { nodeSelector } }));
      await harness.client.create(
        pods,
        podObject(`${node}-job`, { mock: { "run-time": "500ms" }, spec: { nodeSelector, restartPolicy: "Never" } }),
      );
      await harness.kubectl("rollout", "status", `deployment/${node}`, "--timeout=300s");
      const alone = await harness.untilPod("is ready", `${node}-alone`, 15_000, isReady);
      await harness.untilPod("has succeeded", `${node}-job`, 15_000, ({ status }) => status?.phase === "Succeeded");
      await harness.kubectl("set", "image", `pod/${node}-alone`, "main=example.com/app:2");
      await harness.untilPod(
        "new image",
        `${node}-alone`,
        15_000,
        ({ status }) => status?.containerStatuses?.[0]?.image === "example.com/app:2",
      );
      await eventually("event", 10_000, async () =>
        /ProviderCreateSuccess/.test(await harness.kubectl("describe", "pod", `${node}-alone`)),
      );
      // A pod that the node cannot take.
      const container = { resources: { requests: { cpu: "9" } } };
      await harness.client.create(pods, podObject(`${node}-large`, { container, spec: { nodeName: node } }));
      await harness.untilPod("is refused", `${node}-large`, 10_000, ({ status }) => status?.reason === "OutOfcpu");

      // Killed, and started again: the same pods; one has left the API meanwhile.
      const before = await harness.untilPod(
        "has come to rest",
        `${node}-alone`,
        15_000,
        (pod) => isReady(pod) && pod.status?.observedGeneration === pod.metadata.generation,
      );
      await first.kill("SIGKILL");
      await harness.kubectl("delete", "pod", `${node}-job`, "--wait=false");
      const second = await harness.program([...args, "--orphan-grace", "2s"], {
        kubeconfig: credentials,
        name: `${node}-again`,
      });
      await harness.untilGone(pods, `${node}-job`, 20_000);
      const again = await harness.untilPod("still runs", `${node}-alone`, 5000, isRunning);
      assert.deepEqual(again.status, before.status);
      assert.equal(again.metadata.uid, alone.metadata.uid);

      await harness.kubectl("delete", `deployment/${node}`, `pod/${node}-alone`, `pod/${node}-large`, "--timeout=300s");
      await eventually("no pods left", 15_000, async () => (await harness.list(pods, `app=${node}`)).length === 0);
      const creates = (await backend.journal()).filter(({ method }) => method === "createPod");
      assert.deepEqual(
        creates.map(({ outcome }) => outcome),
        Array.from({ length: 5 }, () => "created"),
      );
      await eventually("all of it is removed from the backend", 10_000, async () => {
        const deletes = (await backend.journal()).filter(({ method }) => method === "deletePod");
        return creates.every(({ uid }) => deletes.some((each) => each.uid === uid));
      });
      await second.kill("SIGTERM");
      assert.deepEqual(await second.ended, { code: 0, signal: null });
      for (const program of [first, second])
        assert.doesNotMatch(await program.logTail(1_000_000), /[Ff]orbidden|"level":"error"/);
    });
  }
});
