// The life of single pods as users and controllers see it: readiness and Services, gates, finalizers, generations, deadlines, names.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { endpointSlices, pods, type Stored, services } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { everyState } from "../packages/virtual-kubelet/src/testing/every-state.ts";
import {
  conditionOf,
  eventually,
  type Harness,
  isReady,
  isRunning,
  type PodShape,
  podObject,
  type RunningKubelet,
  startHarness,
  throughout,
} from "./harness.ts";
import { Backend, type MockNode, mockNode } from "./mock-node.ts";

let harness: Harness;
let node: MockNode;
let kubelet: RunningKubelet;

before(async () => {
  harness = await startHarness();
  node = await mockNode("lives");
  kubelet = await harness.kubelet([node]);
});
after(async () => {
  await using _harness = harness;
  await kubelet?.stop();
});

const create = (name: string, shape: PodShape = {}, on = "lives"): Promise<Stored<Pod>> =>
  harness.client.create(pods, podObject(name, { ...shape, spec: { ...shape.spec, nodeName: on } }));
const ready = (name: string): Promise<Stored<Pod>> => harness.untilPod("is ready", name, 15_000, isReady);

async function createService(name: string): Promise<void> {
  const spec = { selector: { app: name }, ports: [{ port: 80, protocol: "TCP" }] };
  await harness.client.create(services, { metadata: { name, namespace: "default" }, spec });
}

