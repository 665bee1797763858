// The conformance suite for runtimes of containers: node:test tests that whatever the pod engine is to run on must pass.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  ContainerRef,
  ContainerRuntime,
  ContainerSpec,
  RuntimeContainer,
  SandboxSpec,
} from "../engine/container-runtime.ts";
import { isErrorKind } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { CallContext } from "../provider.ts";

export interface RuntimeConformanceOptions {
  /** Called once, and once more by the tests of adoption when `outlives` is set: the same backend, another object. */
  readonly create: () => Promise<ContainerRuntime>;
  /** What makes a container run until TERM, and end by itself with a code. */
  readonly running: Pick<ContainerSpec, "image" | "command">;
  readonly ending: (exitCode: number) => Pick<ContainerSpec, "image" | "command">;
  /** Runs until KILL; absent: no test of that. */
  readonly stubborn?: Pick<ContainerSpec, "image" | "command"> | undefined;
  /** Resolves when one of those that heed signals, or do not, has come so far; default at once. */
  readonly settled?: ((runtime: ContainerRuntime, ref: ContainerRef) => Promise<boolean>) | undefined;
  readonly outlives?: boolean | undefined;
  /** How long anything may take to show. Default 100 000: five times as long as on a quiet machine. */
  readonly timeoutMs?: number | undefined;
}

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };

