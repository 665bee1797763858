// What is told between the end of a run and the start of the next.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, PodSpec } from "../kube/types.gen.ts";
import { podStatus } from "../status/pod-status.ts";
import { EngineBench, podOf, quiet, requestOf, stateText } from "../testing/engine-bench.ts";

const plain = (name: string, more: Partial<Container> = {}): Container => ({ name, image: "img", ...more });

/** States of a container in the order in which they were told: "running #0 <terminated 1 Error". */
function told(bench: EngineBench, name = "c"): readonly string[] {
  const lines = bench.updates.flatMap((update) => {
    if (update.type !== "report") return [];
    const one = update.report.containers.find((container) => container.name === name);
    if (one === undefined) return [];
    const last = one.lastState?.terminated === undefined ? "" : ` <${stateText(one.lastState)}`;
    return [`${stateText(one.state)} #${one.restartCount ?? 0}${last}`];
  });
  return lines.filter((line, index) => line !== lines[index - 1]);
}

describe("a report between two runs", () => {
  it("shows a container as it ended, or as backing off, until the next run has begun", async () => {
    const bench = new EngineBench({
      script: ({ attempt }) => (attempt < 2 ? { exitAfterMs: 1000, exitCode: 1 } : {}),
      // Each start takes its time, so that what is made and not started yet is seen.
      around: async (call, work) => {
        if (call === "startContainer") await new Promise<void>((done) => void bench.clock.schedule(500, done));
        return work();
      },
    });
    await bench.create({});
    await bench.pass(20_000);
    assert.deepEqual(told(bench), [
      "waiting #0",
      "running #0",
      "terminated 1 Error #0",
      "running #1 <terminated 1 Error",
      "waiting CrashLoopBackOff #1 <terminated 1 Error",
      "running #2 <terminated 1 Error",
    ]);
    await bench.close();
  });

  it("says why the next run cannot begin", async () => {
    const bench = new EngineBench({
      script: ({ attempt }) => (attempt < 1 ? { exitAfterMs: 1000, exitCode: 1 } : {}),
      around: async (call, work) => {
        if (call === "startContainer" && bench.history.includes("create c/1")) throw new Error("no room");
        return work();
      },
    });
    await bench.create({});
    await bench.pass(2000);
    assert.equal(told(bench).at(-1), "waiting RunContainerError #1 <terminated 1 Error");
    await bench.close();
  });

  it("speaks of no back-off when the image was changed", async () => {
    const bench = new EngineBench({
      script: () => ({ termMs: 1000, termExitCode: 0 }),
      // Looked for again before the next run, so that there is time between the two.
      around: async (call, work) => {
        if (call === "imageStatus") await new Promise<void>((done) => void bench.clock.schedule(500, done));
        return work();
      },
    });
    const spec: Partial<PodSpec> = { containers: [plain("c")] };
    await bench.create(spec);
    await bench.pass(1000);
    await bench.engine.updatePod(requestOf(podOf({ containers: [plain("c", { image: "new" })] }, "p", 2)), quiet);
    await bench.pass(5000);
    const lines = told(bench);
    assert.deepEqual(lines, [
      "waiting #0",
      "running #0",
      // The core says ContainerCreating.
      "waiting #0 <terminated 0 Completed",
      "running #1 <terminated 0 Completed",
    ]);
    await bench.close();
  });

  it("keeps what it said of the runs before all containers started over, to the end of the pod", async () => {
    const bench = new EngineBench({
      script: ({ attempt }) => ({ exitAfterMs: 1000, exitCode: attempt === 0 ? 9 : 0 }),
      around: async (call, work) => {
        if (call === "startContainer") await new Promise<void>((done) => void bench.clock.schedule(500, done));
        return work();
      },
    });
    const rule = { action: "RestartAllContainers", exitCodes: { operator: "In", values: [9] } };
    const container = plain("c", { restartPolicy: "Never", restartPolicyRules: [rule] });
    await bench.create({ restartPolicy: "Never", containers: [container] });
    await bench.pass(10_000);
    const last = "terminated 9 RestartingAllContainers";
    assert.deepEqual(told(bench), [
      "waiting #0",
      "running #0",
      `waiting RestartingAllContainers #0 <${last}`,
      `running #1 <${last}`,
      `terminated 0 Completed #1 <${last}`,
    ]);
    await bench.close();
  });

  it("never shows a container as running whose postStart fails", async () => {
    let hooks = 0;
    const bench = new EngineBench(
      { script: () => ({ termMs: 1000 }) },
      {
        runHook: async () => {
          await new Promise<void>((done) => void bench.clock.schedule(500, done));
          return ++hooks === 1 ? { type: "failed", message: "secret" } : { type: "succeeded" };
        },
      },
    );
    await bench.create({ containers: [plain("c", { lifecycle: { postStart: { sleep: { seconds: 1 } } } })] });
    await bench.pass(5000);
    const last = "terminated 143 Error";
    assert.deepEqual(told(bench), [
      "waiting #0",
      "waiting PostStartHookError #0",
      `waiting PostStartHookError #0 <${last}`,
      `waiting #1 <${last}`,
      `running #1 <${last}`,
    ]);
    assert.equal(hooks, 2, "once for each run");
    await bench.close();
  });
});

describe("a report of a run", () => {
  it("says as whom it began, where the runtime does", async () => {
    const bench = new EngineBench();
    const { owner } = await bench.create();
    assert.equal((await bench.container(owner))?.user, undefined);
    const get = bench.runtime.get.bind(bench.runtime);
    bench.runtime.get = async (uid, context) => {
      const found = await get(uid, context);
      const user = { uid: 1000, gid: 1001, supplementalGroups: [7] };
      return found && { ...found, containers: found.containers.map((run) => ({ ...run, user })) };
    };
    await bench.pass(60_000);
    assert.deepEqual((await bench.container(owner))?.user, {
      linux: { uid: 1000, gid: 1001, supplementalGroups: [7] },
    });
    await bench.close();
  });

  it("is silent about an init container that was cleaned up after its success", async () => {
    const bench = new EngineBench({ script: ({ name }) => (name === "i" ? { exitAfterMs: 10 } : {}) });
    const request = await bench.create({ initContainers: [plain("i")] });
    await bench.pass(1000);
    assert.equal(await bench.state(request.owner), "running #0");
    bench.runtime.vanish({ podUid: request.owner.uid, name: "i", attempt: 0 });
    await bench.restart(request);
    await bench.pass(60_000);
    const report = await bench.report(request.owner);
    assert.deepEqual(
      report?.containers.map(({ name }) => name),
      ["c"],
    );
    assert.ok(report !== undefined);
    const situation = { type: "reported", report } as const;
    const status = podStatus({ pod: request.pod, situation, now: bench.clock.now(), nodeIPs: [] });
    assert.equal(status.phase, "Running");
    assert.equal(status.initContainerStatuses?.[0]?.state?.terminated?.reason, "Completed");
    await bench.close();
  });
});
