// What the mock adds for tests: faults on request, control from behind, watches, and the node it reports.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { silentLogger } from "../../log.ts";
import type { NodeReport } from "../../provider/node.ts";
import type { PodRequest, PodUpdate } from "../../provider/pods.ts";
import type { CallContext } from "../../provider.ts";
import { FakeClock, settle } from "../../testing/fake-clock.ts";
import { faultMethods } from "./faults.ts";
import { createMockProvider, type MockProvider } from "./mock-provider.ts";

function request(uid: string, annotations: Readonly<Record<string, string>> = {}): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "d", name: uid, uid };
  const metadata = { name: uid, namespace: "d", uid, resourceVersion: "1", annotations };
  return { owner, revision: "1", pod: { metadata, spec: { containers: [{ name: "app", image: "a:1" }] } } };
}

function contextOf(signal: AbortSignal = new AbortController().signal): CallContext {
  return { signal, log: silentLogger };
}
const context = contextOf();

async function make(config: unknown = {}): Promise<{ readonly provider: MockProvider; readonly clock: FakeClock }> {
  const clock = new FakeClock();
  return { provider: await createMockProvider({ node: "n", config }, { clock, random: () => 0.5 }), clock };
}

/** Whether a promise has settled by now, and how. */
function outcomeOf(promise: Promise<unknown>): () => string {
  let outcome = "pending";
  promise.then(
    () => {
      outcome = "done";
    },
    (error: unknown) => {
      outcome = error instanceof Error && "kind" in error ? String(error.kind) : String(error);
    },
  );
  return () => outcome;
}

async function begin(updates: AsyncIterable<PodUpdate>, into: PodUpdate[]): Promise<void> {
  for await (const update of updates) into.push(update);
}

test("errors of the configuration: the next calls, before or after the deed", async () => {
  const { provider } = await make({
    faults: {
      errors: [
        { method: "createPod", kind: "Quota", next: 1 },
        { method: "createPod", kind: "Unavailable", next: 1, when: "after" },
        { method: "ping", kind: "Throttled", retryAfter: "5s" },
      ],
    },
  });
  const { owner } = request("u1");
  await assert.rejects(provider.createPod(request("u1"), context), { kind: "Quota" });
  await assert.rejects(provider.getPodStatus(owner, context), { kind: "NotFound" });
  await assert.rejects(provider.createPod(request("u1"), context), { kind: "Unavailable" });
  assert.deepEqual((await provider.getPodStatus(owner, context)).owner, owner);
  await provider.createPod(request("u1"), context);
  await assert.rejects(async () => await provider.ping?.(context), { kind: "Throttled", retryAfterMs: 5000 });
  provider.control.faults.clear();
  await provider.ping?.(context);
});

test("what is behind the kubelet API can be made to fail as well", async () => {
  const { provider } = await make();
  await provider.createPod(request("u1"), context);
  const target = { ...request("u1"), container: "app" };
  const calls: Readonly<Record<string, () => Promise<unknown> | undefined>> = {
    getContainerLogs: () => provider.getContainerLogs?.(target, {}, context),
    runInContainer: () => provider.runInContainer?.(target, ["true"], { tty: false }, context),
    attachToContainer: () => provider.attachToContainer?.(target, { tty: false }, context),
    portForward: () => provider.portForward?.(target, 80, new PassThrough(), context),
    getStatsSummary: () => provider.getStatsSummary?.(context),
  };
  for (const [name, call] of Object.entries(calls)) {
    const method = faultMethods.find((candidate) => candidate === name) ?? assert.fail(name);
    provider.control.faults.addError({ method, kind: "Throttled", next: 1 });
    await assert.rejects(async () => await call(), { kind: "Throttled" }, name);
  }
  assert.deepEqual(await provider.runInContainer?.(target, ["true"], { tty: false }, context), { exitCode: 0 });
});

test("errors with a probability follow the random source", async () => {
  const draws = [0.1, 0.9, 0.3];
  const provider = await createMockProvider(
    { node: "n", config: { faults: { errors: [{ method: "getPods", kind: "Unavailable", probability: 0.5 }] } } },
    { random: () => draws.shift() ?? 0.9 },
  );
  await assert.rejects(provider.getPods(context), { kind: "Unavailable" });
  await provider.getPods(context);
  await assert.rejects(provider.getPods(context), { kind: "Unavailable" });
});

