import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import { EventRecorder, type EventTarget } from "./event-recorder.ts";

const pod: EventTarget = { apiVersion: "v1", kind: "Pod", name: "web-0", namespace: "shop", uid: "u1" };

/** A recorder and a server that keeps Events; `faults` are thrown by the next calls, one each. */
function bench(busy?: () => boolean) {
  const clock = new FakeClock();
  const metrics = createMetrics();
  const stored = new Map<string, Record<string, unknown>>();
  const calls: string[] = [];
  const faults: VirtualKubeletError[] = [];
  /** Calls that are done, but whose answer is lost. */
  const lost: string[] = [];
  let gate: Promise<void> = Promise.resolve();
  const enter = async (call: string): Promise<void> => {
    calls.push(call);
    await gate;
    const fault = faults.shift();
    if (fault !== undefined) throw fault;
  };
  const client = scriptedClient({
    async create(_of, object) {
      await enter("create");
      const { name = "", namespace = "" } = object.metadata ?? {};
      const key = `${namespace}/${name}`;
      if (stored.has(key)) throw new VirtualKubeletError("Conflict", "exists", { reason: "AlreadyExists" });
      stored.set(key, Object.fromEntries(Object.entries(object)));
      if (lost.shift() === "create") throw new VirtualKubeletError("Unavailable", "connection reset");
      return { ...object, metadata: { ...object.metadata, name, uid: `event-${stored.size}`, resourceVersion: "1" } };
    },
    async patchMeta(_of, ref, type, patch) {
      await enter("patch");
      assert.equal(type, "merge");
      const key = `${ref.namespace}/${ref.name}`;
      const object = stored.get(key);
      if (object === undefined) throw new VirtualKubeletError("NotFound", "no such event");
      stored.set(key, { ...object, ...(typeof patch === "object" ? patch : {}) });
      return { uid: "event", resourceVersion: "2" };
    },
  });
  const recorder = new EventRecorder({ client, component: "kubelet", host: "vk", busy, clock, metrics });
  const controller = new AbortController();
  return {
    clock,
    stored,
    calls,
    faults,
    lost,
    recorder,
    controller,
    run: () => recorder.run(controller.signal),
    hold: (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    all: () => [...stored.values()],
    async dropped() {
      const { values } = await metrics.eventsDropped.get();
      return Object.fromEntries(values.map(({ labels, value }) => [labels.cause, value]));
    },
  };
}

test("an event has the fields of a kubelet's", async () => {
  const b = bench();
  b.recorder.record(
    { ...pod, resourceVersion: "9", fieldPath: "spec.containers{web}" },
    "Normal",
    "Started",
    "Container started",
  );
  void b.run();
  await settle();
  const [name, event] = [...b.stored][0] ?? [];
  assert.match(name ?? "", /^shop\/web-0\.[0-9a-f]+$/);
  assert.deepEqual(event, {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: name?.slice("shop/".length), namespace: "shop" },
    involvedObject: {
      apiVersion: "v1",
      kind: "Pod",
      name: "web-0",
      namespace: "shop",
      uid: "u1",
      resourceVersion: "9",
      fieldPath: "spec.containers{web}",
    },
    type: "Normal",
    reason: "Started",
    message: "Container started",
    source: { component: "kubelet", host: "vk" },
    reportingComponent: "kubelet",
    reportingInstance: "vk",
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T00:00:00Z",
    count: 1,
  });
});

test("an event stands back while there is more urgent work, for a second at most", async () => {
  let busy = true;
  const b = bench(() => busy);
  void b.run();
  b.recorder.record(pod, "Normal", "Started", "first");
  await b.clock.advance(900);
  assert.deepEqual(b.all(), []);
  await b.clock.advance(200);
  assert.equal(b.all().length, 1);
  b.recorder.record(pod, "Normal", "Killing", "second");
  await b.clock.advance(300);
  busy = false;
  await b.clock.advance(200);
  assert.equal(b.all().length, 2);
});

test("events of cluster-scoped objects live in default, told by the host given", async () => {
  const b = bench();
  void b.run();
  b.recorder.record({ apiVersion: "v1", kind: "Node", name: "n1" }, "Normal", "NodeReady", "ready", { host: "n1" });
  await settle();
  const event = b.all()[0];
  assert.deepEqual(event?.["involvedObject"], { apiVersion: "v1", kind: "Node", name: "n1" });
  assert.deepEqual(event?.["source"], { component: "kubelet", host: "n1" });
  assert.match([...b.stored.keys()].join(), /^default\/n1\./);
});