/** Registers the suite under `name`. */
export function runtimeConformance(name: string, options: RuntimeConformanceOptions): void {
  describe(`${name} keeps the contract of a container runtime`, () => {
    let runtime: ContainerRuntime;
    const made = new Set<string>();
    before(async () => {
      runtime = await options.create();
    });
    after(async () => {
      try {
        for (const uid of made) await runtime.removeSandbox(uid, context);
      } finally {
        await runtime[Symbol.asyncDispose]?.();
      }
    });

    const pod = async (change: Partial<SandboxSpec> = {}): Promise<string> => {
      const spec = sandboxSpec(change);
      made.add(spec.owner.uid);
      await runtime.createSandbox(spec, context);
      return spec.owner.uid;
    };
    const run = async (
      podUid: string,
      what: Pick<ContainerSpec, "image" | "command">,
      attempt = 0,
    ): Promise<ContainerRef> => {
      const spec = containerSpec(podUid, what, attempt);
      await runtime.createContainer(spec, context);
      await runtime.startContainer(spec, context);
      if (what === options.running || what === options.stubborn)
        await until(async () => (await options.settled?.(runtime, spec)) ?? true, "a run to settle");
      return { podUid, name: spec.name, attempt };
    };
    const find = async ({ podUid, attempt }: ContainerRef): Promise<RuntimeContainer | undefined> =>
      (await runtime.get(podUid, context))?.containers.find((each) => each.attempt === attempt);
    const until = async (condition: () => Promise<boolean>, what: string): Promise<void> => {
      const deadline = Date.now() + (options.timeoutMs ?? 100_000);
      while (!(await condition())) {
        if (Date.now() > deadline) assert.fail(`timed out waiting for ${what}`);
        await sleep(10);
      }
    };
    const exited = async (ref: ContainerRef): Promise<RuntimeContainer> => {
      await until(async () => (await find(ref))?.state === "exited", "the end of a run");
      return (await find(ref)) ?? assert.fail("the run has gone");
    };
    const notFound = (error: unknown): boolean => isErrorKind(error, "NotFound");

    test("a sandbox is made once, keeps what is written on it, and is changed note by note", async () => {
      const spec = sandboxSpec({ notes: { a: "1", b: "2" } });
      made.add(spec.owner.uid);
      const first = await runtime.createSandbox(spec, context);
      assert.deepEqual(
        [first.owner, first.revision, first.ready, first.notes],
        [spec.owner, "1", true, { a: "1", b: "2" }],
      );
      assert.ok(first.ips.length > 0, "its addresses are known");
      const again = await runtime.createSandbox({ ...spec, revision: "2", notes: {} }, context);
      assert.deepEqual([again.createdAt, again.revision, again.notes], [first.createdAt, "1", { a: "1", b: "2" }]);
      await runtime.updateSandbox(spec.owner.uid, { notes: { b: "3" } }, context);
      await runtime.updateSandbox(spec.owner.uid, { revision: "4" }, context);
      const now = await runtime.get(spec.owner.uid, context);
      assert.deepEqual([now?.revision, now?.notes], ["4", { a: "1", b: "3" }]);
      const listed = (await runtime.list(context)).filter(({ owner }) => owner.uid === spec.owner.uid);
      assert.deepEqual(listed, [now]);
    });

    test("what is not there is NotFound, undefined, or no error, as the contract says", async () => {
      const podUid = randomUUID();
      const ref = { podUid, name: "main", attempt: 0 };
      assert.equal(await runtime.get(podUid, context), undefined);
      await assert.rejects(runtime.updateSandbox(podUid, { revision: "2" }, context), notFound);
      await assert.rejects(runtime.updateVolumes(podUid, [], context), notFound);
      await assert.rejects(runtime.createContainer(containerSpec(podUid, options.running, 0), context), notFound);
      await assert.rejects(runtime.startContainer(ref, context), notFound);
      await runtime.stopContainer(ref, { gracePeriodSeconds: 0 }, context);
      await runtime.removeContainer(ref, context);
      await runtime.removeSandbox(podUid, context);
      await runtime.stopSandbox?.(podUid, context);
    });

    test("a run is created, runs, and ends with its code; it never begins twice", async () => {
      const podUid = await pod();
      for (const exitCode of [0, 3]) {
        const spec = containerSpec(podUid, options.ending(exitCode), exitCode);
        await runtime.createContainer(spec, context);
        await runtime.createContainer(spec, context);
        const created = await find(spec);
        assert.deepEqual([created?.state, created?.image, created?.notes], ["created", spec.image, { note: "kept" }]);
        await Promise.all([runtime.startContainer(spec, context), runtime.startContainer(spec, context)]);
        const end = await exited(spec);
        assert.equal(end.exitCode, exitCode);
        assert.ok(end.startedAt !== undefined && end.finishedAt !== undefined && end.startedAt <= end.finishedAt);
        await runtime.startContainer(spec, context);
        await runtime.stopContainer(spec, { gracePeriodSeconds: 1 }, context);
        assert.deepEqual(await find(spec), end);
      }
      const runs = (await runtime.get(podUid, context))?.containers ?? [];
      assert.equal(new Set(runs.map(({ id }) => id)).size, 2, "each run has an id of its own");
      await runtime.removeContainer({ podUid, name: "main", attempt: 0 }, context);
      assert.deepEqual(
        (await runtime.get(podUid, context))?.containers.map(({ attempt }) => attempt),
        [3],
      );
    });

    test("a stop has ended the run when it resolves, and ends within its grace", async () => {
      const podUid = await pod();
      const ref = await run(podUid, options.running);
      assert.equal((await find(ref))?.state, "running");
      await runtime.stopContainer(ref, { gracePeriodSeconds: 30 }, context);
      assert.equal((await find(ref))?.state, "exited");
    });

    const { stubborn } = options;
    if (stubborn !== undefined) {
      test("what does not heed TERM is killed after its grace, sooner when that is asked for", async () => {
        const podUid = await pod();
        const first = await run(podUid, stubborn);
        const began = Date.now();
        await runtime.stopContainer(first, { gracePeriodSeconds: 1 }, context);
        assert.ok(Date.now() - began >= 900, "it had its grace");
        assert.equal((await find(first))?.exitCode, 137);
        const second = await run(podUid, stubborn, 1);
        const stopping = runtime.stopContainer(second, { gracePeriodSeconds: 600 }, context);
        await runtime.stopContainer(second, { gracePeriodSeconds: 0 }, context);
        await stopping;
        assert.equal((await find(second))?.exitCode, 137);
      });
    }

    test("a sandbox is removed with all that runs in it", async () => {
      const podUid = await pod();
      await run(podUid, options.running);
      await runtime.removeSandbox(podUid, context);
      assert.equal(await runtime.get(podUid, context), undefined);
      await runtime.removeSandbox(podUid, context);
    });

    test("a sandbox that was stopped keeps its runs, and is made ready again with its new spec", async () => {
      if (runtime.stopSandbox === undefined) return;
      const podUid = await pod();
      const ref = await run(podUid, options.ending(0));
      const end = await exited(ref);
      await runtime.stopSandbox(podUid, context);
      assert.equal((await runtime.get(podUid, context))?.ready, false);
      await runtime.stopSandbox(podUid, context);
      const { owner } = sandboxSpec();
      const again = await runtime.createSandbox(
        { ...sandboxSpec(), owner: { ...owner, uid: podUid }, revision: "2", notes: { n: "2" } },
        context,
      );
      assert.deepEqual([again.ready, again.revision, again.notes, again.containers], [true, "2", { n: "2" }, [end]]);
    });

    test("events name the pods of which something changed", async () => {
      if (runtime.events === undefined) return;
      const stop = new AbortController();
      const seen = new Set<string>();
      const reading = (async () => {
        for await (const uid of runtime.events?.({ ...context, signal: stop.signal }) ?? []) seen.add(uid);
      })();
      const podUid = await pod();
      await until(async () => seen.has(podUid), "an event of the new pod");
      const ref = await run(podUid, options.ending(0));
      await exited(ref);
      seen.clear();
      await runtime.removeSandbox(podUid, context);
      await until(async () => seen.has(podUid), "an event of the removal");
      stop.abort();
      await reading;
    });

    test("an aborted call does nothing", async () => {
      const podUid = await pod();
      const ref = await run(podUid, options.running);
      const aborted: CallContext = { ...context, signal: AbortSignal.abort() };
      for (const call of [
        () => runtime.createSandbox(sandboxSpec(), aborted),
        () => runtime.stopContainer(ref, { gracePeriodSeconds: 0 }, aborted),
        () => runtime.removeSandbox(podUid, aborted),
        () => runtime.list(aborted),
        () => runtime.get(podUid, aborted),
      ])
        await assert.rejects(
          async () => await call(),
          (error) => isErrorKind(error, "Aborted"),
        );
      assert.equal((await find(ref))?.state, "running");
    });

    if (options.outlives === true) {
      test("runs outlive the runtime object, and another finds them as they are", async () => {
        const podUid = await pod({ notes: { kept: "yes" } });
        const ref = await run(podUid, options.running);
        const over = await exited(await run(podUid, options.ending(7), 1));
        const before = await runtime.get(podUid, context);
        await runtime[Symbol.asyncDispose]?.();
        runtime = await options.create();
        assert.deepEqual(await runtime.get(podUid, context), before);
        assert.equal((await find(ref))?.state, "running");
        assert.equal(over.exitCode, 7);
        await runtime.stopContainer(ref, { gracePeriodSeconds: 30 }, context);
        assert.equal((await find(ref))?.state, "exited");
      });
    }
  });
}

function sandboxSpec(change: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    owner: { cluster: "cluster", node: "node-a", namespace: "default", name: "pod", uid: randomUUID() },
    ...{ revision: "1", hostname: "pod", hostNetwork: false, hostPID: false, hostIPC: false },
    ...{ shareProcessNamespace: false, sysctls: {}, hostPorts: [], volumes: [], notes: {} },
    ...change,
  };
}

function containerSpec(podUid: string, what: Pick<ContainerSpec, "image" | "command">, attempt: number): ContainerSpec {
  return {
    ...{ podUid, name: "main", attempt, env: [], mounts: [], tty: false, stdin: false, stdinOnce: false },
    ...{ terminationMessagePath: "/dev/termination-log", security: {}, resources: {}, notes: { note: "kept" } },
    ...what,
  };
}
