import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Container } from "../kube/types.gen.ts";
import { EngineBench, quiet } from "../testing/engine-bench.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import type { RunScript } from "../testing/memory-runtime.ts";
import type { RunHook } from "./probe-results.ts";

const plain = (name: string, more: Partial<Container> = {}): Container => ({ name, image: "img", ...more });
const sidecar = (name: string): Container => plain(name, { restartPolicy: "Always" });
const preStop = { lifecycle: { preStop: { sleep: { seconds: 5 } } } };

function scripted(scripts: Readonly<Record<string, RunScript>>, runHook?: RunHook): EngineBench {
  return new EngineBench({ script: ({ name }) => scripts[name] ?? {} }, runHook === undefined ? {} : { runHook });
}

/** Seconds since `since`, and what happened: "5 term c". */
function course(bench: EngineBench, since: number): readonly string[] {
  return bench.runtime.journal
    .filter(({ what, at }) => at >= since && ["term", "kill", "exit"].includes(what))
    .map(({ what, name, at }) => `${(at - since) / 1000} ${what} ${name}`);
}

/** A hook that takes so long, by the bench's clock. */
function slowHook(clockOf: () => EngineBench, ms: number): RunHook {
  return async (_handler, _target, { signal }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clockOf().clock.schedule(ms, resolve);
    const end = (): void => {
      cancel();
      resolve();
    };
    signal.addEventListener("abort", end, { once: true });
    await promise;
    signal.throwIfAborted();
    return { type: "succeeded" };
  };
}

