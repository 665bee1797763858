// The sub-commands that look at things, against a real control plane, as a user types them.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { deployments, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { program } from "../packages/virtual-kubelet/src/program/program.ts";
import { eventually, type Harness, isReady, podObject, podTemplate, startHarness, tolerateVirtual } from "./harness.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
  const node = await harness.program(["--nodename", "vk", "--provider", "mock"]);
  await harness.nodeIsReady("vk", node);
});
after(() => harness?.[Symbol.asyncDispose]());

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function type(...argv: readonly string[]): Promise<Outcome> {
  let [stdout, stderr] = ["", ""];
  const code = await program({
    argv: [...argv, "--kubeconfig", harness.cluster.kubeconfig],
    env: {},
    cwd: "/",
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    run: () => Promise.reject(new Error("no node is to be run")),
  });
  return { code, stdout, stderr };
}

describe("why", { concurrency: true, timeout: 120_000 }, () => {
  /** Until it says so; what it said last is in the message. */
  const says = (name: string, ...expected: readonly RegExp[]): Promise<string> =>
    eventually(`why ${name}`, 40_000, async () => {
      const { code, stdout, stderr } = await type("why", name);
      assert.equal(code, 0, stderr);
      for (const pattern of expected) assert.match(stdout, pattern);
      return stdout;
    });

  it("a pod that runs", async () => {
    await harness.client.create(pods, podObject("well"));
    await harness.untilPod("is ready", "well", 20_000, isReady);
    const page = await says("well", /^Pod default\/well runs and is ready\./);
    assert.match(page, /\+0s {2}created\n/);
    assert.match(page, /bound to node vk\n/);
    assert.match(page, /ProviderCreateSuccess/);
    assert.match(page, /main +runs since .*, ready; 0 restarts/);
    assert.match(page, /vk +Ready=True .*\n +lease +renewed/);
    const { stdout } = await type("why", "default/well", "-o", "json");
    const { state, node, timeline } = JSON.parse(stdout);
    assert.deepEqual([state, node], ["runs and is ready", "vk"]);
    assert.equal(timeline[0].what, "created");
  });

  it("a crash loop, with the time of the next attempt", async () => {
    await harness.client.create(pods, podObject("crashes", { mock: { "run-time": "100ms", "exit-code": "3" } }));
    await says(
      "crashes",
      /waits to be restarted\./,
      /why +container main ended with 3; \d+ restarts? so far/,
      /again +(in \d+s, at about \d\d:\d\d:\d\d|due now|now, )/,
      /do +kubectl logs crashes -n default -c main --previous/,
    );
  });

  it("a pod that no node takes", async () => {
    await harness.client.create(pods, podObject("nowhere", { spec: { tolerations: [] } }));
    await says("nowhere", /waits for a node/, /untolerated taint/, /do +to run on a virtual node, tolerate its taint/);
  });

  it("a pod that is too large for its node", async () => {
    const container = { resources: { requests: { cpu: "10k" } } };
    await harness.client.create(pods, podObject("large", { container, spec: { nodeName: "vk" } }));
    await says("large", /has failed/, /OutOfcpu: Pod was rejected/, /do +lower its requests/);
  });

  it("a pod of a controller, bound to a node that does not exist", async () => {
    const template = podTemplate({
      labels: { app: "lost" },
      spec: { nodeName: "absent", tolerations: [tolerateVirtual] },
    });
    await harness.client.create(deployments, {
      metadata: { name: "lost", namespace: "default" },
      spec: { replicas: 1, selector: { matchLabels: { app: "lost" } }, template },
    });
    const name = await eventually(
      "its pod",
      20_000,
      async () => (await harness.list(pods, "app=lost"))[0]?.metadata.name,
    );
    await says(name, /bound to a node that does not exist/, /created by ReplicaSet lost-/);
    await harness.client.delete(deployments, { name: "lost", namespace: "default" });
  });

  it("no such pod: exit code 1, and the name that may be meant", async () => {
    await harness.client.create(pods, podObject("frontend"));
    const { code, stdout, stderr } = await type("why", "fronted");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /there is no pod default\/fronted \(did you mean frontend\?\)/);
    assert.match((await type("why", "x", "-n", "kube-node-lease")).stderr, /the namespace kube-node-lease has none/);
  });

  it("wrong usage is code 2", async () => {
    assert.equal((await type("why")).code, 2);
    assert.equal((await type("why", "Not_A_Name")).code, 2);
  });
});
