// Pods in containers are found again: by another process of ours, after the engine was killed, after the host went down, and by
// their labels alone. Needs root on Linux and podman.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { ContainersRuntime } from "../packages/provider-containers/src/containers-runtime.ts";
import type {
  ContainerSpec,
  RuntimeSandbox,
  SandboxSpec,
} from "../packages/virtual-kubelet/src/engine/container-runtime.ts";
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import { context, openRuntime } from "./containers-bench.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const node = "node-a";
let engine: PodmanBench;
let runtime: ContainersRuntime;

before(async () => {
  engine = await PodmanBench.start();
  runtime = await openRuntime(engine, node);
});
after(async () => {
  await using _engine = engine;
  await runtime?.[Symbol.asyncDispose]();
});

const sandboxOf = (uid: string): SandboxSpec => ({
  owner: { cluster: "cluster", node, namespace: "default", name: "pod", uid },
  ...{ revision: "1", hostname: "pod-name", hostNetwork: false, hostPID: false, hostIPC: false },
  ...{ shareProcessNamespace: false, sysctls: {}, hostPorts: [], volumes: [], notes: { note: "first" } },
});
const containerOf = (podUid: string, name: string, script: string, attempt = 0): ContainerSpec => ({
  ...{ podUid, name, attempt, image: benchImage, command: ["/bin/sh", "-c", script], env: [], mounts: [] },
  ...{ tty: false, stdin: false, stdinOnce: false, terminationMessagePath: "/dev/termination-log" },
  ...{ security: {}, resources: {}, notes: { note: name } },
});
const wait = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

async function run(spec: ContainerSpec): Promise<void> {
  await runtime.createContainer(spec, context);
  await runtime.startContainer(spec, context);
}

async function get(uid: string): Promise<RuntimeSandbox> {
  return (await runtime.get(uid, context)) ?? assert.fail("the pod is gone");
}

/** One that runs, one that has ended with 7, one that was made and not started. */
async function pod(): Promise<string> {
  const uid = randomUUID();
  await runtime.createSandbox(sandboxOf(uid), context);
  await run(containerOf(uid, "over", "exit 7"));
  await run(containerOf(uid, "main", wait));
  await runtime.createContainer(containerOf(uid, "idle", wait), context);
  await eventually("the first to end", 20_000, async () => (await states(uid))["over"] === "exited");
  return uid;
}

async function states(uid: string): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries((await get(uid)).containers.map(({ name, state }) => [name, state]));
}

describe("a pod is found again", { timeout: 900_000 }, () => {
  it("while the engine is away, and as it is then", async () => {
    const uid = await pod();
    const before = await get(uid);
    await engine.stop();
    await eventually("the engine to be missed", 10_000, async () =>
      runtime.get(uid, context).then(
        () => false,
        (error: unknown) => isErrorKind(error, "Unavailable"),
      ),
    );
    await assert.rejects(runtime.list(context), (error) => isErrorKind(error, "Unavailable"));
    await engine.resume();
    await eventually("the engine to be found", 10_000, async () =>
      runtime.get(uid, context).then(
        () => true,
        () => false,
      ),
    );
    assert.deepEqual(await get(uid), before);
    // What it does is told of again.
    await runtime.startContainer({ podUid: uid, name: "idle", attempt: 0 }, context);
    await engine.podman("kill", "--signal", "KILL", before.containers.find(({ name }) => name === "main")?.id ?? "");
    await eventually("the end to be seen", 5000, async () => (await states(uid))["main"] === "exited");
    assert.deepEqual(await states(uid), { over: "exited", main: "exited", idle: "running" });
    await runtime.removeSandbox(uid, context);
  });

  it("after the host went down: not ready, its runs over, and made ready again with what it asks for then", async () => {
    const uid = await pod();
    const before = await get(uid);
    await runtime[Symbol.asyncDispose]();
    await engine.crash();
    await engine.resume();
    runtime = await openRuntime(engine, node);
    const found = await get(uid);
    assert.deepEqual([found.ready, found.ips, found.createdAt], [false, [], before.createdAt]);
    const ends = found.containers.map(({ name, state, exitCode, reason }) => [name, state, exitCode, reason]);
    assert.deepEqual(ends, [
      ["over", "exited", 7, undefined],
      ["main", "exited", 255, "Unknown"],
      ["idle", "created", undefined, undefined],
    ]);
    const again = await runtime.createSandbox({ ...sandboxOf(uid), revision: "2" }, context);
    assert.deepEqual([again.ready, again.ips.length, again.revision], [true, 1, "2"]);
    // A run never begins twice.
    await runtime.startContainer({ podUid: uid, name: "main", attempt: 0 }, context);
    assert.equal((await states(uid))["main"], "exited");
    await run(containerOf(uid, "main", wait, 1));
    assert.equal((await get(uid)).containers.at(-1)?.state, "running");
    await runtime.removeSandbox(uid, context);
  });

  it("by its labels alone, running on; what it needs is made anew when it is wanted", async () => {
    const uid = await pod();
    await runtime.updateSandbox(uid, { revision: "2" }, context);
    const before = await get(uid);
    await runtime[Symbol.asyncDispose]();
    await rm(join(engine.directory, "state", node, "pods"), { recursive: true });
    runtime = await openRuntime(engine, node);
    const found = await get(uid);
    assert.deepEqual(found.owner, before.owner);
    assert.deepEqual([found.ready, found.revision, found.notes, found.ips], [true, "1", { note: "first" }, before.ips]);
    assert.deepEqual(found.containers, before.containers);
    const next = containerOf(uid, "main", wait, 1);
    await assert.rejects(runtime.createContainer(next, context), (error) => isErrorKind(error, "NotFound"));
    assert.equal((await get(uid)).ready, false);
    const again = await runtime.createSandbox(sandboxOf(uid), context);
    assert.deepEqual([again.ready, (await states(uid))["main"]], [true, "exited"]);
    await run(next);
    await runtime.removeSandbox(uid, context);
  });

  it("and nobody else's container is touched", async () => {
    const foreign = await engine.podman("run", "--detach", benchImage, "sleep", "1000");
    const other = await openRuntime(engine, "node-b");
    try {
      const uid = await pod();
      assert.deepEqual(await other.list(context), []);
      assert.equal(await other.get(uid, context), undefined);
      await other.removeSandbox(uid, context);
      assert.equal((await states(uid))["main"], "running");
      await runtime.removeSandbox(uid, context);
      assert.deepEqual(await engine.containers(), [foreign]);
      assert.equal(await engine.podman("inspect", "--format", "{{.State.Status}}", foreign), "running");
    } finally {
      await other[Symbol.asyncDispose]();
      await engine.podman("rm", "--force", "--time", "0", foreign);
    }
  });
});