describe("a deletion", () => {
  it("writes nothing down on a pod that has gone meanwhile, and complains of nothing", async () => {
    let gone = false;
    const around = async <T>(call: string, work: () => T): Promise<T> => {
      if (gone && call === "updateSandbox") throw new VirtualKubeletError("NotFound", "there is no pod");
      return work();
    };
    const log = new LogRecorder();
    const bench = new EngineBench({ around }, { log });
    const { owner } = await bench.create();
    gone = true;
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 0 }, quiet);
    await bench.pass(5000);
    assert.ok(bench.runtime.journal.some(({ what }) => what === "sandboxRemoved"));
    assert.deepEqual(
      log.lines.filter(({ level }) => level !== "debug" && level !== "info"),
      [],
    );
    await bench.close();
  });

  const never: RunScript = { termMs: Number.POSITIVE_INFINITY };
  const rows: readonly (readonly [string, number, RunScript, readonly string[]])[] = [
    ["heeds TERM", 30, { termMs: 1000 }, ["0 term c", "1 exit c"]],
    ["is killed after the grace", 10, never, ["0 term c", "10 kill c", "10 exit c"]],
    ["has at least two seconds", 1, never, ["0 term c", "2 kill c", "2 exit c"]],
    ["is killed at once with no grace", 0, never, ["0 kill c", "0 exit c"]],
  ];
  for (const [name, gracePeriodSeconds, script, expected] of rows) {
    it(name, async () => {
      const bench = scripted({ c: script });
      const { owner } = await bench.create({});
      await bench.pass(1000);
      const since = bench.clock.now();
      await bench.engine.deletePod(owner, { gracePeriodSeconds }, quiet);
      await bench.pass(60_000);
      assert.deepEqual(course(bench, since), expected);
      assert.equal(await bench.state(owner), "gone");
      assert.deepEqual(bench.runtime.pods, []);
      assert.ok(bench.events.includes("c Killing: Stopping container c"));
      await bench.close();
    });
  }

  it("runs preStop within the grace, then TERM", async () => {
    const bench: EngineBench = scripted(
      { c: { termMs: 1000 } },
      slowHook(() => bench, 5000),
    );
    const { owner } = await bench.create({ containers: [plain("c", preStop)] });
    const since = bench.clock.now();
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 10 }, quiet);
    await bench.pass(20_000);
    assert.deepEqual(course(bench, since), ["5 term c", "6 exit c"]);
    await bench.close();
  });

  it("gives what preStop has left of the grace, two seconds at least", async () => {
    for (const [hookMs, expected] of [
      [7000, ["7 term c", "10 kill c", "10 exit c"]],
      [9500, ["9.5 term c", "11.5 kill c", "11.5 exit c"]],
      [60_000, ["10 term c", "12 kill c", "12 exit c"]],
    ] as const) {
      const bench: EngineBench = scripted(
        { c: never },
        slowHook(() => bench, hookMs),
      );
      const { owner } = await bench.create({ containers: [plain("c", preStop)] });
      const since = bench.clock.now();
      await bench.engine.deletePod(owner, { gracePeriodSeconds: 10 }, quiet);
      await bench.pass(90_000);
      assert.deepEqual(course(bench, since), expected);
      await bench.close();
    }
  });

  it("runs no preStop without grace, and tells of one that fails", async () => {
    let hooks = 0;
    const failing: RunHook = async () => {
      hooks++;
      return { type: "failed", message: "exit code 1" };
    };
    for (const gracePeriodSeconds of [0, 10]) {
      const bench = scripted({}, failing);
      const { owner } = await bench.create({ containers: [plain("c", preStop)] });
      await bench.engine.deletePod(owner, { gracePeriodSeconds }, quiet);
      await bench.pass(5000);
      assert.equal(hooks, gracePeriodSeconds === 0 ? 0 : 1);
      const told = bench.events.filter((event) => event.includes("FailedPreStopHook"));
      assert.deepEqual(told, gracePeriodSeconds === 0 ? [] : ["c FailedPreStopHook: PreStopHook failed"]);
      await bench.close();
    }
  });

  it("is hastened by a shorter grace, and never put off by a longer one", async () => {
    const bench = scripted({ c: never });
    const { owner } = await bench.create({});
    const since = bench.clock.now();
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 100 }, quiet);
    await bench.pass(10_000);
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 5 }, quiet);
    await bench.pass(1000);
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 200 }, quiet);
    await bench.pass(60_000);
    assert.deepEqual(course(bench, since), ["0 term c", "15 kill c", "15 exit c"]);
    await bench.close();
  });

  it("stops sidecars after the main containers, the last one first", async () => {
    const two: RunScript = { termMs: 2000 };
    const bench = scripted({ s1: two, s2: two, a: two, b: { termMs: 3000 } });
    const { owner } = await bench.create({
      initContainers: [sidecar("s1"), sidecar("s2")],
      containers: [plain("a"), plain("b")],
    });
    const since = bench.clock.now();
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(60_000);
    assert.deepEqual(course(bench, since), [
      ...["0 term a", "0 term b", "2 exit a", "3 exit b"],
      ...["3 term s2", "5 exit s2", "5 term s1", "7 exit s1"],
    ]);
    await bench.close();
  });

  it("lets sidecars wait no longer than the grace", async () => {
    const bench = scripted({ s: never, a: never });
    const { owner } = await bench.create({ initContainers: [sidecar("s")], containers: [plain("a")] });
    const since = bench.clock.now();
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 10 }, quiet);
    await bench.pass(60_000);
    assert.deepEqual(course(bench, since), [
      "0 term a",
      "10 kill a",
      "10 exit a",
      "10 term s",
      "12 kill s",
      "12 exit s",
    ]);
    await bench.close();
  });

  it("restarts nothing any more", async () => {
    const bench = scripted({ c: { exitAfterMs: 1000, exitCode: 1 }, d: { termMs: 20_000 } });
    const { owner } = await bench.create({ containers: [plain("c"), plain("d")] });
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(15_000);
    assert.equal(await bench.state(owner, "c"), "terminated 143 Error #0");
    await bench.close();
  });

  it("removes a sandbox that was to be made and was never seen", async () => {
    const calls: string[] = [];
    const bench = new EngineBench({
      around: async (call, work) => {
        calls.push(call);
        if (call === "createSandbox") throw new VirtualKubeletError("Unavailable", "no answer");
        return work();
      },
    });
    const { owner } = await bench.create({});
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner), "gone");
    assert.ok(calls.includes("removeSandbox"));
    await bench.close();
  });

  it("waits for a sandbox that is still being made, and removes it", async () => {
    const bench: EngineBench = new EngineBench({
      around: async (call, work) => {
        if (call === "createSandbox") {
          const { promise, resolve } = Promise.withResolvers<void>();
          bench.clock.schedule(5000, resolve);
          await promise;
        }
        return work();
      },
    });
    const { owner } = await bench.create({});
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(60_000);
    assert.equal(await bench.state(owner), "gone");
    assert.deepEqual(bench.history, ["sandbox", "sandboxRemoved"]);
    await bench.close();
  });

  it("of a pod whose image is still being pulled ends at once", async () => {
    const { promise } = Promise.withResolvers<undefined>();
    const bench = new EngineBench({ images: new Set(), pull: () => promise });
    const { owner } = await bench.create({});
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner), "gone");
    assert.deepEqual(bench.runtime.pods, []);
    await bench.close();
  });
});

