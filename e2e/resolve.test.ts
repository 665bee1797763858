// Pods resolved against the real API server, as a node's own user under the Node authoriser and as a ServiceAccount with
// deploy/rbac.yaml: environment, volumes, tokens, waiting for what is missing, and changes that reach running pods.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { resolvingNode, shown } from "./resolving-node.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
  await harness.apply(await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"));
});
after(() => harness?.[Symbol.asyncDispose]());

describe("resolved pods", { concurrency: true, timeout: 120_000 }, () => {
  for (const [name, kubeconfig] of [
    ["node-user", () => harness.cluster.kubeconfigFor("system:node:node-user", ["system:nodes"])],
    ["account", () => harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet")],
  ] satisfies [string, () => Promise<string>][]) {
    it(`environment and volumes: ${name}`, async () => {
      const node = await resolvingNode(name);
      await using _kubelet = await harness.kubelet([node], { kubeconfig: await kubeconfig() });
      await harness.apply({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: `${name}-config`, namespace: "default" },
        data: { greeting: "hello", subject: "world" },
      });
      const spec = {
        nodeName: name,
        containers: [
          {
            name: "main",
            image: "example.com/app:1",
            args: ["$(P_greeting) $(IP)"],
            envFrom: [{ prefix: "P_", configMapRef: { name: `${name}-config` } }],
            env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
          },
        ],
      };
      await harness.client.create(pods, podObject(`${name}-plain`, { spec }));
      const resolved = await node.resolved(`${name}-plain`);
      const [container] = resolved.containers;
      const env = new Map(container?.env.map((each) => [each.name, shown(each.value)]));
      assert.equal(env.get("P_greeting"), "hello");
      assert.match(env.get("KUBERNETES_SERVICE_HOST") ?? "", /^\d+\./);
      assert.deepEqual(container?.args?.map(shown), ["hello <status.podIP>"]);
      const access = resolved.volumes.find((volume) => volume.name.startsWith("kube-api-access-"));
      assert.ok(access?.type === "files");
      assert.deepEqual(
        access.files.map(({ path, mode, secret }) => [path, mode, secret]),
        [
          ["ca.crt", 0o644, false],
          ["namespace", 0o644, false],
          ["token", 0o644, true],
        ],
      );
      await harness.untilPod("runs", `${name}-plain`, 15_000, isRunning);
      await harness.kubectl("delete", "pod", `${name}-plain`);
    });
  }
});
