// What nobody needs any more goes from the engine: images of ours when its disk is full, containers of pods that are gone. What is
// others' stays. Needs root on Linux, Debian's podman and docker-registry.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connectEngine } from "../packages/provider-containers/src/engine/connect.ts";
import type { EngineClient } from "../packages/provider-containers/src/engine/engine-client.ts";
import { Images } from "../packages/provider-containers/src/images.ts";
import { containerName, labels } from "../packages/provider-containers/src/labels.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { startImageRegistry } from "./conformance/image-registry.ts";
import { openRuntime } from "./containers-bench.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const context = { signal: new AbortController().signal, log: silentLogger };

let group: ProcessGroup;
let engine: PodmanBench;
let client: EngineClient & Disposable;
let host = "";

before(async () => {
  group = new ProcessGroup({ parent: tmpdir(), prefix: "vk-registry-" });
  host = (await startImageRegistry(group)).address;
  engine = await PodmanBench.start({ registries: [host] });
  client = connectEngine({ type: "unix", path: engine.socket }, { log: silentLogger });
});

after(async () => {
  client?.[Symbol.dispose]();
  try {
    await engine?.[Symbol.asyncDispose]();
  } finally {
    await group?.[Symbol.asyncDispose]();
  }
});

describe("images, when the engine's disk is full", () => {
  /** Of images in the registry alone, each another one. */
  async function publish(...names: readonly string[]): Promise<readonly string[]> {
    for (const name of names) {
      await engine.importImage("registry.example/built:1", [`LABEL name=${name}`]);
      await engine.podman("push", "--quiet", "--tls-verify=false", "registry.example/built:1", `${host}/${name}`);
      await engine.podman("rmi", "registry.example/built:1");
    }
    return names.map((name) => `${host}/${name}`);
  }

  async function present(...images: readonly string[]): Promise<readonly boolean[]> {
    return Promise.all(images.map(async (image) => (await client.inspectImage(image, context)) !== undefined));
  }

  it("those that we pulled and nobody uses go, by whatever name they were pulled", async () => {
    const stateDirectory = join(engine.directory, "garbage-state");
    mkdirSync(stateDirectory);
    const all = await publish("idle:1", "idle-digest:1", "used:1", "stopped:1", "named:1", "theirs:1");
    const [idle = "", byTag = "", used = "", stopped = "", named = "", theirs = ""] = all;
    const config = {
      ...{ highThresholdPercent: 85, lowThresholdPercent: 80, minimumAgeSeconds: 0 },
      ...{ parallelPulls: 4, defaultRegistries: [] },
    };
    const clock = { now: () => Date.now(), schedule: () => () => undefined };
    const full = { totalBytes: 100e9, availableBytes: 0 };
    const options = { client, stateDirectory, config, clock, log: silentLogger, disk: () => full };
    const images = await Images.open(options, context);
    for (const image of [idle, used, stopped, named]) await images.pull(image, [], context);
    const { reference } = await images.pull(byTag, [], context);
    assert.match(reference, /^127\.0\.0\.1:\d+\/idle-digest@sha256:/);
    await engine.podman("rmi", byTag);
    await images.pull(reference, [], context);
    await engine.podman("pull", "--quiet", theirs);
    await engine.podman("tag", named, "localhost/mine:1");
    // Nobody's but the engine's other users'.
    await engine.podman("run", "--detach", "--name", "other-running", "--network", "none", used, "sleep", "1000");
    await engine.podman("create", "--name", "other-created", "--network", "none", stopped, "true");

    const stop = new AbortController();
    const run = images.run(stop.signal);
    await eventually("the unused one goes", 20_000, async () => !(await present(idle)).includes(true));
    await eventually("so does that with a digest", 20_000, async () => !(await present(reference)).includes(true));
    await eventually(
      "and our name of what others have named",
      20_000,
      async () => !(await present(named)).includes(true),
    );
    stop.abort();
    await run;
    await images.removeUnused(context);
    assert.deepEqual(await present(used, stopped, theirs, "localhost/mine:1"), [true, true, true, true]);
    const told = (await images.nodeImages(context)).flatMap(({ names = [] }) => names);
    assert.ok(told.includes(used) && !told.includes(idle));
    await engine.podman("rm", "--force", "--time", "0", "other-running", "other-created");
    await images.removeUnused(context);
    assert.deepEqual(await present(used, stopped, theirs), [false, false, true]);
  });
});

describe("containers without a pod", () => {
  it("are told of and removed where they are of this node, and stay where they are anybody else's", async () => {
    const image = benchImage;
    const stray = async (name: string, node: string, called?: string): Promise<void> => {
      const owner = { cluster: "cluster", node, namespace: "default", name, uid: `uid-${name}` };
      const engineName = called ?? containerName(owner, { name: "main", attempt: 0 });
      const said: Readonly<Record<string, string>> = {
        ...{ [labels.kind]: "container", [labels.node]: node, [labels.cluster]: "cluster", [labels.container]: "main" },
        ...{ [labels.namespace]: "default", [labels.pod]: name, [labels.uid]: `uid-${name}`, [labels.attempt]: "0" },
      };
      const args = Object.entries(said).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
      await engine.podman(
        "run",
        "--detach",
        "--name",
        engineName,
        "--network",
        "none",
        ...args,
        image,
        "sleep",
        "1000",
      );
    };
    await stray("stray", "node-a");
    await stray("other-node", "node-b", "other-node");
    // Of an image that brings such labels.
    await stray("same-labels", "node-a", "other-labels");
    const helper = ["--label", `${labels.helper}=node-a`];
    await engine.podman("create", "--name", "other-helper", "--network", "none", ...helper, image, "true");
    await engine.podman("create", "--name", "vk_accounts_left", "--network", "none", ...helper, image, "true");
    await engine.podman("run", "--detach", "--name", "other-user", "--network", "none", image, "sleep", "1000");
    await using runtime = await openRuntime(engine, "node-a");
    const told = await runtime.list(context);
    // Whoever knows of no such pod removes it.
    assert.deepEqual(
      told.map(({ owner, ready, containers }) => [owner, ready, containers.map(({ state }) => state)]),
      [
        [
          { cluster: "cluster", node: "node-a", namespace: "default", name: "stray", uid: "uid-stray" },
          false,
          ["running"],
        ],
      ],
    );
    for (const { owner } of told) await runtime.removeSandbox(owner.uid, context);
    assert.deepEqual(await runtime.list(context), []);
    const names = (await engine.podman("ps", "--all", "--format", "{{.Names}}")).split("\n");
    assert.deepEqual(names.sort(), ["other-helper", "other-labels", "other-node", "other-user"]);
    await engine.podman("rm", "--force", "--time", "0", ...names);
  });
});