test("latency takes the clock's time, by method, and ends with the signal", async () => {
  const { provider, clock } = await make({ faults: { latency: { "*": "100ms", getPods: ["1s", "3s"] } } });
  const create = outcomeOf(provider.createPod(request("u1"), context));
  const list = outcomeOf(provider.getPods(context));
  await clock.advance(99);
  assert.equal(create(), "pending");
  await clock.advance(1);
  assert.deepEqual([create(), list()], ["done", "pending"]);
  await clock.advance(1900);
  assert.equal(list(), "done");
  const stop = new AbortController();
  const aborted = outcomeOf(provider.getPods(contextOf(stop.signal)));
  stop.abort();
  await settle();
  assert.equal(aborted(), "Aborted");
  assert.equal(clock.pending, 0);
});

test("a hang ends with the signal, or not even then until it is released", async () => {
  const { provider } = await make();
  const { faults } = provider.control;
  faults.addHang({ method: "createPod", next: 1 });
  faults.addHang({ method: "createPod", next: 1, ignoreAbort: true });
  const stop = new AbortController();
  const [polite, deaf] = ["u1", "u2"].map((uid) => outcomeOf(provider.createPod(request(uid), contextOf(stop.signal))));
  await settle();
  assert.deepEqual([polite?.(), deaf?.()], ["pending", "pending"]);
  stop.abort();
  await settle();
  assert.deepEqual([polite?.(), deaf?.()], ["Aborted", "pending"]);
  faults.releaseHangs();
  await settle();
  assert.equal(deaf?.(), "done");
  const pods = await provider.getPods(context);
  assert.deepEqual(
    pods.map((report) => report.owner.uid),
    ["u2"],
    "the deaf call did its work late",
  );
});

test("a new pod is hidden for the consistency delay, and is then shown once", async () => {
  const { provider, clock } = await make({ consistencyDelay: "2s" });
  assert.equal(provider.capabilities?.consistencyDelaySeconds, 2);
  const updates: PodUpdate[] = [];
  const stop = new AbortController();
  const watching = begin(provider.watchPods?.(contextOf(stop.signal)) ?? assert.fail(), updates);
  const { owner } = request("u1");
  await provider.createPod(request("u1"), context);
  await clock.advance(1999);
  await assert.rejects(provider.getPodStatus(owner, context), { kind: "NotFound" });
  await assert.rejects(provider.deletePod(owner, { gracePeriodSeconds: 0 }, context), { kind: "NotFound" });
  assert.deepEqual([await provider.getPods(context), updates], [[], []]);
  await provider.createPod(request("u1"), context);
  await clock.advance(1);
  assert.equal((await provider.getPods(context)).length, 1);
  assert.deepEqual(
    updates.map(({ type }) => type),
    ["report"],
  );
  stop.abort();
  await watching;
});

test("a watch sees what happens between the call and the first value asked for", async () => {
  const { provider } = await make();
  const stop = new AbortController();
  const updates = provider.watchPods?.(contextOf(stop.signal)) ?? assert.fail();
  await provider.createPod(request("u1"), context);
  await provider.deletePod(request("u1").owner, { gracePeriodSeconds: 5 }, context);
  const seen: PodUpdate[] = [];
  const watching = begin(updates, seen);
  await settle();
  // The last report holds the exit code, and the end comes after it.
  assert.deepEqual(
    seen.map((update) =>
      update.type === "report" ? update.report.containers.map(({ state }) => state.terminated?.exitCode) : update.type,
    ),
    [[0], "gone"],
  );
  stop.abort();
  await watching;
});

test("a watch that is cut throws Unavailable, on request and by its time", async () => {
  const { provider, clock } = await make({ faults: { cutWatchEvery: "10s" } });
  const cut = outcomeOf(begin(provider.watchPods?.(context) ?? assert.fail(), []));
  await settle();
  provider.control.faults.cutWatches();
  await settle();
  assert.equal(cut(), "Unavailable");
  const timed = outcomeOf(begin(provider.watchPods?.(context) ?? assert.fail(), []));
  await clock.advance(9999);
  assert.equal(timed(), "pending");
  await clock.advance(1);
  assert.equal(timed(), "Unavailable");
  assert.equal(clock.pending, 0);
});

