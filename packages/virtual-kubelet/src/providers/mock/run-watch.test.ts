// Whoever waits for the end of a run hears of it: once, in time, whatever happens to the watch they share.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "../../errors.ts";
import type { PodUpdate } from "../../provider/pods.ts";
import { FakeClock, settle } from "../../testing/fake-clock.ts";
import { AddressPool } from "./addresses.ts";
import { MockBackend } from "./backend.ts";
import { type BackendConnection, localConnection } from "./connection.ts";
import { RunWatch } from "./run-watch.ts";
import { presentRun } from "./runs.ts";

const owner = { cluster: "c", node: "n", namespace: "d", name: "u1", uid: "u1" };
const metadata = { name: "u1", namespace: "d", uid: "u1", resourceVersion: "1" };
const pod = { metadata, spec: { containers: [{ name: "app", image: "a:1" }] } };
const never = new AbortController().signal;

function make(change: (connection: BackendConnection) => Partial<BackendConnection> = () => ({})) {
  const clock = new FakeClock();
  const backend = new MockBackend({ addresses: [new AddressPool("10.0.0.0/24")], clock });
  backend.create({ owner, pod, revision: "1" });
  const local = localConnection(backend, true);
  const watches: AbortSignal[] = [];
  const connection: BackendConnection = {
    ...local,
    watch(node, signal) {
      watches.push(signal);
      return local.watch(node, signal);
    },
    ...change(local),
  };
  const run = presentRun(backend.runs("u1"), "app", "u1");
  return { clock, backend, run, watches, watch: new RunWatch(connection, "n", clock) };
}

test("all that wait share one watch, hear of the end, and leave nothing behind", async () => {
  const { clock, backend, run, watch, watches } = make();
  const waiting = [1, 2, 3].map(() => watch.ended(owner, "app", run, never));
  await settle();
  assert.equal(watches.length, 1);
  await clock.advance(1234);
  backend.exitContainer("u1", "app", 4);
  const ended = { ...run, ended: { at: clock.now(), exitCode: 4 } };
  assert.deepEqual(await Promise.all(waiting), [ended, ended, ended]);
  assert.equal(watches[0]?.aborted, true);
  await settle();
  assert.equal(clock.pending, 0);
  assert.deepEqual(await watch.ended(owner, "app", run, never), ended, "asked later, it is known at once");
});

test("a deletion tells the exit code although the pod is gone at once; a pod that is lost has 137", async () => {
  const deleted = make();
  const waiting = deleted.watch.ended(owner, "app", deleted.run, never);
  await settle();
  deleted.backend.delete("u1", 30);
  assert.equal((await waiting).ended?.exitCode, 0);
  const lost = make();
  const hearing = lost.watch.ended(owner, "app", lost.run, never);
  await settle();
  lost.backend.remove("u1");
  assert.equal((await hearing).ended?.exitCode, 137);
});

test("who stops waiting gets the run as it is", async () => {
  const { run, watch, watches, clock } = make();
  const stop = new AbortController();
  const waiting = watch.ended(owner, "app", run, stop.signal);
  await settle();
  stop.abort();
  assert.deepEqual(await waiting, run);
  assert.equal(watches[0]?.aborted, true);
  await settle();
  assert.equal(clock.pending, 0);
});

test("a watch that breaks off is opened again, and what happened meanwhile is seen", async () => {
  let broken = 0;
  const { clock, backend, run, watch } = make((local) => ({
    watch(node, signal) {
      if (broken++ > 0) return local.watch(node, signal);
      const fails = async (): Promise<IteratorResult<PodUpdate>> => {
        await settle();
        throw new VirtualKubeletError("Unavailable", "cut");
      };
      return { [Symbol.asyncIterator]: () => ({ next: fails }) };
    },
  }));
  const waiting = watch.ended(owner, "app", run, never);
  await settle();
  backend.exitContainer("u1", "app", 7);
  await clock.advance(1000);
  assert.equal((await waiting).ended?.exitCode, 7);
  assert.equal(broken, 2);
});

test("a backend that cannot be asked is Unavailable", async () => {
  const { run, watch, clock } = make(() => ({
    runs: async () => {
      throw new VirtualKubeletError("Unavailable", "away");
    },
  }));
  await assert.rejects(watch.ended(owner, "app", run, never), { kind: "Unavailable" });
  await settle();
  assert.equal(clock.pending, 0);
});
