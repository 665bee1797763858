// The informer and the event recorder against a real API server, which is killed and started again on the way.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import { EventRecorder } from "../packages/virtual-kubelet/src/kube/event-recorder.ts";
import { type Change, Informer } from "../packages/virtual-kubelet/src/kube/informer.ts";
import { configMaps, events, namespaces, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ConfigMap } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { createMetrics } from "../packages/virtual-kubelet/src/metrics.ts";
import type { ControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { eventually as waitFor } from "../packages/virtual-kubelet/src/testing/eventually.ts";
import { startChosenControlPlane } from "./dev-control-plane.ts";

let cluster: ControlPlane;
let client: KubeClient;
before(async () => {
  cluster = await startChosenControlPlane({ controllers: false });
  client = await connect({ kubeconfig: cluster.kubeconfig });
});
after(async () => {
  await using _cluster = cluster;
  await client?.close();
});

const namespace = "default";
const labels = { suite: "informer" };
const create = (name: string): Promise<Stored<ConfigMap>> =>
  client.create(configMaps, { metadata: { name, namespace, labels }, data: { step: "0" } });
const change = (name: string, step: string): Promise<Stored<ConfigMap>> =>
  client.patch(configMaps, { name, namespace }, "merge", { data: { step } });

const eventually = (what: string, holds: () => boolean | Promise<boolean>): Promise<boolean> =>
  waitFor(what, 45_000, holds);

test("the cache follows the cluster, over the death of the API server too", async () => {
  const changes: Change<ConfigMap>[] = [];
  const metrics = createMetrics();
  const informer: Informer<ConfigMap> = new Informer({
    client,
    resource: configMaps,
    namespace,
    labelSelector: "suite=informer",
    metrics,
    onChange: (one) => changes.push(one),
  });
  const told = (): string[] => changes.splice(0).map(({ type, object }) => `${type} ${object.metadata.name}`);
  const agree = (): Promise<boolean> =>
    eventually("the cache agrees", async () => {
      const { items } = await client.list(configMaps, { namespace, labelSelector: "suite=informer" });
      const versions = (objects: Iterable<Stored<ConfigMap>>): string =>
        [...objects]
          .map(({ metadata }) => `${metadata.uid}@${metadata.resourceVersion}`)
          .sort()
          .join();
      return versions(items) === versions(informer.list());
    });
  await Promise.all(["a", "b", "c"].map(create));
  const end = new AbortController();
  const run = informer.run(end.signal);
  await informer.synced;
  assert.deepEqual(told().sort(), ["added a", "added b", "added c"]);

  await change("a", "1");
  await client.delete(configMaps, { name: "b", namespace });
  await create("b");
  await client.patch(configMaps, { name: "c", namespace }, "merge", { metadata: { labels: { suite: "other" } } });
  await agree();
  assert.deepEqual(told(), ["updated a", "deleted b", "added b", "deleted c"]);
  assert.equal(informer.get(namespace, "a")?.data?.["step"], "1");
  assert.equal(informer.get(namespace, "a")?.metadata.managedFields, undefined);

  const { values } = await metrics.watchRestarts.get();
  assert.deepEqual(values, [], "one watch did all this");

  await cluster.killApiServer();
  await cluster.startApiServer();
  await eventually("the API server is back", async () => (await change("a", "2").catch(() => undefined)) !== undefined);
  await client.delete(configMaps, { name: "b", namespace });
  await create("b");
  await agree();
  assert.deepEqual(told().sort(), ["added b", "deleted b", "updated a"]);
  end.abort();
  await run;
});

test("a server without streaming lists is read in pages", async () => {
  const old = await startChosenControlPlane({ controllers: false, apiServerArgs: ["--feature-gates=WatchList=false"] });
  const end = new AbortController();
  try {
    const other = await connect({ kubeconfig: old.kubeconfig });
    const informer = new Informer({ client: other, resource: namespaces });
    const run = informer.run(end.signal);
    await informer.synced;
    assert.ok(informer.get("", "kube-system") !== undefined);
    await other.create(namespaces, { metadata: { name: "later" } });
    await eventually("the watch goes on from the list", () => informer.get("", "later") !== undefined);
    end.abort();
    await run;
    await other.close();
  } finally {
    end.abort();
    await old.stop();
  }
});

test("Events are made, counted, and made anew when they are gone", async () => {
  const metrics = createMetrics();
  const recorder = new EventRecorder({ client, component: "kubelet", host: "vk", metrics });
  const end = new AbortController();
  const run = recorder.run(end.signal);
  const target = {
    apiVersion: "v1",
    kind: "Pod",
    name: "web-0",
    namespace,
    uid: "u1",
    fieldPath: "spec.containers{web}",
  };
  const found = async () =>
    (await client.list(events, { namespace, fieldSelector: "source=kubelet,involvedObject.uid=u1" })).items;
  const record = async (count: number): Promise<void> => {
    recorder.record(target, "Warning", "BackOff", "Back-off restarting failed container");
    await eventually(`count ${count}`, async () => (await found()).some((event) => event.count === count));
  };
  await record(1);
  await record(2);
  const [event, ...more] = await found();
  assert.ok(event !== undefined && more.length === 0);
  assert.equal(event.reportingComponent, "kubelet");
  assert.equal(event.reportingInstance, "vk");
  await client.delete(events, { namespace, name: event.metadata.name });
  await record(3);

  recorder.record({ apiVersion: "v1", kind: "Node", name: "vk" }, "Normal", "Starting", "Starting kubelet.");
  // No controller is there to finish it: it stays terminating.
  await client.create(namespaces, { metadata: { name: "ending" } });
  await client.delete(namespaces, { name: "ending" });
  recorder.record({ ...target, namespace: "ending" }, "Normal", "Killing", "Stopping container web");
  recorder.record({ ...target, namespace: "no-such-namespace" }, "Normal", "Started", "Container started");
  await eventually("all of it was tried", async () => {
    const { values } = await metrics.eventsDropped.get();
    const dropped = values.reduce((sum, { value }) => sum + value, 0);
    const { items } = await client.list(events, { namespace, fieldSelector: "involvedObject.kind=Node" });
    return dropped === 2 && items.length === 1;
  });
  end.abort();
  await run;
  const ofNode = await client.list(events, { namespace, fieldSelector: "involvedObject.kind=Node" });
  assert.deepEqual(
    ofNode.items.map(({ reason }) => reason),
    ["Starting"],
  );
  const { values } = await metrics.eventsDropped.get();
  assert.deepEqual(
    values.map(({ labels: { cause }, value }) => `${cause} ${value}`),
    ["namespace 2"],
  );
});