test("the control acts on pods behind the provider's back", async () => {
  const { provider } = await make();
  const updates: PodUpdate[] = [];
  const stop = new AbortController();
  const watching = begin(provider.watchPods?.(contextOf(stop.signal)) ?? assert.fail(), updates);
  const status = async (uid: string) => await provider.getPodStatus(request(uid).owner, context);
  for (const uid of ["lost", "removed", "exits", "fails", "evicted", "unready"]) {
    await provider.createPod(request(uid), context);
  }
  await settle();
  updates.length = 0;
  const { act } = provider.control;
  await act({ action: "lose", uid: "lost" });
  await act({ action: "remove", uid: "removed" });
  await act({ action: "exit", uid: "exits", container: "app", exitCode: 9 });
  await act({ action: "fail", uid: "fails", reason: "Evicted", message: "reclaimed" });
  await act({ action: "evict", uid: "evicted", gracePeriodSeconds: 3 });
  await act({ action: "ready", uid: "unready", ready: false });
  await settle();
  await assert.rejects(status("lost"), { kind: "NotFound" });
  await assert.rejects(status("removed"), { kind: "NotFound" });
  assert.equal((await status("exits")).containers[0]?.lastState?.terminated?.exitCode, 9);
  assert.deepEqual((await status("fails")).failure, { reason: "Evicted", message: "reclaimed" });
  assert.deepEqual((await status("evicted")).evict, { gracePeriodSeconds: 3 });
  assert.equal((await status("unready")).ready, false);
  const told = updates.map((update) => (update.type === "report" ? update.report.owner.uid : update.owner.uid));
  assert.deepEqual(told, ["removed", "exits", "fails", "evicted", "unready"], "of a lost pod nothing is told");
  stop.abort();
  await watching;
});

test("the node has the configured capacity, changes on request, and is kept off load balancers", async () => {
  const config = { cpu: 4, memory: "8Gi", pods: 9, others: { "example.com/x": "3" }, providerID: "mock://n" };
  const { provider } = await make(config);
  const stop = new AbortController();
  const reports: NodeReport[] = [];
  const watching = (async () => {
    for await (const report of provider.watchNode?.(contextOf(stop.signal)) ?? assert.fail()) reports.push(report);
  })();
  await settle();
  provider.control.reportNode({ conditions: [{ type: "DiskPressure", status: "True" }] });
  await settle();
  const capacity = { cpu: "4", memory: "8Gi", pods: "9", "example.com/x": "3" };
  assert.deepEqual(reports, [{ capacity }, { capacity, conditions: [{ type: "DiskPressure", status: "True" }] }]);
  stop.abort();
  await watching;
  const node = await provider.configureNode?.({ metadata: { name: "n", labels: { a: "b" } } }, context);
  assert.equal(node?.spec?.providerID, "mock://n");
  assert.deepEqual(node?.metadata?.labels, {
    a: "b",
    "alpha.service-controller.kubernetes.io/exclude-balancer": "true",
    "node.kubernetes.io/exclude-from-external-load-balancers": "true",
  });
});

test("pods of two nodes in one process have different addresses; two families on request; the node's with hostNetwork", async () => {
  const addresses = ["10.9.0.0/24", "fd00::/64"];
  const one = await createMockProvider({ node: "n", config: { addresses } });
  const two = await createMockProvider({ node: "m", internalIP: "192.0.2.1", config: { addresses } });
  await one.createPod(request("u1"), context);
  const { owner, pod, revision } = request("u2");
  const foreign = { ...owner, node: "m" };
  await two.createPod({ owner: foreign, pod, revision }, context);
  const [first, second] = [
    await one.getPodStatus(request("u1").owner, context),
    await two.getPodStatus(foreign, context),
  ];
  assert.deepEqual(first.podIPs, ["10.9.0.1", "fd00::1"]);
  assert.deepEqual(second.podIPs, ["10.9.0.2", "fd00::2"]);
  const host = request("u3");
  const onHost = {
    ...host,
    owner: { ...host.owner, node: "m" },
    pod: { ...host.pod, spec: { hostNetwork: true, containers: [{ name: "app" }] } },
  };
  await two.createPod(onHost, context);
  assert.deepEqual((await two.getPodStatus(onHost.owner, context)).podIPs, ["192.0.2.1"]);
  await one[Symbol.asyncDispose]?.();
  await two[Symbol.asyncDispose]?.();
});

test("containers use CPU and memory as they are told", async () => {
  const { provider, clock } = await make({ behaviour: { memory: "1Mi-3Mi/10s" } });
  const busy = request("u1", { "mock.virtual-kubelet.io/cpu": "500m" });
  await provider.createPod(busy, context);
  await clock.advance(5000);
  assert.deepEqual(await provider.control.usage(busy.owner), [
    { name: "app", cpuNanoCores: 5e8, cpuCoreNanoSeconds: 25e8, memoryBytes: 3 * 2 ** 20 },
  ]);
});

test("an annotation that is wrong refuses the pod", async () => {
  const { provider } = await make();
  const wrong = request("u1", { "mock.virtual-kubelet.io/run-time": "long" });
  await assert.rejects(provider.createPod(wrong, context), { kind: "Invalid", message: /run-time.*is not a duration/ });
  assert.deepEqual(await provider.getPods(context), []);
});
