import assert from "node:assert/strict";
import { test } from "node:test";
import { type DevClusterOptions, startDevCluster } from "./dev-cluster.ts";
import { list, text } from "./json.ts";
import { ApiCaller } from "./testing/api-caller.ts";

const version = "certificates.k8s.io/v1beta1";
const requests = `/apis/${version}/namespaces/default/podcertificaterequests`;
const request = {
  metadata: { name: "r" },
  spec: {
    signerName: "example.com/pods",
    podName: "p",
    podUID: "u",
    serviceAccountName: "default",
    serviceAccountUID: "s",
    nodeName: "n",
    nodeUID: "m",
    stubPKCS10Request: "cmVxdWVzdA==",
  },
};

async function withCluster(options: DevClusterOptions, use: (api: ApiCaller) => Promise<void>): Promise<void> {
  await using cluster = await startDevCluster(options);
  await use(new ApiCaller(cluster, await cluster.kubeconfigFor("system:node:n", ["system:nodes"])));
}

test("beta kinds are not served to who does not ask for them", () =>
  withCluster({ controllers: false }, async (api) => {
    assert.equal((await api.get(`/apis/${version}`)).code, 404);
    assert.equal((await api.post(requests, request)).code, 403);
  }));

test("those that are asked for are listed and served, and nodes may do with them what they may", () =>
  withCluster({ controllers: false, runtimeConfig: [`${version}/podcertificaterequests`] }, async (api) => {
    const { body } = await api.get(`/apis/${version}`);
    const names = list(body, "resources").map((each) => text(each, "name"));
    assert.deepEqual(names, ["podcertificaterequests", "podcertificaterequests/status"]);
    const { code, body: made } = await api.post(requests, request);
    assert.deepEqual([code, text(made, "metadata", "name")], [201, "r"]);
    const found = await api.get(`${requests}?fieldSelector=spec.nodeName%3Dn`);
    assert.equal(list(found.body, "items").length, 1);
    assert.equal((await api.delete(`${requests}/r`)).code, 403);
  }));

test("an entry that names nothing is refused", async () => {
  await assert.rejects(
    startDevCluster({ runtimeConfig: ["certificates.k8s.io/v1beta1/nothing"] }),
    /runtimeConfig: "certificates.k8s.io\/v1beta1\/nothing" is none of certificates.k8s.io\/v1beta1, /,
  );
});

test("without streamed lists, a watch that wants one is refused as older servers refuse it", async () => {
  await using cluster = await startDevCluster({ controllers: false, watchList: false });
  const api = new ApiCaller(cluster);
  const { code, body } = await api.get("/api/v1/pods?watch=true&sendInitialEvents=true&timeoutSeconds=1");
  assert.deepEqual([code, text(body, "reason")], [422, "Invalid"]);
  assert.match(text(body, "message"), /sendInitialEvents is forbidden for watch/);
});

test("metrics are left to a metrics-server", async () => {
  await using cluster = await startDevCluster({ controllers: false, resourceMetrics: false });
  const api = new ApiCaller(cluster);
  assert.equal((await api.get("/apis/metrics.k8s.io/v1beta1/nodes")).code, 404);
});
