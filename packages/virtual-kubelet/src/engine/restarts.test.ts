import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, PodSpec } from "../kube/types.gen.ts";
import { EngineBench, podOf, quiet, requestOf } from "../testing/engine-bench.ts";
import { ProbesByHand } from "../testing/probes-by-hand.ts";

const plain = (name: string, more: Partial<Container> = {}): Container => ({ name, image: "img", ...more });

describe("what follows the end of a container", () => {
  const rule = (operator: string, values: readonly number[], action = "Restart"): Partial<Container> => ({
    restartPolicy: "Never",
    restartPolicyRules: [{ action, exitCodes: { operator, values } }],
  });
  const rows: readonly (readonly [string, string, Partial<Container>, number, string])[] = [
    ["Always, failed", "Always", {}, 1, "running #1"],
    ["Always, succeeded", "Always", {}, 0, "running #1"],
    ["OnFailure, failed", "OnFailure", {}, 1, "running #1"],
    ["OnFailure, succeeded", "OnFailure", {}, 0, "terminated 0 Completed #0"],
    ["Never, failed", "Never", {}, 1, "terminated 1 Error #0"],
    ["Never, succeeded", "Never", {}, 0, "terminated 0 Completed #0"],
    ["its own policy goes before the pod's", "Never", { restartPolicy: "OnFailure" }, 1, "running #1"],
    [
      "its own policy goes before the pod's, the other way",
      "Always",
      { restartPolicy: "Never" },
      1,
      "terminated 1 Error #0",
    ],
    ["a rule that matches", "Never", rule("In", [42]), 42, "running #1"],
    ["a rule that does not match", "Never", rule("In", [42]), 41, "terminated 41 Error #0"],
    ["a rule of all but some codes", "Never", rule("NotIn", [42]), 41, "running #1"],
  ];
  for (const [name, restartPolicy, container, exitCode, state] of rows) {
    it(`${name}: ${state}`, async () => {
      const script = (ref: { readonly attempt: number }) => (ref.attempt === 0 ? { exitAfterMs: 1000, exitCode } : {});
      const bench = new EngineBench({ script });
      const { owner } = await bench.create({ restartPolicy, containers: [plain("c", container)] });
      await bench.pass(1000);
      assert.equal(await bench.state(owner), state);
      await bench.close();
    });
  }
});

describe("CrashLoopBackOff", () => {
  it("waits 10, 20, 40 ... 300 seconds, and says so", async () => {
    const bench = new EngineBench({ script: () => ({ exitAfterMs: 1000, exitCode: 1 }) });
    const { owner } = await bench.create({});
    const starts = (): readonly number[] =>
      bench.runtime.journal.filter(({ what }) => what === "start").map(({ at }) => at);
    await bench.pass(2000);
    const report = await bench.container(owner);
    assert.deepEqual(report?.state.waiting, {
      reason: "CrashLoopBackOff",
      message: "back-off 10s restarting failed container=c pod=p_ns(uid-p)",
    });
    assert.equal(report?.lastState?.terminated?.exitCode, 1);
    await bench.pass(1_500_000);
    const gaps = starts().map((at, index, all) => (at - (all[index - 1] ?? at)) / 1000 - (index > 0 ? 1 : 0));
    assert.deepEqual(gaps.slice(0, 9), [0, 0, 10, 20, 40, 80, 160, 300, 300]);
    const told = bench.events.filter((event) => event.includes("BackOff"));
    assert.equal(told[0], "c BackOff: Back-off restarting failed container c in pod p_ns(uid-p)");
    await bench.close();
  });

  it("begins anew after a run of more than ten minutes", async () => {
    const bench = new EngineBench({
      script: ({ attempt }) => ({ exitAfterMs: attempt === 3 ? 601_000 : 1000, exitCode: 1 }),
    });
    const { owner } = await bench.create({});
    await bench.pass(1000 + 1000 + 10_000 + 1000 + 20_000);
    assert.equal(await bench.state(owner), "running #3");
    await bench.pass(601_000);
    assert.equal(await bench.state(owner), "running #4");
    await bench.pass(1000);
    assert.equal((await bench.container(owner))?.state.waiting?.message?.slice(0, 12), "back-off 10s");
    await bench.close();
  });

  it("keeps the newest run and the one before, with their logs", async () => {
    const bench = new EngineBench({ script: () => ({ exitAfterMs: 1000, exitCode: 1 }) });
    const { owner } = await bench.create({});
    await bench.pass(60_000);
    const kept = (await bench.runtime.get(owner.uid, quiet))?.containers.map(({ attempt }) => attempt);
    const restarts = (await bench.container(owner))?.restartCount ?? 0;
    assert.ok(restarts >= 3);
    assert.deepEqual(kept, [restarts - 1, restarts]);
    await bench.close();
  });
});

