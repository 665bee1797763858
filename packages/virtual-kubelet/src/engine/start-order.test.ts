import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container } from "../kube/types.gen.ts";
import { EngineBench, podOf, quiet, requestOf } from "../testing/engine-bench.ts";
import type { RunScript } from "../testing/memory-runtime.ts";
import { ProbesByHand } from "../testing/probes-by-hand.ts";
import type { HookOutcome } from "./probe-results.ts";
import { containersToRun, type OrderedContainer } from "./start-order.ts";

const sidecar = (name: string, more: Partial<Container> = {}): Container => ({
  name,
  image: "img",
  restartPolicy: "Always",
  ...more,
});
const plain = (name: string, more: Partial<Container> = {}): Container => ({ name, image: "img", ...more });

function scripted(scripts: Readonly<Record<string, RunScript | readonly RunScript[]>>): EngineBench {
  return new EngineBench({
    script: ({ name, attempt }) => {
      const script = scripts[name] ?? {};
      return Array.isArray(script) ? (script[attempt] ?? script.at(-1) ?? {}) : script;
    },
  });
}

/** What started and ended, in order. */
function course(bench: EngineBench): readonly string[] {
  return bench.history.filter((entry) => /^(start|exit|term) /.test(entry));
}

describe("start order", () => {
  it("runs init containers one after another, then all main ones", async () => {
    const done: RunScript = { exitAfterMs: 1000, exitCode: 0 };
    const bench = scripted({ i1: done, i2: done });
    const { owner } = await bench.create({
      initContainers: [plain("i1"), plain("i2")],
      containers: [plain("a"), plain("b")],
    });
    assert.deepEqual(course(bench), ["start i1/0"]);
    assert.equal(await bench.state(owner, "a"), "waiting #0");
    await bench.pass(1000);
    assert.deepEqual(course(bench), ["start i1/0", "exit i1/0", "start i2/0"]);
    await bench.pass(1000);
    assert.deepEqual(course(bench).slice(3), ["exit i2/0", "start a/0", "start b/0"]);
    assert.equal(await bench.state(owner, "i1"), "terminated 0 Completed #0");
    assert.equal(await bench.state(owner, "b"), "running #0");
    await bench.close();
  });

  it("tries an init container again with back-off, and holds the others until it has succeeded", async () => {
    const fails: RunScript = { exitAfterMs: 100, exitCode: 1 };
    const bench = scripted({ i: [fails, fails, { exitAfterMs: 100, exitCode: 0 }] });
    const { owner } = await bench.create({ initContainers: [plain("i")], containers: [plain("a")] });
    await bench.pass(200);
    assert.equal(await bench.state(owner, "i"), "waiting CrashLoopBackOff #1");
    assert.equal(
      (await bench.container(owner, "i"))?.state.waiting?.message,
      "back-off 10s restarting failed container=i pod=p_ns(uid-p)",
    );
    assert.equal(await bench.state(owner, "a"), "waiting #0");
    await bench.pass(10_000);
    assert.deepEqual(course(bench).slice(-2), ["exit i/1", "start i/2"]);
    await bench.pass(100);
    assert.deepEqual(course(bench).slice(-2), ["exit i/2", "start a/0"]);
    await bench.close();
  });

  it("ends the pod when an init container fails for good, and starts no main container", async () => {
    const bench = scripted({ i: { exitAfterMs: 100, exitCode: 7 } });
    const { owner } = await bench.create({
      restartPolicy: "Never",
      initContainers: [sidecar("s"), plain("i")],
      containers: [plain("a")],
    });
    await bench.pass(100);
    await bench.pass(60_000);
    assert.deepEqual(course(bench), ["start s/0", "start i/0", "exit i/0", "term s/0", "exit s/0"]);
    assert.equal(await bench.state(owner, "i"), "terminated 7 Error #0");
    assert.equal(await bench.state(owner, "a"), "waiting #0");
    assert.equal((await bench.report(owner))?.sandboxReady, false);
    await bench.close();
  });

  it("waits until a sidecar is started before it goes on, and lets it run on", async () => {
    const probes = new ProbesByHand();
    const bench = new EngineBench(
      { script: ({ name }) => (name === "i" ? { exitAfterMs: 100 } : {}) },
      { probes: (listener) => probes.listenTo(listener) },
    );
    const { owner } = await bench.create({
      initContainers: [sidecar("s", { startupProbe: { periodSeconds: 1 } }), plain("i")],
      containers: [plain("a")],
    });
    await bench.pass(60_000);
    assert.deepEqual(course(bench), ["start s/0"]);
    assert.equal((await bench.container(owner, "s"))?.started, false);
    probes.say("s/0", { startup: "success" });
    await bench.pass(0);
    assert.equal((await bench.container(owner, "s"))?.started, true);
    await bench.pass(100);
    assert.deepEqual(course(bench), ["start s/0", "start i/0", "exit i/0", "start a/0"]);
    await bench.close();
  });

  it("restarts a sidecar that ends, whatever the pod's policy says, without touching the others", async () => {
    const bench = scripted({ s: [{ exitAfterMs: 5000, exitCode: 0 }, {}] });
    const { owner } = await bench.create({
      restartPolicy: "Never",
      initContainers: [sidecar("s")],
      containers: [plain("a")],
    });
    await bench.pass(5000);
    assert.deepEqual(course(bench), ["start s/0", "start a/0", "exit s/0", "start s/1"]);
    assert.equal(await bench.state(owner, "a"), "running #0");
    await bench.close();
  });

  it("starts ephemeral containers at any time and never again", async () => {
    const bench = scripted({ debug: { exitAfterMs: 1000, exitCode: 3 } });
    const { owner, pod } = await bench.create({ containers: [plain("a")] });
    const spec = {
      ...pod.spec,
      containers: [plain("a")],
      ephemeralContainers: [{ name: "debug", image: "img", targetContainerName: "a" }],
    };
    await bench.engine.updatePod(requestOf(podOf(spec, "p", 2)), quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner, "debug"), "running #0");
    assert.equal(bench.runtime.specOf({ podUid: owner.uid, name: "debug", attempt: 0 })?.targetContainer, "a");
    await bench.pass(60_000);
    assert.equal(await bench.state(owner, "debug"), "terminated 3 Error #0");
    assert.equal(await bench.state(owner, "a"), "running #0");
    assert.equal((await bench.report(owner))?.revision, "2");
    await bench.close();
  });
});

