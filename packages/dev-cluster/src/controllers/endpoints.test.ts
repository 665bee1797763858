import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type DevCluster, startDevCluster } from "../dev-cluster.ts";
import { type JsonObject, list, object, text, texts } from "../json.ts";
import { ApiCaller, eventually } from "../testing/api-caller.ts";

let cluster: DevCluster;
let api: ApiCaller;
before(async () => {
  cluster = await startDevCluster();
  api = new ApiCaller(cluster);
});
after(() => cluster.stop());

const core = "/api/v1/namespaces/default";

async function addPod(name: string, podIP: string, isReady: boolean): Promise<void> {
  await eventually("its ServiceAccount", async () =>
    (await api.get(`${core}/serviceaccounts/default`)).code === 200 ? true : undefined,
  );
  const containers = [{ name: "c", image: "i", ports: [{ name: "web", containerPort: 8080 }] }];
  await api.post(`${core}/pods`, { metadata: { name, labels: { app: "web" } }, spec: { nodeName: "n", containers } });
  await api.patch(`${core}/pods/${name}/status`, {
    status: { phase: "Running", podIP, conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] },
  });
}

async function slices(): Promise<readonly JsonObject[]> {
  const path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  return list((await api.get(`${path}?labelSelector=kubernetes.io/service-name=web`)).body, "items").map((each) =>
    object(each),
  );
}

const until = (what: string, holds: (slice: JsonObject) => boolean): Promise<JsonObject> =>
  eventually(what, async () => (await slices()).find(holds));

test("a Service has its pods in slices and in Endpoints, by the numbers of their ports, and they go with it", async () => {
  await api.post(`${core}/services`, {
    metadata: { name: "web", labels: { team: "a" } },
    spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: "web" }] },
  });
  await until("an empty slice", (slice) => list(slice, "endpoints").length === 0);
  await addPod("a", "10.0.0.1", true);
  await addPod("b", "10.0.0.2", false);
  const slice = await until("two endpoints", (each) => list(each, "endpoints").length === 2);
  const [a, b] = list(slice, "endpoints");
  assert.deepEqual([texts(a, "addresses"), texts(b, "addresses")], [["10.0.0.1"], ["10.0.0.2"]]);
  assert.deepEqual(object(a, "conditions"), { ready: true, serving: true, terminating: false });
  assert.deepEqual(object(b, "conditions"), { ready: false, serving: false, terminating: false });
  assert.deepEqual(list(slice, "ports"), [{ name: "", port: 8080, protocol: "TCP" }]);
  assert.equal(text(slice, "metadata", "labels", "team"), "a");
  const addresses = await eventually("both in Endpoints", async () => {
    const [subset] = list((await api.get(`${core}/endpoints/web`)).body, "subsets");
    const of = (field: string): readonly string[] => list(subset, field).map((each) => text(each, "ip"));
    const found = [of("addresses"), of("notReadyAddresses")];
    return found.flat().length === 2 ? found : undefined;
  });
  assert.deepEqual(addresses, [["10.0.0.1"], ["10.0.0.2"]]);

  await api.delete(`${core}/pods/a`, { gracePeriodSeconds: 5 });
  await until("it goes", (each) => {
    const { ready, serving, terminating } = object(list(each, "endpoints")[0], "conditions");
    return ready === false && serving === true && terminating === true;
  });
  await api.delete(`${core}/services/web`);
  await eventually("nothing is left", async () => {
    const { code } = await api.get(`${core}/endpoints/web`);
    return code === 404 && (await slices()).length === 0 ? true : undefined;
  });
});

test("a Service that says so publishes pods that are not ready, or are going", async () => {
  await api.post(`${core}/services`, {
    metadata: { name: "peers" },
    spec: { selector: { app: "peer" }, clusterIP: "None", publishNotReadyAddresses: true },
  });
  const containers = [{ name: "c", image: "i" }];
  await api.post(`${core}/pods`, {
    metadata: { name: "peer", labels: { app: "peer" } },
    spec: { nodeName: "n", containers },
  });
  await api.patch(`${core}/pods/peer/status`, { status: { phase: "Running", podIP: "10.0.0.9" } });
  await api.delete(`${core}/pods/peer`, { gracePeriodSeconds: 5 });
  const path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  const conditions = await eventually("it goes", async () => {
    const [slice] = list((await api.get(`${path}?labelSelector=kubernetes.io/service-name=peers`)).body, "items");
    const said = object(list(slice, "endpoints")[0], "conditions");
    return said["terminating"] === true ? said : undefined;
  });
  assert.deepEqual(conditions, { ready: true, serving: false, terminating: true });
  const [subset] = list((await api.get(`${core}/endpoints/peers`)).body, "subsets");
  assert.deepEqual(
    list(subset, "addresses").map((each) => text(each, "ip")),
    ["10.0.0.9"],
  );
});
