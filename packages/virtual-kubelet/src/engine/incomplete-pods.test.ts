// Containers that lack what they are made with: objects of the cluster, and what others write into files. The rest goes on.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodRequest } from "../provider/pods.ts";
import type { ResolvedContainer, ResolvedEnvVar, ResolvedPod } from "../resolved-pod.ts";
import { EngineBench, podOf, quiet, requestOf } from "../testing/engine-bench.ts";
import { completed } from "./late-text.ts";

const done = { exitAfterMs: 1000, exitCode: 0 };
const container = (name: string, more: Partial<ResolvedContainer> = {}): ResolvedContainer => ({
  ...{ name, image: "img", imagePullPolicy: "IfNotPresent", env: [], mounts: [] },
  ...more,
});

function request(containers: readonly ResolvedContainer[], inits: readonly string[] = []): PodRequest {
  const names = containers.map(({ name }) => name).filter((name) => !inits.includes(name));
  const pod = podOf({
    initContainers: inits.map((name) => ({ name, image: "img" })),
    containers: names.map((name) => ({ name, image: "img" })),
  });
  const resolved: ResolvedPod = {
    ...{ hostname: "p", setHostnameAsFQDN: false, containers, imageCredentials: [] },
    volumes: [{ name: "dir", type: "emptyDir", medium: "" }],
  };
  return { ...requestOf(pod), resolved };
}

const missing = 'configmap "x" not found';
const config = "waiting CreateContainerConfigError #0";

describe("a container that lacks what it must have in its environment", () => {
  it("waits by itself: init containers and others run, and it is made as soon as all is there", async () => {
    const bench = new EngineBench({ script: ({ name }) => (name === "i" ? done : {}) });
    const first = request([container("i"), container("a", { missing }), container("b")], ["i"]);
    const { owner } = first;
    await bench.engine.createPod(first, quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner, "i"), "running #0");
    assert.equal(await bench.state(owner, "a"), "waiting #0");
    await bench.pass(1000);
    assert.equal(await bench.state(owner, "b"), "running #0");
    assert.equal(await bench.state(owner, "a"), config);
    assert.equal((await bench.container(owner, "a"))?.state.waiting?.message, missing);
    assert.ok(bench.events.includes(`a Failed: Error: ${missing}`));
    await bench.pass(25_000);
    assert.equal(await bench.state(owner, "a"), config);
    assert.ok(!bench.history.includes("create a/0"));

    const env = [{ name: "X", value: "there" }];
    await bench.engine.updatePod(request([container("i"), container("a", { env }), container("b")], ["i"]), quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner, "a"), "running #0");
    assert.equal(await bench.state(owner, "b"), "running #0");
    assert.deepEqual(bench.runtime.specOf({ podUid: owner.uid, name: "a", attempt: 0 })?.env, env);
    await bench.close();
  });

  it("lacks something else then: that is told at once", async () => {
    const bench = new EngineBench();
    const first = request([container("a", { missing })]);
    await bench.engine.createPod(first, quiet);
    await bench.pass(0);
    const next = 'secret "y" not found';
    await bench.engine.updatePod(request([container("a", { missing: next })]), quiet);
    await bench.pass(0);
    assert.equal((await bench.container(first.owner, "a"))?.state.waiting?.message, next);
    await bench.close();
  });

  it("holds those after it when it is an init container", async () => {
    const bench = new EngineBench();
    const first = request([container("i", { missing }), container("a")], ["i"]);
    await bench.engine.createPod(first, quiet);
    await bench.pass(15_000);
    assert.equal(await bench.state(first.owner, "i"), config);
    assert.ok(!bench.history.some((entry) => entry.startsWith("create")));
    await bench.close();
  });

  it("runs on when it runs already, and waits at its next start", async () => {
    const bench = new EngineBench();
    const first = request([container("a")]);
    const { owner } = first;
    await bench.engine.createPod(first, quiet);
    await bench.pass(20_000);
    await bench.engine.updatePod(request([container("a", { missing })]), quiet);
    await bench.pass(1000);
    assert.equal(await bench.state(owner, "a"), "running #0");
    bench.runtime.exit({ podUid: owner.uid, name: "a", attempt: 0 }, 1);
    await bench.pass(15_000);
    assert.match(await bench.state(owner, "a"), /^waiting CreateContainerConfigError/);
    const env = [{ name: "X", value: "new" }];
    await bench.engine.updatePod(request([container("a", { env })]), quiet);
    await bench.pass(0);
    assert.deepEqual(bench.runtime.specOf({ podUid: owner.uid, name: "a", attempt: 1 })?.env, env);
    await bench.close();
  });
});