describe("probes", () => {
  const probed = plain("c", {
    startupProbe: {},
    livenessProbe: { terminationGracePeriodSeconds: 3 },
    readinessProbe: {},
  });
  function bench(termMs = 0): { readonly bench: EngineBench; readonly probes: ProbesByHand } {
    const probes = new ProbesByHand();
    return {
      bench: new EngineBench({ script: () => ({ termMs }) }, { probes: (listener) => probes.listenTo(listener) }),
      probes,
    };
  }

  it("make a container started and ready", async () => {
    const { bench: engine, probes } = bench();
    const { owner } = await engine.create({ containers: [probed] });
    const facts = async (): Promise<unknown> => {
      const { started, ready } = (await engine.container(owner)) ?? {};
      return { started, ready };
    };
    assert.deepEqual(await facts(), { started: false, ready: false });
    probes.say("c/0", { startup: "success" });
    await engine.pass(0);
    assert.deepEqual(await facts(), { started: true, ready: false });
    probes.say("c/0", { readiness: "success" });
    await engine.pass(0);
    assert.deepEqual(await facts(), { started: true, ready: true });
    probes.say("c/0", { readiness: "failure" });
    await engine.pass(0);
    assert.deepEqual(await facts(), { started: true, ready: false });
    await engine.close();
  });

  it("that fail have the container stopped with the probe's grace, and restarted", async () => {
    const { bench: engine, probes } = bench(Number.POSITIVE_INFINITY);
    const { owner } = await engine.create({ containers: [probed], terminationGracePeriodSeconds: 60 });
    probes.say("c/0", { startup: "success" });
    await engine.pass(5000);
    const at = engine.clock.now();
    probes.say("c/0", { liveness: "failure" });
    await engine.pass(60_000);
    const kill = engine.runtime.journal.find(({ what }) => what === "kill");
    assert.equal(kill?.at, at + 3000);
    assert.equal(await engine.state(owner), "running #1");
    assert.ok(engine.events.includes("c Killing: Container c failed liveness probe, will be restarted"));
    await engine.close();
  });

  it("of liveness and startup end with the pod's life, readiness goes on", async () => {
    const { bench: engine, probes } = bench(5000);
    const { owner } = await engine.create({ containers: [probed] });
    assert.deepEqual(probes.probed, ["c/0 startup,liveness,readiness"]);
    await engine.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await engine.pass(0);
    assert.deepEqual(probes.probed, ["c/0 readiness"]);
    await engine.pass(5000);
    assert.deepEqual(probes.probed, []);
    await engine.close();
  });

  it("of a pod that never restarts end it", async () => {
    const { bench: engine, probes } = bench();
    const { owner } = await engine.create({ containers: [probed], restartPolicy: "Never" });
    probes.say("c/0", { startup: "failure" });
    await engine.pass(0);
    assert.equal(await engine.state(owner), "terminated 143 Error #0");
    assert.ok(engine.events.includes("c Killing: Container c failed startup probe"));
    await engine.close();
  });
});

describe("a changed image", () => {
  it("has that container alone restarted at once, whatever its policy, with a new back-off", async () => {
    const bench = new EngineBench({
      script: ({ name, attempt }) =>
        name === "a" && attempt < 2 ? { exitAfterMs: 1000, exitCode: 1 } : { termExitCode: 0 },
    });
    const spec: Partial<PodSpec> = { restartPolicy: "OnFailure", containers: [plain("a"), plain("b")] };
    const { owner } = await bench.create(spec);
    await bench.pass(13_000);
    assert.equal(await bench.state(owner, "a"), "running #2");
    const changed = { ...spec, containers: [plain("a", { image: "new" }), plain("b")] };
    await bench.engine.updatePod(requestOf(podOf(changed, "p", 2)), quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner, "a"), "running #3");
    assert.equal(await bench.state(owner, "b"), "running #0");
    assert.equal((await bench.container(owner, "a"))?.image, "new");
    assert.ok(bench.events.includes("a Killing: Container a definition changed, will be restarted"));
    bench.runtime.exit({ podUid: owner.uid, name: "a", attempt: 3 }, 1);
    await bench.pass(0);
    assert.equal((await bench.container(owner, "a"))?.state.waiting?.message?.slice(0, 12), "back-off 10s");
    await bench.close();
  });
});