/** Names of the pods that a Service sends traffic to. */
async function endpoints(service: string): Promise<readonly string[]> {
  const slices = await harness.list(endpointSlices, `kubernetes.io/service-name=${service}`);
  return slices
    .flatMap((slice) => slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .map(({ targetRef }) => targetRef?.name ?? "")
    .sort();
}
const untilEndpoints = (service: string, ...names: readonly string[]): Promise<unknown> =>
  eventually(
    `endpoints of ${service}: ${names.join()}`,
    15_000,
    async () => (await endpoints(service)).join() === names.join(),
  );

describe("pods", { concurrency: true, timeout: 900_000 }, () => {
  it("gives a Service its pods as they become ready, and takes them back as they are not", async () => {
    await createService("web");
    const labels = { app: "web" };
    await create("web-slow", { labels, mock: { "ready-delay": "2s" } });
    await create("web-never", { labels, mock: { "ready-delay": "1h" } });
    await harness.untilPod("runs, not ready", "web-never", 10_000, (pod) => isRunning(pod) && !isReady(pod));
    const fast = await create("web-fast", { labels });
    await untilEndpoints("web", "web-fast", "web-slow");
    const [slice] = await harness.list(endpointSlices, "kubernetes.io/service-name=web");
    const addresses = slice?.endpoints?.find(({ targetRef }) => targetRef?.name === "web-fast")?.addresses;
    assert.deepEqual(addresses, [(await ready("web-fast")).status?.podIP]);
    await node.control.act({ action: "ready", uid: fast.metadata.uid, ready: false });
    await untilEndpoints("web", "web-slow");
    assert.equal(conditionOf(await harness.untilPod("runs", "web-fast", 5000, isRunning), "Ready"), "False");
    await node.control.act({ action: "ready", uid: fast.metadata.uid });
    await untilEndpoints("web", "web-fast", "web-slow");
    await harness.kubectl("delete", "pod", "web-slow");
    await untilEndpoints("web", "web-fast");
  });

  it("restarts without Services losing a pod, or pods losing anything", async () => {
    const backend = new Backend();
    const labels = { app: "kept" };
    const nodeOptions = { backend };
    const first = await harness.kubelet([await mockNode("restarts", nodeOptions)]);
    await createService("kept");
    const names = ["kept-0", "kept-1", "kept-2"];
    for (const name of names) await create(name, { labels }, "restarts");
    await untilEndpoints("kept", ...names);
    const before = await harness.list(pods, "app=kept");
    // Every state that anybody could have seen, from before the end to after the new start.
    const watching = new AbortController();
    const lost: string[] = [];
    const { resourceVersion } = await harness.client.list(endpointSlices, { namespace: "default" });
    const ofService = {
      namespace: "default",
      labelSelector: "kubernetes.io/service-name=kept",
      resourceVersion,
      signal: watching.signal,
    };
    const watched = everyState(harness.client, endpointSlices, ofService, ({ type, object }) => {
      const listed = (object.endpoints ?? []).filter(({ conditions }) => conditions?.ready === true);
      if (type === "DELETED" || listed.length < 3) lost.push(JSON.stringify(object.endpoints));
    });
    await first.stop();
    const allThere = async (): Promise<boolean> => (await endpoints("kept")).length === 3;
    await throughout("endpoints stay while there is no kubelet", 10_000, allThere);
    await using _ = await harness.kubelet([await mockNode("restarts", nodeOptions)]);
    await throughout("endpoints stay after the restart", 3000, allThere);
    watching.abort();
    await watched;
    assert.deepEqual(lost, []);
    const after = await harness.list(pods, "app=kept");
    assert.deepEqual(
      after.map(({ metadata, status }) => [metadata.uid, status]),
      before.map(({ metadata, status }) => [metadata.uid, status]),
    );
    assert.equal(backend.creates.length, 3);
    assert.equal(backend.deletes.length, 0);
    await harness.kubectl("delete", "pod", ...names);
    assert.deepEqual(backend.list(), []);
  });

  it("is ready only when its readiness gates are", async () => {
    const conditionType = "example.com/load-balancer";
    await create("gated", { labels: { app: "gated" }, spec: { readinessGates: [{ conditionType }] } });
    await createService("gated");
    const closed = await harness.untilPod(
      "containers ready, gate closed",
      "gated",
      10_000,
      (pod) => conditionOf(pod, "ContainersReady") === "True",
    );
    assert.equal(conditionOf(closed, "Ready"), "False");
    assert.equal(closed.status?.conditions?.find(({ type }) => type === "Ready")?.reason, "ReadinessGatesNotReady");
    const open = async (status: string): Promise<void> => {
      const conditions = [{ type: conditionType, status }];
      await harness.client.patch(
        pods,
        { name: "gated", namespace: "default" },
        "strategic",
        { status: { conditions } },
        { subresource: "status" },
      );
    };
    await open("True");
    await ready("gated");
    await untilEndpoints("gated", "gated");
    await open("False");
    await harness.untilPod("not ready again", "gated", 10_000, (pod) => !isReady(pod));
    await untilEndpoints("gated");
    assert.equal(conditionOf(await harness.untilPod("runs", "gated", 5000, isRunning), conditionType), "False");
  });

  it("stops a pod that has a finalizer, and leaves its object to whose the finalizer is", async () => {
    const { metadata, ...rest } = podObject("finalized", { spec: { nodeName: "lives" } });
    const made = await harness.client.create(pods, {
      ...rest,
      metadata: { ...metadata, finalizers: ["example.com/audit"] },
    });
    await ready("finalized");
    await harness.kubectl("delete", "pod", "finalized", "--wait=false");
    const uid = made.metadata.uid;
    await eventually(
      "gone from the backend",
      10_000,
      () => !node.backend.list().some(({ owner }) => owner.uid === uid),
    );
    const ended = await harness.untilPod("has ended", "finalized", 10_000, (pod) => pod.status?.phase === "Succeeded");
    assert.ok(ended.status?.containerStatuses?.[0]?.state?.terminated);
    await throughout(
      "the object stays",
      1500,
      async () => (await harness.find(pods, "finalized"))?.metadata.uid === uid,
    );
    await harness.kubectl("patch", "pod", "finalized", "--type=merge", "-p", '{"metadata":{"finalizers":null}}');
    await harness.untilGone(pods, "finalized", 10_000);
    assert.equal(node.backend.creates.filter(({ name }) => name === "finalized").length, 1);
  });

  it("keeps in its last status why the control plane ended a pod", async () => {
    const { metadata, ...rest } = podObject("disrupted", { spec: { nodeName: "lives" } });
    await harness.client.create(pods, { ...rest, metadata: { ...metadata, finalizers: ["example.com/audit"] } });
    await ready("disrupted");
    const ref = { name: "disrupted", namespace: "default" };
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: ref };
    await harness.client.createSubresource(pods, ref, "eviction", eviction);
    const ended = await harness.untilPod(
      "has ended",
      "disrupted",
      10_000,
      ({ status }) => status?.phase === "Succeeded",
    );
    const why = ended.status?.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.deepEqual([why?.status, why?.reason], ["True", "EvictionByEvictionAPI"]);
    await harness.kubectl("patch", "pod", "disrupted", "--type=merge", "-p", '{"metadata":{"finalizers":null}}');
    await harness.untilGone(pods, "disrupted", 10_000);
  });

  it("follows metadata.generation through a change of image and a deletion", async () => {
    await create("changed", { mock: { "terminate-delay": "1h" }, spec: { terminationGracePeriodSeconds: 3600 } });
    const before = await ready("changed");
    assert.deepEqual([before.metadata.generation, before.status?.observedGeneration], [1, 1]);
    await harness.kubectl("set", "image", "pod/changed", "main=example.com/app:2");
    const after = await harness.untilPod(
      "new image",
      "changed",
      10_000,
      (pod) =>
        pod.status?.observedGeneration === 2 &&
        isReady(pod) &&
        pod.status.containerStatuses?.[0]?.image === "example.com/app:2",
    );
    assert.equal(after.metadata.generation, 2);
    assert.ok(
      after.status?.conditions?.every(
        ({ observedGeneration }) => observedGeneration === undefined || observedGeneration <= 2,
      ),
    );
    await harness.kubectl("delete", "pod", "changed", "--wait=false");
    const ending = await harness.untilPod(
      "deletion seen",
      "changed",
      5000,
      (pod) => pod.status?.observedGeneration === 3,
    );
    assert.ok(ending.metadata.deletionTimestamp !== undefined && ending.metadata.generation === 3);
    await harness.kubectl("delete", "pod", "changed", "--grace-period=1", "--timeout=300s");
  });

  it("shows the resources that a pod has as a whole, and comes to rest", async () => {
    const requests = { cpu: "200m", memory: "64Mi" };
    await create("whole", { spec: { resources: { requests, limits: { cpu: "1" } } } });
    const { status, metadata } = await ready("whole");
    assert.deepEqual([status?.resources, status?.allocatedResources], [{ requests, limits: { cpu: "1" } }, requests]);
    await throughout("nothing more is written", 3000, async () => {
      const { metadata: now } = await harness.client.get(pods, { namespace: "default", name: "whole" });
      return now.resourceVersion === metadata.resourceVersion;
    });
    await harness.kubectl("delete", "pod", "whole", "--timeout=300s");
  });

  it("ends a pod at activeDeadlineSeconds", async () => {
    const made = await create("deadline", { spec: { activeDeadlineSeconds: 3, restartPolicy: "Never" } });
    await ready("deadline");
    const pod = await harness.untilPod("has failed", "deadline", 15_000, ({ status }) => status?.phase === "Failed");
    assert.equal(pod.status?.reason, "DeadlineExceeded");
    const lasted = Date.now() - Date.parse(pod.status.startTime ?? "");
    assert.ok(lasted >= 3000, `${lasted} ms`);
    await eventually(
      "stopped on the backend",
      10_000,
      () => !node.backend.running("deadline").includes(made.metadata.uid),
    );
    assert.match(await harness.kubectl("describe", "pod", "deadline"), /^Reason: +DeadlineExceeded$/m);
    await harness.kubectl("delete", "pod", "deadline", "--timeout=300s");
  });

  it("makes a pod of the same name at once after a forced deletion, and ends the old one", async () => {
    const slow = { mock: { "terminate-delay": "1h" }, spec: { terminationGracePeriodSeconds: 3600 } };
    const old = await create("again", slow);
    await ready("again");
    await harness.kubectl("delete", "pod", "again", "--force", "--grace-period=0");
    const made = await create("again");
    assert.notEqual(made.metadata.uid, old.metadata.uid);
    await ready("again");
    await eventually("only the new one runs", 10_000, () => node.backend.running("again").join() === made.metadata.uid);
    const current = await harness.find(pods, "again");
    assert.equal(current?.metadata.uid, made.metadata.uid);
    assert.ok(current !== undefined && isReady(current));
    assert.ok(
      node.backend.deletes.some(({ uid, gracePeriodSeconds }) => uid === old.metadata.uid && gracePeriodSeconds === 0),
    );
  });

  it("shortens the grace of a deletion under way", async () => {
    await create("stubborn", { mock: { "terminate-delay": "1h" }, spec: { terminationGracePeriodSeconds: 3600 } });
    await ready("stubborn");
    await harness.kubectl("delete", "pod", "stubborn", "--wait=false");
    await harness.untilPod("terminates", "stubborn", 5000, ({ metadata }) => metadata.deletionTimestamp !== undefined);
    await throughout("it takes its time", 1500, () => node.backend.running("stubborn").length === 1);
    assert.match(await harness.kubectl("get", "pod", "stubborn"), /Terminating/);
    await harness.kubectl("delete", "pod", "stubborn", "--grace-period=1", "--timeout=300s");
    assert.deepEqual(
      node.backend.deletes
        .filter(({ name }) => name === "stubborn")
        .map(({ gracePeriodSeconds }) => gracePeriodSeconds),
      [3600, 1],
    );
  });
});