const fileKey = (key: string, optional = false) => ({ fileKey: { volume: "dir", path: "env", key, optional } });
const variable = (value: ResolvedEnvVar["value"]): readonly ResolvedEnvVar[] => [{ name: "X", value }];

describe("variables from files", () => {
  it("are read when the container is made: what init containers have written, and again at the next start", async () => {
    const volumeFiles = new Map<string, string>();
    const bench = new EngineBench({ volumeFiles, script: ({ name }) => (name === "i" ? done : {}) });
    const late = container("a", {
      env: [...variable([fileKey("K")]), { name: "Y", value: ["<", { ...fileKey("K"), otherwise: "$(X)" }, ">"] }],
      args: [["--k=", fileKey("K")]],
    });
    const first = request([container("i"), late], ["i"]);
    const { owner } = first;
    await bench.engine.createPod(first, quiet);
    await bench.pass(500);
    volumeFiles.set("dir/env", "K='one'\n");
    await bench.pass(500);
    const spec = (attempt: number) => bench.runtime.specOf({ podUid: owner.uid, name: "a", attempt });
    assert.deepEqual(spec(0)?.env, [
      { name: "X", value: "one" },
      { name: "Y", value: "<one>" },
    ]);
    assert.deepEqual(spec(0)?.args, ["--k=one"]);
    volumeFiles.set("dir/env", "K='two'\n");
    bench.runtime.exit({ podUid: owner.uid, name: "a", attempt: 0 }, 1);
    await bench.pass(15_000);
    assert.equal(spec(1)?.env[0]?.value, "two");
    await bench.close();
  });

  const table: readonly (readonly [string, string | undefined, boolean, string])[] = [
    ["no file", undefined, false, "couldn't parse env file"],
    ["no file, optional", undefined, true, "none"],
    ["no key", "A='1'\n", false, 'environment variable key "K" not found in file "env"'],
    ["no key, optional", "A='1'\n", true, "none"],
    ["empty, optional", "K=''\n", true, "none"],
    ["malformed", "K=1\n", false, "couldn't parse env file"],
    ["malformed, optional", "K=1\n", true, "couldn't parse env file"],
  ];
  for (const [title, text, optional, expected] of table)
    it(title, async () => {
      const volumeFiles = new Map(text === undefined ? [] : [["dir/env", text]]);
      const bench = new EngineBench({ volumeFiles });
      const first = request([container("a", { env: variable([fileKey("K", optional)]) })]);
      const { owner } = first;
      await bench.engine.createPod(first, quiet);
      await bench.pass(0);
      if (expected === "none")
        assert.deepEqual(bench.runtime.specOf({ podUid: owner.uid, name: "a", attempt: 0 })?.env, []);
      else {
        assert.equal(await bench.state(owner, "a"), config);
        assert.equal((await bench.container(owner, "a"))?.state.waiting?.message, expected);
        assert.ok(bench.events.includes(`a Failed: Error: ${expected}`));
        volumeFiles.set("dir/env", "K='2'\n");
        await bench.pass(10_000);
        assert.equal(await bench.state(owner, "a"), "running #0");
      }
      await bench.close();
    });
});

describe("late texts", () => {
  const values = { podIPs: ["10.0.0.1", "fd00::1"], hostIPs: [], fileKey: () => undefined };
  it("have a line for each address", () => {
    assert.equal(completed(["#\n", { afterEachPodIP: "\tp\n" }], values), "#\n10.0.0.1\tp\nfd00::1\tp\n");
  });
  it("have what stands for what is not there", () => {
    assert.equal(completed(["a ", { ...fileKey("K", true), otherwise: "$(X)" }], values), "a $(X)");
  });
});