describe("RestartAllContainers", () => {
  it("stops all in order, and starts over with the init containers; every run counts", async () => {
    const rules = {
      restartPolicy: "Never",
      restartPolicyRules: [{ action: "RestartAllContainers", exitCodes: { operator: "In", values: [88] } }],
    };
    const bench = new EngineBench({
      script: ({ name, attempt }) => {
        if (name === "i") return { exitAfterMs: 100, exitCode: 0 };
        return name === "a" && attempt === 0 ? { exitAfterMs: 5000, exitCode: 88 } : { termMs: 2000 };
      },
    });
    const { owner } = await bench.create({
      restartPolicy: "Never",
      initContainers: [plain("i"), plain("s", { restartPolicy: "Always" })],
      containers: [plain("a", rules), plain("b", { restartPolicy: "OnFailure" })],
    });
    await bench.pass(5100);
    assert.equal(await bench.state(owner, "a"), "waiting RestartingAllContainers #0");
    assert.equal((await bench.report(owner))?.restartingAll, true);
    await bench.pass(10_000);
    const course = bench.history.filter((entry) => /^(start|exit|term) /.test(entry));
    assert.deepEqual(course.slice(course.indexOf("exit a/0")), [
      ...["exit a/0", "term b/0", "exit b/0", "term s/0", "exit s/0"],
      ...["start i/1", "exit i/1", "start s/1", "start a/1", "start b/1"],
    ]);
    for (const name of ["s", "a", "b"]) assert.equal(await bench.state(owner, name), "running #1");
    assert.equal((await bench.report(owner))?.restartingAll, undefined);
    // Who only had to start over has no failure of its own to pay for.
    for (const [name, state] of [
      ["b", "running #2"],
      ["a", "terminated 1 Error #1"],
    ] as const) {
      bench.runtime.exit({ podUid: owner.uid, name, attempt: 1 }, 1);
      await bench.pass(0);
      assert.equal(await bench.state(owner, name), state);
    }
    await bench.close();
  });
});

describe("RestartAllContainers again and again", () => {
  it("waits by the back-off of the container that asks for it", async () => {
    const rules = {
      restartPolicy: "Never",
      restartPolicyRules: [{ action: "RestartAllContainers", exitCodes: { operator: "In", values: [88] } }],
    };
    const bench = new EngineBench({ script: ({ name }) => (name === "a" ? { exitAfterMs: 1000, exitCode: 88 } : {}) });
    await bench.create({ containers: [plain("a", rules), plain("b")] });
    await bench.pass(60_000);
    const starts = bench.runtime.journal.filter(({ what, name }) => what === "start" && name === "b");
    const gaps = starts.map(({ at }, index) => (at - (starts[index - 1]?.at ?? at)) / 1000);
    assert.deepEqual(gaps, [0, 1, 11, 21]);
    await bench.close();
  });
});

describe("a container that is lost", () => {
  it("counts as killed, nobody knows how, and is restarted", async () => {
    const bench = new EngineBench();
    const { owner } = await bench.create({});
    await bench.pass(1000);
    bench.runtime.vanish({ podUid: owner.uid, name: "c", attempt: 0 });
    await bench.pass(0);
    assert.equal(await bench.state(owner), "running #1");
    const end = (await bench.container(owner))?.lastState?.terminated;
    assert.deepEqual([end?.exitCode, end?.reason], [137, "ContainerStatusUnknown"]);
    await bench.close();
  });
});

describe("two runs of a container at once", () => {
  it("are made one: the older ends", async () => {
    const bench = new EngineBench();
    const { owner } = await bench.create({});
    const spec = bench.runtime.specOf({ podUid: owner.uid, name: "c", attempt: 0 });
    assert.ok(spec !== undefined);
    await bench.runtime.createContainer({ ...spec, attempt: 1 }, quiet);
    await bench.runtime.startContainer({ ...spec, attempt: 1 }, quiet);
    await bench.pass(5000);
    assert.deepEqual(
      bench.runtime.running(owner.uid).map(({ attempt }) => attempt),
      [1],
    );
    await bench.close();
  });
});

describe("a restarted host", () => {
  it("has the pod start over in a new sandbox", async () => {
    const bench = new EngineBench({ script: ({ name }) => (name === "i" ? { exitAfterMs: 100 } : {}) });
    const { owner } = await bench.create({ initContainers: [plain("i")] });
    await bench.pass(1000);
    bench.runtime.restartHost();
    await bench.pass(1000);
    assert.equal(await bench.state(owner), "running #1");
    assert.equal(await bench.state(owner, "i"), "terminated 0 Completed #1");
    assert.ok(bench.events.includes("SandboxChanged: Pod sandbox changed, it will be killed and re-created."));
    await bench.close();
  });

  it("leaves what was done for good as it is", async () => {
    const bench = new EngineBench({ script: ({ name }) => (name === "a" ? { exitAfterMs: 100, exitCode: 0 } : {}) });
    const { owner } = await bench.create({ restartPolicy: "OnFailure", containers: [plain("a"), plain("b")] });
    await bench.pass(1000);
    for (const restarts of [1, 2]) {
      bench.runtime.restartHost();
      await bench.pass(1000 + 30_000);
      assert.equal(await bench.state(owner, "a"), "terminated 0 Completed #0");
      assert.equal(await bench.state(owner, "b"), `running #${restarts}`);
    }
    await bench.close();
  });
});