test("repeats are counted on the same Event, those that wait in one write", async () => {
  const b = bench();
  void b.run();
  const again = (): void => b.recorder.record(pod, "Warning", "Failed", "no");
  again();
  await settle();
  const release = b.hold();
  again();
  await b.clock.advance(3000);
  for (let n = 0; n < 5; n++) again();
  release();
  await settle();
  assert.deepEqual(b.calls, ["create", "patch", "patch"]);
  assert.equal(b.stored.size, 1);
  assert.equal(b.all()[0]?.["count"], 7);
  assert.equal(b.all()[0]?.["firstTimestamp"], "2026-01-01T00:00:00Z");
  assert.equal(b.all()[0]?.["lastTimestamp"], "2026-01-01T00:00:03Z");
});

test("an Event that expired is made anew, with its count", async () => {
  const b = bench();
  void b.run();
  b.recorder.record(pod, "Warning", "Failed", "no");
  await settle();
  b.stored.clear();
  b.recorder.record(pod, "Warning", "Failed", "no");
  await settle();
  assert.deepEqual(b.calls, ["create", "patch", "create"]);
  assert.equal(b.all()[0]?.["count"], 2);
});

test("a creation whose answer was lost is not repeated", async () => {
  const b = bench();
  void b.run();
  b.lost.push("create");
  b.recorder.record(pod, "Warning", "Failed", "no");
  await b.clock.advance(500);
  assert.deepEqual(b.calls, ["create", "create", "patch"]);
  assert.equal(b.stored.size, 1);
  assert.equal(b.all()[0]?.["count"], 1);
});

test("failures are tried again with back-off, not before Retry-After, then dropped and counted", async () => {
  const b = bench();
  void b.run();
  b.faults.push(new VirtualKubeletError("Throttled", "later", { retryAfterMs: 60_000 }));
  b.recorder.record(pod, "Warning", "Failed", "first");
  await b.clock.advance(59_999);
  b.recorder.record(pod, "Warning", "Failed", "first");
  await settle();
  assert.equal(b.calls.length, 1, "a repeat does not break through");
  await b.clock.advance(1);
  assert.equal(b.all()[0]?.["count"], 2);

  for (let n = 0; n < 9; n++) b.faults.push(new VirtualKubeletError("Unavailable", "away"));
  b.recorder.record(pod, "Warning", "Failed", "second");
  await b.clock.advance(600_000);
  assert.equal(b.faults.length, 4, "five tries");
  assert.deepEqual(await b.dropped(), { failed: 1 });
  assert.equal(b.clock.pending, 0);
});

const refusals: readonly { readonly name: string; readonly error: VirtualKubeletError; readonly cause: string }[] = [
  {
    name: "a missing namespace",
    error: new VirtualKubeletError("NotFound", 'namespaces "shop" not found'),
    cause: "namespace",
  },
  {
    name: "a terminating namespace",
    error: new VirtualKubeletError(
      "Forbidden",
      'events "x" is forbidden: unable to create new content in namespace shop because it is being terminated',
      { reason: "Forbidden" },
    ),
    cause: "namespace",
  },
  {
    name: "an event the API refuses",
    error: new VirtualKubeletError("Invalid", "involvedObject.namespace"),
    cause: "refused",
  },
];
for (const { name, error, cause } of refusals) {
  test(`${name} is not tried again`, async () => {
    const b = bench();
    void b.run();
    b.faults.push(error);
    b.recorder.record(pod, "Warning", "Failed", "no");
    await b.clock.advance(600_000);
    assert.equal(b.calls.length, 1);
    assert.deepEqual(await b.dropped(), { [cause]: 1 });
  });
}

test("the buffer holds a thousand series, floods are cut, and record never throws", async () => {
  const b = bench();
  for (let n = 0; n < 1200; n++) b.recorder.record({ ...pod, uid: `u${n}` }, "Normal", "Started", "started");
  for (let n = 0; n < 40; n++) b.recorder.record({ ...pod, uid: "u0" }, "Normal", "Started", "started");
  assert.deepEqual(await b.dropped(), { full: 200, spam: 16 });
  void b.run();
  for (let round = 0; b.stored.size < 1000 && round < 100; round++) await settle();
  assert.equal(b.stored.size, 1000);
  assert.equal(b.all()[0]?.["count"], 41);
});

test("at the end what is buffered is sent, for two seconds at most", async () => {
  const quick = bench();
  for (let n = 0; n < 10; n++) quick.recorder.record({ ...pod, uid: `u${n}` }, "Normal", "Killing", "Stopping");
  quick.controller.abort();
  await quick.run();
  assert.equal(quick.stored.size, 10);

  const slow = bench();
  const release = slow.hold();
  for (let n = 0; n < 10; n++) slow.recorder.record({ ...pod, uid: `u${n}` }, "Normal", "Killing", "Stopping");
  slow.controller.abort();
  const ended = slow.run();
  await slow.clock.advance(2000);
  release();
  await ended;
  slow.recorder.record(pod, "Normal", "Killing", "after the end");
  assert.equal(slow.stored.size, 2);
  assert.deepEqual(await slow.dropped(), { stopped: 9 });
  assert.equal(slow.clock.pending, 0);
});