describe("postStart", () => {
  it("keeps the container waiting until it is done", async () => {
    const hook = Promise.withResolvers<HookOutcome>();
    const bench = new EngineBench({}, { runHook: () => hook.promise });
    const { owner } = await bench.create({
      containers: [plain("c", { lifecycle: { postStart: { exec: { command: ["x"] } } } })],
    });
    assert.deepEqual(course(bench), ["start c/0"]);
    assert.equal(await bench.state(owner), "waiting #0");
    hook.resolve({ type: "succeeded" });
    await bench.pass(0);
    assert.equal(await bench.state(owner), "running #0");
    await bench.close();
  });

  it("that fails has the container stopped and restarted", async () => {
    let runs = 0;
    const outcome = (): HookOutcome => (runs++ === 0 ? { type: "failed", message: "no" } : { type: "succeeded" });
    const bench = new EngineBench({}, { runHook: async () => outcome() });
    const { owner } = await bench.create({
      containers: [plain("c", { lifecycle: { postStart: { exec: { command: ["x"] } } } })],
    });
    await bench.pass(0);
    assert.deepEqual(course(bench), ["start c/0", "term c/0", "exit c/0", "start c/1"]);
    assert.equal(await bench.state(owner), "running #1");
    assert.ok(bench.events.includes("c FailedPostStartHook: PostStartHook failed"));
    await bench.close();
  });
});

describe("environment with addresses", () => {
  it("is completed when the sandbox has some", async () => {
    const bench = new EngineBench({}, { hostIPs: () => ["192.0.2.1", "2001:db8::1"] });
    const request = requestOf(podOf({}));
    const parts = [
      ["IP", ["at ", { fieldPath: "status.podIP" as const }, "!"]],
      ["HOSTS", [{ fieldPath: "status.hostIPs" as const }]],
    ] as const;
    const container = {
      name: "c",
      image: "img",
      imagePullPolicy: "IfNotPresent" as const,
      env: parts.map(([name, value]) => ({ name, value })),
      mounts: [],
    };
    const resolved = {
      hostname: "h",
      setHostnameAsFQDN: false,
      hosts: ["# hosts\n", { fieldPath: "status.podIP" as const }, "\th\n"],
      containers: [container],
      volumes: [],
      imageCredentials: [],
    };
    await bench.engine.createPod({ ...request, resolved }, quiet);
    await bench.pass(0);
    const spec = bench.runtime.specOf({ podUid: request.owner.uid, name: "c", attempt: 0 });
    const ip = (await bench.report(request.owner))?.podIPs?.[0] ?? "";
    assert.notEqual(ip, "");
    assert.deepEqual(spec?.env, [
      { name: "IP", value: `at ${ip}!` },
      { name: "HOSTS", value: "192.0.2.1,2001:db8::1" },
    ]);
    assert.equal(spec?.hosts, `# hosts\n${ip}\th\n`);
    await bench.close();
  });
});

describe("the init sequencer by itself", () => {
  const spec: readonly (readonly [string, OrderedContainer["role"]])[] = [
    ["i1", "init"],
    ["s1", "sidecar"],
    ["i2", "init"],
    ["m1", "main"],
    ["m2", "main"],
    ["e1", "ephemeral"],
  ];
  // Containers that have done their part (init: succeeded; sidecar: started), and whether the pod was initialised before.
  const cases: readonly (readonly [readonly string[], boolean, string])[] = [
    [[], false, "e1 i1"],
    [["i1"], false, "e1 s1"],
    [["i1", "s1"], false, "e1 i2 s1"],
    [["i1", "s1", "i2"], false, "e1 m1 m2 s1"],
    [["i1", "i2"], false, "e1 s1"],
    [[], true, "e1 m1 m2 s1"],
  ];
  for (const [done, initialized, expected] of cases)
    it(`${done.join(" ") || "nothing"} done${initialized ? ", initialised before" : ""}: ${expected}`, () => {
      const containers = spec.map(([name, role]) => ({
        ...{ name, role, started: done.includes(name) },
        succeeded: role === "init" && done.includes(name),
      }));
      assert.deepEqual([...containersToRun(containers, initialized)].sort().join(" "), expected);
    });
});
