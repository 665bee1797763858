import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Container } from "../kube/types.gen.ts";
import type { PodOwner } from "../provider/pods.ts";
import { EngineBench, podOf, quiet, requestOf } from "../testing/engine-bench.ts";
import { ProbesByHand } from "../testing/probes-by-hand.ts";
import type { RunHook } from "./probe-results.ts";

const plain = (name: string, more: Partial<Container> = {}): Container => ({ name, image: "img", ...more });

const starts = (bench: EngineBench): readonly string[] => bench.history.filter((entry) => entry.startsWith("start "));

describe("a new engine over the same runtime", () => {
  it("asks for the request of a pod again, and changes nothing about it", async () => {
    const bench = new EngineBench();
    const request = await bench.create({});
    const before = await bench.report(request.owner);
    await bench.restart();
    const adopted = await bench.report(request.owner);
    assert.equal(adopted?.revision, "");
    assert.deepEqual(adopted?.containers, before?.containers);
    assert.equal(adopted?.startTime, before?.startTime);
    await bench.engine.updatePod(request, quiet);
    await bench.pass(60_000);
    assert.deepEqual(await bench.report(request.owner), before);
    assert.deepEqual(starts(bench), ["start c/0"]);
    await bench.close();
  });

  it("goes on with a back-off where it was", async () => {
    const bench = new EngineBench({ script: () => ({ exitAfterMs: 1000, exitCode: 1 }) });
    const request = await bench.create({});
    await bench.pass(2000 + 10_000 + 1000 + 5000);
    assert.equal(await bench.state(request.owner), "waiting CrashLoopBackOff #2");
    await bench.restart();
    assert.equal(await bench.state(request.owner), "waiting CrashLoopBackOff #2", "also before the request is back");
    await bench.engine.updatePod(request, quiet);
    await bench.pass(14_999);
    assert.equal(await bench.state(request.owner), "waiting CrashLoopBackOff #2");
    await bench.pass(1);
    assert.equal(await bench.state(request.owner), "running #3");
    await bench.close();
  });

  it("finds containers that ended meanwhile, and restarts them once", async () => {
    const bench = new EngineBench({
      script: ({ attempt }) => (attempt === 0 ? { exitAfterMs: 5000, exitCode: 1 } : {}),
    });
    const request = await bench.create({});
    await bench.during(bench.close());
    await bench.pass(60_000);
    await bench.restart(request);
    assert.equal(await bench.state(request.owner), "running #1");
    assert.deepEqual(starts(bench), ["start c/0", "start c/1"]);
    await bench.close();
  });

  it("keeps what probes had said until they say something else", async () => {
    let probes = new ProbesByHand();
    const bench = new EngineBench(
      {},
      {
        probes: (listener) => {
          probes = new ProbesByHand();
          return probes.listenTo(listener);
        },
      },
    );
    const request = await bench.create({ containers: [plain("c", { startupProbe: {}, readinessProbe: {} })] });
    probes.say("c/0", { startup: "success", readiness: "success" });
    await bench.pass(0);
    await bench.restart();
    const { started, ready } = (await bench.container(request.owner)) ?? {};
    assert.deepEqual({ started, ready }, { started: true, ready: true });
    await bench.close();
  });

  it("probes at once, and stops what fails, before it knows what the pod is to be", async () => {
    let probes = new ProbesByHand();
    const bench = new EngineBench(
      { script: () => ({ termMs: Number.POSITIVE_INFINITY }) },
      {
        probes: (listener) => {
          probes = new ProbesByHand();
          return probes.listenTo(listener);
        },
      },
    );
    const livenessProbe = { httpGet: { port: "web" }, terminationGracePeriodSeconds: 4 };
    const ports = [{ name: "web", containerPort: 80 }];
    const request = await bench.create({ containers: [plain("c", { livenessProbe, ports })] });
    await bench.restart();
    assert.deepEqual(probes.probed, ["c/0 liveness"]);
    assert.deepEqual(probes.containers, [{ name: "c", livenessProbe, ports }]);
    probes.say("c/0", { liveness: "failure" });
    await bench.pass(60_000);
    assert.deepEqual(bench.history.slice(-3), ["term c/0", "kill c/0", "exit c/0"]);
    assert.equal(await bench.state(request.owner), "terminated 137 Error #0");
    await bench.engine.updatePod(request, quiet);
    await bench.pass(0);
    assert.equal(await bench.state(request.owner), "running #1");
    await bench.close();
  });

  it("goes on with a deletion, by the deadline that was", async () => {
    const bench = new EngineBench({ script: () => ({ termMs: Number.POSITIVE_INFINITY }) });
    const { owner } = await bench.create({});
    const at = bench.clock.now();
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 20 }, quiet);
    await bench.pass(5000);
    await bench.restart();
    await bench.pass(60_000);
    const kill = bench.runtime.journal.find(({ what }) => what === "kill");
    assert.equal(kill?.at, at + 20_000);
    assert.deepEqual(bench.runtime.pods, []);
    await bench.close();
  });

  it("runs a preStop hook that had been cut short again, and one that was done never", async () => {
    for (const doneBefore of [false, true]) {
      let hooks = 0;
      const bench: EngineBench = new EngineBench(
        { script: () => ({ termMs: 5000 }) },
        {
          runHook: async (_handler, _target, { signal }): ReturnType<RunHook> => {
            hooks++;
            if (hooks === 1 && !doneBefore) {
              const { promise, reject } = Promise.withResolvers<never>();
              signal.addEventListener("abort", () => reject(VirtualKubeletError.from(signal.reason)), { once: true });
              await promise;
            }
            return { type: "succeeded" };
          },
        },
      );
      const lifecycle = { preStop: { exec: { command: ["drain"] } } };
      const { owner } = await bench.create({ containers: [plain("c", { lifecycle })] });
      await bench.engine.deletePod(owner, { gracePeriodSeconds: 20 }, quiet);
      await bench.pass(1000);
      await bench.restart();
      await bench.pass(20_000);
      assert.equal(hooks, doneBefore ? 1 : 2);
      assert.deepEqual(bench.runtime.pods, []);
      await bench.close();
    }
  });

  it("keeps the order of a pod's end that it was told nothing about", async () => {
    const bench = new EngineBench({ script: () => ({ termMs: 2000 }) });
    const { owner } = await bench.create({
      initContainers: [plain("s", { restartPolicy: "Always" })],
      containers: [plain("a")],
    });
    await bench.restart();
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(10_000);
    const course = bench.history.filter((entry) => /^(term|exit) /.test(entry));
    assert.deepEqual(course, ["term a/0", "exit a/0", "term s/0", "exit s/0"]);
    await bench.close();
  });

  it("knows a pod that had ended for what it was", async () => {
    const bench = new EngineBench({ script: () => ({ exitAfterMs: 1000, exitCode: 3, terminationMessage: "bye" }) });
    const { owner } = await bench.create({ restartPolicy: "Never" });
    await bench.pass(10_000);
    const before = await bench.report(owner);
    await bench.restart();
    await bench.pass(0);
    assert.deepEqual((await bench.report(owner))?.containers, before?.containers);
    assert.equal(before?.containers[0]?.state.terminated?.message, "bye");
    await bench.close();
  });

  it("applies changes made while it was away", async () => {
    const bench = new EngineBench();
    const { owner, pod } = await bench.create({});
    const changed = requestOf(podOf({ ...pod.spec, containers: [plain("c", { image: "new" })] }, "p", 2));
    await bench.restart(changed);
    await bench.pass(0);
    assert.equal(await bench.state(owner), "running #1");
    assert.equal((await bench.container(owner))?.image, "new");
    await bench.close();
  });
});

