// The chart's example of Nomad, installed with the image that it names: the program finds its token in a Secret, and pods run on a fake
// that knows no more rights than the policy gives.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Capability } from "../packages/provider-nomad/src/testing/fake-nomad/fake-acl.ts";
import { FakeNomad } from "../packages/provider-nomad/src/testing/fake-nomad/fake-nomad.ts";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { chart, Helm } from "./chart-tools.ts";
import { eventually, type Harness, isRunning, podObject } from "./harness.ts";
import { here, situation } from "./install-walk.ts";
import type { PodmanBench } from "./podman.ts";

interface Example {
  readonly instances: readonly [
    {
      readonly name: string;
      readonly config: {
        readonly nodes: readonly [
          {
            readonly name: string;
            readonly provider: { readonly name: string; readonly config: Readonly<Record<string, unknown>> };
          },
        ];
      };
    },
  ];
}

/** Those of deploy/policies/nomad-program.hcl. */
const rights: ReadonlySet<Capability> = new Set<Capability>([
  ...(["list-jobs", "read-job", "submit-job", "alloc-lifecycle", "read-logs", "read-fs", "alloc-exec"] as const),
  ...(["variables-list", "variables-read", "variables-write", "variables-destroy", "node:read"] as const),
  "operator:read",
]);

/** `walkInstallation` has been before. `image`: with the provider. */
export async function walkNomad({
  harness,
  podman,
  image,
}: {
  readonly harness: Harness;
  readonly podman: PodmanBench;
  readonly image: string;
}): Promise<void> {
  const repository = "registry.example.com/virtual-kubelet-nomad";
  await podman.podman("tag", image, `${repository}:example`);
  const example: Example = parse(await readFile(join(chart, "examples", "nomad.yaml"), "utf8"));
  const [instance] = example.instances;
  const [node] = instance.config.nodes;
  await using runner = new MemoryGroups();
  await using fake = await FakeNomad.start({
    ...{ runner, namespaces: ["default", "kubernetes"], tokens: new Map([["of-the-program", rights]]) },
  });
  // The fake speaks plain HTTP.
  const config = { ...node.provider.config, address: fake.address, tls: {} };
  const nodes = [{ ...node, provider: { ...node.provider, config } }];
  const values = {
    ...{ ...example, image: { repository, tag: "example" } },
    instances: [{ ...instance, config: { ...instance.config, nodes } }],
  };
  await using helm = await Helm.find();
  const namespace = "nomad";
  const cluster = ["--namespace", namespace, "--kubeconfig", harness.cluster.kubeconfig];
  const files = [await helm.values(values), await helm.values(await here(harness))];
  await harness.kubectl("create", "namespace", namespace);
  const token = "--from-literal=token=of-the-program";
  await harness.kubectl("create", "secret", "generic", "nomad-credentials", token, "--namespace", namespace);
  await helm.done("install", "vk", chart, ...files.flatMap((file) => ["--values", file]), ...cluster);
  try {
    await harness.nodeIsReady(node.name);
    const name = "on-nomad";
    const containers = [{ name: "main", image: "runs" }];
    const spec = { nodeName: node.name, terminationGracePeriodSeconds: 0, containers };
    await harness.apply(podObject(name, { spec }));
    await harness.untilPod("runs", name, 30_000, isRunning);
    assert.equal(fake.books.length, 1);
    await eventually("its log", 15_000, async () => (await harness.kubectl("logs", name)) !== "");
    await harness.kubectl("delete", "pod", name);
    await eventually("nothing in the books", 15_000, () => fake.books.length === 0 && fake.variables.all.length === 0);
  } catch (error) {
    throw new Error(`${String(error)}\n${await situation(harness, namespace)}`);
  }
  await helm.done("uninstall", "vk", ...cluster);
  await eventually("no pod is left", 40_000, async () => (await harness.list(pods, undefined, namespace)).length === 0);
  assert.deepEqual(fake.problems, []);
}
