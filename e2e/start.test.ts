// `npm start` as a process: what it makes in a cluster of the user's, and that it takes exactly that away again.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deployments, jobs, nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually, type Harness, startHarness } from "./harness.ts";

const script = join(import.meta.dirname, "../scripts/start.ts");

class Run {
  readonly child: ChildProcess;
  output = "";
  readonly #closed: Promise<unknown[]>;

  constructor(temporary: string, ...args: string[]) {
    this.child = spawn(process.execPath, ["--conditions=source", script, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: temporary, VKUBELET_POD_IP: "127.0.0.1" },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    this.#closed = once(this.child, "close");
  }

  async says(pattern: RegExp): Promise<void> {
    await eventually(`${pattern} in the output`, 90_000, () => {
      assert.ok(this.child.exitCode === null || pattern.test(this.output), this.output);
      return pattern.test(this.output);
    });
  }

  async code(): Promise<unknown> {
    const [code]: unknown[] = await this.#closed;
    return code;
  }
}

describe("npm start", () => {
  let harness: Harness;
  let temporary: string;
  before(async () => {
    harness = await startHarness();
    // Its own, to see that nothing stays; with paths short enough for sockets.
    temporary = await mkdtemp(join(tmpdir(), "vk-start-"));
  });
  after(async () => {
    await harness[Symbol.asyncDispose]();
    await rm(temporary, { recursive: true, force: true });
  });
  const leftovers = (): readonly string[] => globSync("virtual-kubelet-*", { cwd: temporary });
  const start = (...args: string[]): Run => new Run(temporary, ...args);
  const existing = (): Run => start("--kubeconfig", harness.cluster.kubeconfig);

  test("in a cluster that is there: the sample runs, and at the end only what was made is gone", async () => {
    await harness.kubectl("create", "deployment", "other", "--image=example.com/other:1", "--replicas=1");
    const run = existing();
    await run.says(/Ctrl-C stops and deletes/);
    assert.match(run.output, /export KUBECONFIG=\/.+\n {2}kubectl get pods/);
    await run.says(/deployment\/sample-web 3\/3 available/);
    await run.says(/pod\/sample-web-\S+ Running, 1\/1 ready, 10\./);
    run.child.kill("SIGINT");
    assert.equal(await run.code(), 0, run.output);
    assert.match(run.output, /Stopped, nothing is left/);
    assert.deepEqual(await harness.list(jobs), []);
    assert.deepEqual(
      (await harness.list(deployments)).map(({ metadata }) => metadata.name),
      ["other"],
    );
    assert.deepEqual(await harness.list(pods, "app.kubernetes.io/part-of=virtual-kubelet-sample"), []);
    assert.equal(await harness.find(nodes, "vk-1"), undefined);
    assert.deepEqual(leftovers(), []);
  });

  test("what others made under the same names is refused and left alone", async () => {
    const foreign = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "sample-web" } };
    const spec = {
      selector: { matchLabels: { a: "b" } },
      template: { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "example.com/c:1" }] } },
    };
    await harness.apply({ ...foreign, spec });
    const second = existing();
    assert.equal(await second.code(), 1);
    assert.match(second.output, /Deployment sample-web is there already; not touched/);
    assert.notEqual(await harness.find(deployments, "sample-web"), undefined);
    assert.equal(await harness.find(nodes, "vk-1"), undefined);
    await harness.kubectl("delete", "deployment", "sample-web");

    await harness.client.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "vk-1" } });
    const first = existing();
    assert.equal(await first.code(), 1);
    assert.match(first.output, /has a node vk-1 already; not touched/);
    assert.notEqual(await harness.find(nodes, "vk-1"), undefined);
    await harness.kubectl("delete", "node", "vk-1");
    assert.deepEqual(leftovers(), []);
  });

  for (const signal of ["SIGHUP", "SIGTERM"] as const) {
    test(`with a cluster of its own, ${signal} leaves nothing behind`, async () => {
      const run = start();
      await run.says(/deployment\/sample-web 3\/3 available/);
      assert.equal(leftovers().length, 2);
      run.child.kill(signal);
      assert.equal(await run.code(), 0, run.output);
      assert.deepEqual(leftovers(), []);
    });
  }

  test("it ends when nobody reads its output any more", async () => {
    const run = start("--kubeconfig", harness.cluster.kubeconfig);
    await run.says(/Using the cluster/);
    run.child.stdout?.destroy();
    assert.equal(await run.code(), 0);
    assert.equal(await harness.find(nodes, "vk-1"), undefined);
    assert.deepEqual(await harness.find(jobs, "sample-job"), undefined);
    assert.deepEqual(leftovers(), []);
  });

  test("SIGINT while the control plane starts ends it too", async () => {
    const run = start();
    await run.says(/Starting a control plane/);
    run.child.kill("SIGINT");
    assert.equal(await run.code(), 0, run.output);
    assert.match(run.output, /Stopped, nothing is left/);
    assert.deepEqual(leftovers(), []);
  });

  test("when the sample is not ready in time it says what is missing", async () => {
    const run = start("--exit-after-ready", "--time-limit", "1s");
    assert.equal(await run.code(), 1, run.output);
    assert.match(run.output, /error: not ready within 1\.0 s: .*job\/sample-job 0\/4 succeeded/);
    assert.deepEqual(leftovers(), []);
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
    const run = start("--kubeconfig", kubeconfig);
    assert.equal(await run.code(), 1);
    assert.match(run.output, /error: cannot use the cluster at https:\/\/127\.0\.0\.1:1\b/);
  });
});
