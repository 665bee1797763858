// Backends that are away, silent, hung, or answer with errors: pods wait, the node says why, and nothing is failed, deleted
// or started twice for it.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { VirtualKubeletError } from "../packages/virtual-kubelet/src/errors.ts";
import { events, leases, nodes, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Event, NodeCondition, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { Provider } from "../packages/virtual-kubelet/src/provider.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { backendView, bothSidesAgree, startedTwice } from "./backend-view.ts";
import { createdLate, noFaults } from "./chaos.ts";
import { type History, recordHistory } from "./chaos-history.ts";
import {
  eventually,
  type Harness,
  isReady,
  isRunning,
  type PodShape,
  podObject,
  startHarness,
  throughout,
} from "./harness.ts";
import { mockNode } from "./mock-node.ts";
import { Wire } from "./wire.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
});
after(() => harness?.[Symbol.asyncDispose]());

const createOn = (node: string, name: string, shape: PodShape = {}): Promise<Stored<Pod>> =>
  harness.client.create(pods, podObject(name, { ...shape, spec: { nodeName: node, ...shape.spec } }));

async function readyOf(name: string): Promise<NodeCondition | undefined> {
  const node = await harness.find(nodes, name);
  return node?.status?.conditions?.find(({ type }) => type === "Ready");
}

/** Was it ever told that its creation had failed? */
const hasFailed = (history: History, uid: string): boolean =>
  history.byUid.get(uid)?.phases.includes("Pending ProviderFailed") === true;

async function eventsOf(pod: Stored<Pod>): Promise<readonly Stored<Event>[]> {
  const fieldSelector = `involvedObject.uid=${pod.metadata.uid}`;
  return (await harness.client.list(events, { namespace: "default", fieldSelector })).items;
}