describe("a runtime that loses answers", () => {
  it("is asked again, and nothing is made twice", async () => {
    const lost = new Set(["createSandbox", "createContainer", "startContainer", "stopContainer", "removeSandbox"]);
    const bench = new EngineBench({
      around: async (call, work) => {
        const answer = work();
        if (lost.delete(call)) throw new VirtualKubeletError("Unavailable", "connection reset");
        return answer;
      },
    });
    const { owner } = await bench.create({});
    await bench.pass(60_000);
    assert.equal(await bench.state(owner), "running #0");
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 1 }, quiet);
    await bench.pass(60_000);
    const counted = ["sandbox", "create c/0", "start c/0", "term c/0", "exit c/0", "sandboxStopped", "sandboxRemoved"];
    assert.deepEqual(bench.history, counted);
    await bench.close();
  });

  it("that does not answer at all holds up its own pod alone", async () => {
    const bench = new EngineBench({
      around: (call, work) => (call === "startContainer" ? new Promise<never>(() => {}) : Promise.resolve(work())),
    });
    const { owner } = await bench.create({});
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 1 }, quiet);
    await bench.pass(5000);
    assert.equal(await bench.state(owner), "gone");
    await bench.close();
  });
});

describe("a pod that is gone from the runtime without having been deleted", () => {
  it("is said to be gone", async () => {
    const bench = new EngineBench();
    const { owner } = await bench.create({});
    await bench.runtime.removeSandbox(owner.uid, quiet);
    await bench.pass(0);
    assert.equal(bench.updates.at(-1)?.type, "gone");
    assert.equal(await bench.state(owner), "gone");
    await bench.close();
  });
});

describe("a listing that is older than a removal", () => {
  it("brings nothing back", async () => {
    const stale = Promise.withResolvers<void>();
    let hold = false;
    const bench: EngineBench = new EngineBench({
      around: async (call, work) => {
        const answer = work();
        if (call === "list" && hold) await stale.promise;
        return answer;
      },
    });
    const { owner } = await bench.create({});
    hold = true;
    const listing = bench.engine.getPods(quiet);
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 0 }, quiet);
    await bench.pass(5000);
    assert.equal(await bench.state(owner), "gone");
    hold = false;
    stale.resolve();
    await listing;
    await bench.pass(0);
    assert.equal(await bench.state(owner), "gone");
    assert.deepEqual(await bench.engine.getPods(quiet), []);
    await bench.close();
  });
});

describe("what is not there", () => {
  it("is NotFound", async () => {
    const bench = new EngineBench();
    const { owner } = requestOf(podOf({}, "other"));
    const calls: readonly ((owner: PodOwner) => Promise<unknown>)[] = [
      (one) => bench.engine.getPodStatus(one, quiet),
      (one) => bench.engine.deletePod(one, { gracePeriodSeconds: 0 }, quiet),
      (one) => bench.engine.updatePod({ ...requestOf(podOf({}, "other")), owner: one }, quiet),
      (one) => bench.engine.updateVolumes(one, [], quiet),
    ];
    for (const call of calls)
      await assert.rejects(call(owner), (error) => VirtualKubeletError.from(error).kind === "NotFound");
    await bench.close();
  });
});
