// `npm start` as a process: in a cluster of the user's, of which it takes away exactly what it made, and on a real control plane.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deployments, jobs, nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { type Harness, podObject, startHarness } from "./harness.ts";
import { TrialHome, type TrialRun } from "./trial-process.ts";

describe("npm start", () => {
  let harness: Harness;
  const home = new TrialHome();
  before(async () => {
    harness = await startHarness();
  });
  after(async () => {
    using _ = home;
    await harness?.[Symbol.asyncDispose]();
  });
  const existing = (): TrialRun => home.npmStart("--kubeconfig", harness.cluster.kubeconfig);

  test("in a cluster that is there: the sample runs, and at the end only what was made is gone", async () => {
    await harness.kubectl("create", "deployment", "other", "--image=example.com/other:1", "--replicas=1");
    await using run = existing();
    await run.says(/Ctrl-C stops and deletes/);
    assert.match(run.output, /export KUBECONFIG=\/.+\n {2}kubectl get pods/);
    await run.says(/deployment\/sample-web 3\/3 available/);
    await run.says(/pod\/sample-web-\S+ Running, 1\/1 ready, 10\./);
    // Other terminals are not led into a cluster of the user's by themselves.
    assert.match((await home.run("get", "pods")).stderr, /^error: no cluster: /);
    const named = await home.run("get", "pods", "--kubeconfig", harness.cluster.kubeconfig);
    assert.match(named.stdout, /^sample-web-\S+ +1\/1 +Running/m);
    await run.end();
    assert.deepEqual(await harness.list(jobs), []);
    assert.deepEqual(
      (await harness.list(deployments)).map(({ metadata }) => metadata.name),
      ["other"],
    );
    assert.deepEqual(await harness.list(pods, "app.kubernetes.io/part-of=virtual-kubelet-sample"), []);
    assert.equal(await harness.find(nodes, "vk-1"), undefined);
    assert.deepEqual(home.leftovers(), []);
  });

  test("with real processes, pods of others leave the node before it goes", async () => {
    await using run = home.npmStart("--kubeconfig", harness.cluster.kubeconfig, "--provider", "process");
    await run.says(/deployment\/sample-web 3\/3 available/);
    const sleeper = { name: "main", image: "host", command: ["sleep", "987"] };
    await harness.client.create(pods, podObject("guest", { spec: { nodeName: "vk-1", containers: [sleeper] } }));
    await run.says(/pod\/guest Running/);
    await run.end();
    assert.equal(await harness.find(pods, "guest"), undefined);
    assert.equal(await harness.find(nodes, "vk-1"), undefined);
    assert.deepEqual(home.leftovers(), []);
  });

  test("what others made under the same names is refused and left alone", async () => {
    const foreign = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "sample-web" } };
    const spec = {
      selector: { matchLabels: { a: "b" } },
      template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "example.com/c:1" }] } },
    };
    await harness.apply({ ...foreign, spec });
    await using second = existing();
    assert.equal(await second.code(), 1);
    assert.match(second.output, /Deployment sample-web is there already; not touched/);
    assert.notEqual(await harness.find(deployments, "sample-web"), undefined);
    assert.equal(await harness.find(nodes, "vk-1"), undefined);
    await harness.kubectl("delete", "deployment", "sample-web");

    await harness.client.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "vk-1" } });
    await using first = existing();
    assert.equal(await first.code(), 1);
    assert.match(first.output, /has a node vk-1 already; not touched/);
    assert.notEqual(await harness.find(nodes, "vk-1"), undefined);
    await harness.kubectl("delete", "node", "vk-1");
    assert.deepEqual(home.leftovers(), []);
  });

  test("it ends when nobody reads its output any more", async () => {
    await using run = existing();
    await run.says(/Using the cluster/);
    run.child.stdout?.destroy();
    assert.equal(await run.code(), 0);
    assert.equal(await harness.find(nodes, "vk-1"), undefined);
    assert.deepEqual(await harness.find(jobs, "sample-job"), undefined);
    assert.deepEqual(home.leftovers(), []);
  });

  test("on a real control plane, SIGHUP leaves nothing behind", async () => {
    await using run = home.npmStart("--kubernetes");
    await run.says(/deployment\/sample-web 3\/3 available/);
    assert.match(run.output, /Starting a control plane, Kubernetes 1\.\d+\.\d+/);
    assert.match((await home.run("get", "nodes")).stdout, /^vk-1 +Ready /m);
    await run.end("SIGHUP");
    assert.deepEqual(home.leftovers(), []);
  });

  test("SIGINT while the control plane starts ends it too", async () => {
    await using run = home.npmStart("--kubernetes");
    await run.says(/Starting a control plane/);
    await run.end();
    assert.deepEqual(home.leftovers(), []);
  });

  test("when the sample is not ready in time it says what is missing", async () => {
    // Each pod of the Job takes two runs of two seconds.
    await using run = home.npmStart("--exit-after-ready", "--time-limit", "3s");
    assert.equal(await run.code(), 1, run.output);
    assert.match(run.output, /error: not ready within 3\.0 s: .*job\/sample-job 0\/4 succeeded/);
    assert.deepEqual(home.leftovers(), []);
  });

  test("an API server that does not answer is told", async () => {
    const kubeconfig = await harness.writeFile(
      "nowhere.yaml",
      JSON.stringify({
        clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
        users: [{ name: "u", user: { token: "t" } }],
        "current-context": "c",
      }),
    );
    await using run = home.npmStart("--kubeconfig", kubeconfig);
    assert.equal(await run.code(), 1);
    assert.match(run.output, /error: cannot use the cluster at https:\/\/127\.0\.0\.1:1\b/);
    await using missing = home.npmStart("--kubeconfig", join(home.directory, "missing"));
    assert.equal(await missing.code(), 1);
    assert.match(missing.output, /error: kubeconfig \S+missing cannot be read: ENOENT/);
  });
});