describe("backends in trouble", { timeout: 1_100_000, concurrency: true }, () => {
  for (const how of ["refused", "silent"] as const) {
    it(`away (${how}): the node is not ready and says why, pods are left alone, and all goes on afterwards`, async () => {
      const node = `away-${how}`;
      const process = await harness.backendProcess();
      await using backend = backendView(process.address);
      const path = `${new URL(process.address).pathname}.wire`;
      await using wire = new Wire({ path: new URL(process.address).pathname }, path);
      await wire.open();
      const settings = { [node]: { cpu: "100", memory: "1Ti", pods: "100", backend: `unix://${path}` } };
      const config = await harness.writeFile("mock.json", JSON.stringify(settings));
      const provider = ["--nodename", node, "--provider", "mock", "--provider-config", config];
      const pace = ["--ping-interval=1s", "--ping-timeout=1s", "--lease-duration=8s", "--provider-call-timeout=4s"];
      const kubelet = await harness.program([...provider, ...pace, "--orphan-grace=3s", "--full-resync-period=5s"]);
      await harness.nodeIsReady(node);
      const names = Array.from({ length: 10 }, (_, index) => `${node}-${index}`);
      const before = await Promise.all(names.map((name) => createOn(node, name)));
      const dying = await createOn(node, `${node}-dying`, { spec: { terminationGracePeriodSeconds: 1 } });
      for (const { metadata } of [...before, dying]) await harness.untilPod("runs", metadata.name, 30_000, isRunning);
      await using history = await recordHistory(harness.client);

      if (how === "refused") await wire.shut();
      else wire.hold();
      // A call that was under way may have ended in another way.
      const why = how === "refused" ? /ENOENT|ECONNREFUSED/ : /longer than 1000 ms/;
      await eventually("not ready, and why", 20_000, async () => {
        const ready = await readyOf(node);
        assert.match(ready?.message ?? "", why);
        return ready?.status === "False" && ready.reason === "ProviderNotReady";
      });
      const waiting = await createOn(node, `${node}-waiting`);
      await harness.client.delete(pods, { namespace: "default", name: dying.metadata.name });
      const lease = await harness.find(leases, node, "kube-node-lease");
      await harness.until(
        "tells why",
        pods,
        waiting.metadata.name,
        15_000,
        ({ status }) => status?.reason === "ProviderFailed",
      );
      await throughout("nothing is failed or deleted", 4000, async () => {
        const { items } = await harness.client.list(pods, { fieldSelector: `spec.nodeName=${node}` });
        assert.equal((await readyOf(node))?.status, "False");
        return (
          items.length === 12 &&
          items.every(({ status }) => status?.phase !== "Failed" && status?.phase !== "Succeeded")
        );
      });
      await eventually("the lease is renewed meanwhile", 10_000, async () => {
        const renewed = await harness.find(leases, node, "kube-node-lease");
        return (renewed?.spec?.renewTime ?? "") > (lease?.spec?.renewTime ?? "");
      });

      if (how === "refused") await wire.open();
      else wire.release();
      await eventually("ready again", 20_000, async () => (await readyOf(node))?.status === "True");
      await harness.untilPod("runs", waiting.metadata.name, 40_000, isRunning);
      await harness.untilGone(pods, dying.metadata.name, 40_000);
      for (const name of names) {
        const pod = await harness.untilPod("ready", name, 20_000, isReady);
        assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 0);
      }
      const after = await createOn(node, `${node}-after`);
      await harness.untilPod("runs", after.metadata.name, 20_000, isRunning);
      await bothSidesAgree(harness.client, backend, node, 15_000);
      noFaults("started twice", startedTwice(await process.journal()));
      noFaults("history", history.faults());
      assert.ok(kubelet.running);
      await kubelet.kill("SIGTERM");
    });
  }

  it("away when the virtual kubelet starts: it waits with what it cannot know, and adopts what was there", async () => {
    const process = await harness.backendProcess();
    await using backend = backendView(process.address);
    const path = `${new URL(process.address).pathname}.wire`;
    await using wire = new Wire({ path: new URL(process.address).pathname }, path);
    await wire.open();
    const config = await harness.writeFile("mock.json", JSON.stringify({ blind: { backend: `unix://${path}` } }));
    const provider = ["--nodename", "blind", "--provider", "mock", "--provider-config", config];
    const start = (): Promise<ManagedProcess> =>
      harness.program([...provider, "--ping-interval=1s", "--orphan-grace=2s", "--full-resync-period=5s"]);
    let kubelet = await start();
    await harness.nodeIsReady("blind");
    const names = Array.from({ length: 5 }, (_, index) => `blind-${index}`);
    for (const name of [...names, "blind-deleted", "blind-forced"]) await createOn("blind", name);
    for (const name of [...names, "blind-deleted", "blind-forced"])
      await harness.untilPod("runs", name, 30_000, isRunning);
    await using history = await recordHistory(harness.client);
    await kubelet.kill("SIGKILL");
    await wire.shut();
    await harness.client.delete(pods, { namespace: "default", name: "blind-deleted" });
    await harness.client.delete(pods, { namespace: "default", name: "blind-forced" }, { gracePeriodSeconds: 0 });
    await createOn("blind", "blind-new");

    kubelet = await start();
    await eventually("not ready", 30_000, async () => (await readyOf("blind"))?.reason === "ProviderNotReady");
    await harness.untilPod("tells why", "blind-new", 20_000, ({ status }) => status?.reason === "ProviderFailed");
    await throughout("nothing is failed or deleted", 3000, async () => {
      const { items } = await harness.client.list(pods, { fieldSelector: "spec.nodeName=blind" });
      const running = items.filter(isRunning).map(({ metadata }) => metadata.name);
      return items.length === 7 && names.every((name) => running.includes(name));
    });
    await wire.open();
    await eventually("ready again", 30_000, async () => (await readyOf("blind"))?.status === "True");
    await harness.untilPod("runs", "blind-new", 40_000, isRunning);
    await harness.untilGone(pods, "blind-deleted", 40_000);
    for (const name of names) {
      const pod = await harness.untilPod("ready", name, 20_000, isReady);
      assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 0);
      assert.equal(pod.status?.reason, undefined);
    }
    await bothSidesAgree(harness.client, backend, "blind", 20_000);
    noFaults("started twice", startedTwice(await process.journal()));
    noFaults("history", history.faults());
    await kubelet.kill("SIGTERM");
  });

  it("createPod that never returns: other pods go on, and the deletion of such a pod works", async () => {
    const hung = await mockNode("hung");
    const released = Promise.withResolvers<void>();
    await using history = await recordHistory(harness.client);
    // The last one for good, others until that is told of them.
    const hangs = (name: string, uid: string): boolean =>
      name === "stuck-last" || (name !== "not-stuck" && !hasFailed(history, uid));
    const provider = createdLate(hung.provider, hangs, released.promise);
    const pace = { callTimeoutMs: 2000, orphanGraceMs: 2000 };
    await using _ = await harness.kubelet([{ virtual: { ...hung.virtual, provider } }], { pods: pace });
    using release = new DisposableStack();
    release.defer(() => released.resolve());
    // More than there are workers.
    const stuck = await Promise.all(Array.from({ length: 15 }, (__, index) => createOn("hung", `stuck-${index}`)));
    await createOn("hung", "not-stuck");
    await harness.untilPod("runs", "not-stuck", 20_000, isRunning);
    for (const { metadata } of stuck) await harness.untilPod("runs", metadata.name, 40_000, isRunning);

    const last = await createOn("hung", "stuck-last");
    await harness.untilPod("is being created", "stuck-last", 10_000, ({ status }) => status?.startTime !== undefined);
    await harness.client.delete(pods, { namespace: "default", name: "stuck-last" });
    await harness.untilGone(pods, "stuck-last", 10_000);
    release.dispose();
    // What came to be too late is found, and removed.
    await eventually("came late", 10_000, () => hung.backend.creates.some(({ uid }) => uid === last.metadata.uid));
    await eventually("late pod removed", 20_000, () => hung.backend.running("stuck-last").length === 0);
    const created = hung.backend.creates.filter(({ outcome }) => outcome !== "exists");
    assert.deepEqual(new Set(created.map(({ outcome }) => outcome)), new Set(["created"]));
    assert.equal(new Set(created.map(({ uid }) => uid)).size, created.length, "none is created twice");
    noFaults("history", history.faults());
  });

  it("deletes at once a pod whose creation hangs, long before the call's time is up", async () => {
    const deaf = await mockNode("deaf");
    deaf.control.faults.addHang({ method: "createPod", next: 3, ignoreAbort: true });
    await using _ = await harness.kubelet([deaf]);
    // The end waits for calls under way.
    using release = new DisposableStack();
    release.defer(() => deaf.control.faults.releaseHangs());
    const names = ["deaf-graceful", "deaf-forced", "deaf-waiting"];
    for (const name of names) await createOn("deaf", name);
    for (const name of names)
      await harness.untilPod("is being created", name, 10_000, ({ status }) => status?.startTime !== undefined);
    await harness.client.delete(pods, { namespace: "default", name: "deaf-graceful" });
    await harness.client.delete(pods, { namespace: "default", name: "deaf-forced" }, { gracePeriodSeconds: 0 });
    await harness.untilGone(pods, "deaf-graceful", 10_000);
    await harness.untilGone(pods, "deaf-forced", 10_000);
    await createOn("deaf", "deaf-next");
    await harness.untilPod("runs", "deaf-next", 10_000, isRunning);
    release.dispose();
    await harness.untilPod("runs", "deaf-waiting", 10_000, isRunning);
  });

  it("passing errors of createPod fail no pod; those that last do, and name the field", async () => {
    const picky = await mockNode("picky");
    const calls = new Map<string, number[]>();
    const provider: Provider = {
      ...picky.provider,
      createPod: async (request, context) => {
        const { annotations = {}, uid } = request.pod.metadata;
        const times = calls.get(uid) ?? [];
        calls.set(uid, [...times, Date.now()]);
        const fails = times.length < Number(annotations["times"] ?? 0) || !hasFailed(history, uid);
        switch (fails ? annotations["kind"] : undefined) {
          case "Unavailable":
            throw new VirtualKubeletError("Unavailable", "the zone is down");
          case "Throttled":
            throw new VirtualKubeletError("Throttled", "too many requests", { retryAfterMs: 3000 });
          case "Quota":
            throw new VirtualKubeletError("Quota", "no more cores");
          case "Invalid":
            throw new VirtualKubeletError("Invalid", "no such size", { field: "spec.containers[0].resources" });
          case "Unsupported":
            throw new VirtualKubeletError("Unsupported", "no privileges here", { field: "spec.hostPID" });
          default:
            await picky.provider.createPod(request, context);
        }
      },
    };
    await using _ = await harness.kubelet([{ virtual: { ...picky.virtual, provider } }]);
    const create = (name: string, kind: string, times: number, spec: PodShape["spec"] = {}): Promise<Stored<Pod>> => {
      const pod = podObject(name, { spec: { nodeName: "picky", ...spec } });
      const annotations = { ...pod.metadata?.annotations, kind, times: String(times) };
      return harness.client.create(pods, { ...pod, metadata: { ...pod.metadata, annotations } });
    };
    await using history = await recordHistory(harness.client);
    const passing: Stored<Pod>[] = [];
    for (const kind of ["Unavailable", "Throttled", "Quota"])
      for (const restartPolicy of ["Always", "OnFailure", "Never"])
        passing.push(await create(`${kind}-${restartPolicy}`.toLowerCase(), kind, 2, { restartPolicy }));
    for (const { metadata } of passing) {
      const pod = await harness.untilPod("runs", metadata.name, 40_000, isRunning);
      assert.equal(pod.status?.reason, undefined);
      assert.equal(pod.status?.message, undefined);
      // The history has a watch of its own, which may be behind the GET.
      const phases = await eventually(`the history has ${metadata.name} running`, 10_000, () => {
        const told = history.byUid.get(metadata.uid)?.phases;
        return told?.at(-1) === "Running" && told;
      });
      const known = phases.filter((phase, index) => index > 0 || phase !== "Pending");
      assert.deepEqual(known, ["Pending ProviderFailed", "Running"], `${metadata.name}: ${phases.join(" -> ")}`);
      await eventually("event", 10_000, async () =>
        (await eventsOf(pod)).some(({ reason, type }) => reason === "ProviderCreateFailed" && type === "Warning"),
      );
      const [first = 0, second = 0, third = 0] = calls.get(metadata.uid) ?? [];
      if (metadata.name.startsWith("throttled"))
        assert.ok(second - first >= 2950 && third - second >= 2950, `${second - first} ms, ${third - second} ms`);
    }

    for (const [kind, field] of [
      ["Invalid", "spec.containers[0].resources"],
      ["Unsupported", "spec.hostPID"],
    ] as const) {
      const { metadata } = await create(kind.toLowerCase(), kind, 1000, { restartPolicy: "Always" });
      const pod = await harness.untilPod("failed", metadata.name, 15_000, ({ status }) => status?.phase === "Failed");
      assert.equal(pod.status?.reason, "ProviderFailed");
      assert.ok(pod.status?.message?.includes(field), pod.status?.message);
      assert.equal(calls.get(metadata.uid)?.length, 1);
      await eventually("event", 10_000, async () =>
        (await eventsOf(pod)).some(
          ({ reason, message }) => reason === "ProviderCreateFailed" || message?.includes(field),
        ),
      );
    }
    assert.equal(new Set(picky.backend.creates.map(({ uid }) => uid)).size, passing.length);
    assert.deepEqual(
      picky.backend.creates.filter(({ outcome }) => outcome !== "created"),
      [],
    );
    noFaults("history", history.faults());
  });
});
