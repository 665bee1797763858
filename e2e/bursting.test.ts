// Bursting: ordinary nodes (a second process) fill up first, the rest overflows to the virtual node and is the first to go.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { deployments, nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Affinity } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { providerTaint } from "../packages/virtual-kubelet/src/node/node-object.ts";
import { eventually, isReady, podTemplate, startHarness } from "./harness.ts";
import { mockNode } from "./mock-node.ts";

/** Each ordinary node has room for four pods of 500m. */
const ordinary = `
nodeDefaults:
  taints: []
  labels: { type: ordinary }
  provider: { name: mock, config: { cpu: "2", memory: 8Gi, pods: "10" } }
nodes:
  - { name: "ordinary-{}", count: 2 }
`;

/**
 * Preferred affinity alone does not fill ordinary nodes to the last place: it counts 200 of the scheduler's points, an empty
 * node up to 400 (spreading 200, room 100, balance 100). This taint, not tolerated, adds 300 against the virtual node.
 */
const overflow = { key: "example.com/overflow", effect: "PreferNoSchedule" };

const preferOrdinary: Affinity = {
  nodeAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { weight: 100, preference: { matchExpressions: [{ key: "type", operator: "In", values: ["ordinary"] }] } },
    ],
  },
};

test("a Deployment fills ordinary nodes, overflows to the virtual one, and shrinks from there", {
  timeout: 900_000,
}, async () => {
  await using harness = await startHarness();
  const program = await harness.program(["--config", await harness.writeFile("ordinary.yaml", ordinary)]);
  const virtual = await mockNode("virtual", { node: { taints: [providerTaint("mock"), overflow] } });
  await using _ = await harness.kubelet([virtual]);
  await Promise.all(["ordinary-0", "ordinary-1"].map((name) => harness.nodeIsReady(name, program)));
  // Others' not-ready taints are taken off a moment later.
  await eventually("no taint on ordinary nodes", 10_000, async () =>
    (await harness.client.list(nodes, { labelSelector: "type=ordinary" })).items.every(
      ({ spec }) => !spec?.taints?.length,
    ),
  );

  const labels = { app: "bursting" };
  const container = { resources: { requests: { cpu: "500m" } } };
  const template = podTemplate({ labels, container, spec: { affinity: preferOrdinary } });
  await harness.client.create(deployments, {
    metadata: { name: "bursting", namespace: "default" },
    spec: { replicas: 4, selector: { matchLabels: labels }, template },
  });
  /** Ready pods by node, once there are so many and no others. */
  const spread = (replicas: number): Promise<Record<string, number>> =>
    eventually(`${replicas} ready pods`, 40_000, async () => {
      const all = await harness.list(pods, "app=bursting");
      if (all.length !== replicas || !all.every((pod) => isReady(pod))) return undefined;
      const counts: Record<string, number> = {};
      for (const { spec } of all) counts[spec?.nodeName ?? ""] = (counts[spec?.nodeName ?? ""] ?? 0) + 1;
      return counts;
    });
  const scale = async (replicas: number): Promise<Record<string, number>> => {
    await harness.kubectl("scale", "deployment/bursting", `--replicas=${replicas}`);
    return spread(replicas);
  };
  const few = await spread(4);
  assert.equal(few["virtual"], undefined, JSON.stringify(few));
  assert.deepEqual(await scale(8), { "ordinary-0": 4, "ordinary-1": 4 });
  assert.deepEqual(await scale(14), { "ordinary-0": 4, "ordinary-1": 4, virtual: 6 });
  assert.equal(virtual.backend.list().length, 6);

  // The recipe: what runs on the virtual node is the cheapest to delete.
  const onVirtual = (await harness.list(pods, "app=bursting")).filter(({ spec }) => spec?.nodeName === "virtual");
  await harness.kubectl(
    "annotate",
    "pods",
    ...onVirtual.map(({ metadata }) => metadata.name),
    "controller.kubernetes.io/pod-deletion-cost=-100",
  );
  assert.deepEqual(await scale(11), { "ordinary-0": 4, "ordinary-1": 4, virtual: 3 });
  assert.deepEqual(await scale(8), { "ordinary-0": 4, "ordinary-1": 4 });
  await eventually("the virtual node's backend is empty", 10_000, () => virtual.backend.list().length === 0);
  await program.kill("SIGTERM");
  assert.deepEqual(await program.ended, { code: 0, signal: null });

  // The page's objects, as the API server itself sees them.
  const page = await readFile(join(import.meta.dirname, "../docs/bursting.md"), "utf8");
  const objects = [...page.matchAll(/^```yaml\n(apiVersion: .*?)^```$/gms)].map(([, text = ""]) => text);
  assert.equal(objects.length, 2);
  const dryRun = await harness.kubectl(
    ...["apply", "--dry-run=server", "-f", await harness.writeFile("bursting.yaml", objects.join("---\n"))],
  );
  assert.equal(dryRun.match(/created \(server dry run\)$/gm)?.length, 6, dryRun);
});