describe("a pod that ends by itself", () => {
  it("stops its sidecars, frees its sandbox, and can be read until it is deleted", async () => {
    const bench = scripted({ a: { exitAfterMs: 1000, exitCode: 3, log: "last words\n" }, s: { termMs: 1000 } });
    const { owner, pod } = await bench.create({
      restartPolicy: "Never",
      initContainers: [sidecar("s")],
      containers: [plain("a")],
    });
    await bench.pass(1000);
    assert.equal(await bench.state(owner, "a"), "terminated 3 Error #0");
    assert.equal(await bench.state(owner, "s"), "running #0");
    await bench.pass(3_600_000);
    assert.deepEqual(bench.history.slice(-3), ["term s/0", "exit s/0", "sandboxStopped"]);
    assert.equal(await bench.state(owner, "s"), "terminated 143 Error #0");
    const log = await bench.engine.getContainerLogs({ owner, pod, container: "a" }, {}, quiet);
    const chunks: Uint8Array[] = [];
    for await (const chunk of log.data) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "last words\n");
    await bench.engine.deletePod(owner, { gracePeriodSeconds: 30 }, quiet);
    await bench.pass(0);
    assert.equal(await bench.state(owner), "gone");
    await bench.close();
  });
});

describe("termination messages", () => {
  const rows: readonly (readonly [string, RunScript, string, string])[] = [
    ["the file", { terminationMessage: "why" }, "File", "why"],
    ["no file", { log: "log\n" }, "File", ""],
    ["the log where the file is empty", { log: "a\nb\n" }, "FallbackToLogsOnError", "a\nb\n"],
    ["the file before the log", { terminationMessage: "why", log: "a\n" }, "FallbackToLogsOnError", "why"],
    ["no log of a success", { log: "a\n", exitCode: 0 }, "FallbackToLogsOnError", ""],
    ["at most 4096 bytes", { terminationMessage: "x".repeat(5000) }, "File", "x".repeat(4096)],
    ["at most 80 lines of log", { log: "l\n".repeat(100) }, "FallbackToLogsOnError", "l\n".repeat(80)],
    ["at most 2048 bytes of log", { log: "y".repeat(3000) }, "FallbackToLogsOnError", "y".repeat(2048)],
  ];
  for (const [name, script, terminationMessagePolicy, message] of rows) {
    it(name, async () => {
      const bench = scripted({ c: { exitAfterMs: 100, exitCode: 1, ...script } });
      const { owner } = await bench.create({
        restartPolicy: "Never",
        containers: [plain("c", { terminationMessagePolicy })],
      });
      await bench.pass(100);
      assert.equal((await bench.container(owner))?.state.terminated?.message ?? "", message);
      await bench.close();
    });
  }

  it("come with the end: until they are known the container counts as running", async () => {
    const bench: EngineBench = new EngineBench({
      script: () => ({ exitAfterMs: 100, exitCode: 1, terminationMessage: "why" }),
      around: async (call, work) => {
        if (call === "terminationMessage") {
          const { promise, resolve } = Promise.withResolvers<void>();
          bench.clock.schedule(500, resolve);
          await promise;
        }
        return work();
      },
    });
    const { owner } = await bench.create({ restartPolicy: "Never" });
    await bench.pass(100);
    const { state, ready } = (await bench.container(owner)) ?? {};
    assert.deepEqual([Object.keys(state ?? {}), ready], [["running"], true]);
    await bench.pass(500);
    assert.equal((await bench.container(owner))?.state.terminated?.message, "why");
    await bench.close();
  });

  it("share 12 KiB among the containers of a pod", async () => {
    const bench = scripted({ c0: { exitAfterMs: 100, terminationMessage: "x".repeat(5000) } });
    const containers = Array.from({ length: 6 }, (_, index) => plain(`c${index}`));
    const { owner } = await bench.create({ restartPolicy: "Never", containers });
    await bench.pass(100);
    assert.equal((await bench.container(owner, "c0"))?.state.terminated?.message?.length, 2048);
    await bench.close();
  });

  it("begins with the signal that the container wants, after a restart of the program too", async () => {
    const bench = new EngineBench({ script: () => ({ termMs: 500 }) });
    const container = { name: "c", image: "img", lifecycle: { stopSignal: "SIGUSR1" } };
    const { owner } = await bench.create({ containers: [container] });
    await bench.restart();
    await bench.during(bench.engine.deletePod(owner, { gracePeriodSeconds: 5 }, quiet));
    await bench.pass(1000);
    assert.deepEqual(
      bench.runtime.journal.flatMap(({ what, signal }) => (what === "term" ? [signal] : [])),
      ["SIGUSR1"],
    );
    await bench.close();
  });
});
