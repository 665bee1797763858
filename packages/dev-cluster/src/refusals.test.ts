// What is sent by mistake or in bad faith: refused in words, and nothing else comes of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type DevCluster, startDevCluster } from "./dev-cluster.ts";
import { at, type Json, list, text } from "./json.ts";
import { ApiCaller } from "./testing/api-caller.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const jsonPatch = "application/json-patch+json";
let cluster: DevCluster;
let api: ApiCaller;
const logged: string[] = [];

before(async () => {
  cluster = await startDevCluster({ controllers: false, log: (line) => logged.push(line) });
  api = new ApiCaller(cluster);
});
after(async () => {
  await cluster.stop();
  assert.deepEqual(
    logged.filter((line) => line.startsWith("a request failed")),
    [],
  );
});

const apply = (manager: string, name: string, document: Readonly<Record<string, Json>>) =>
  api.patch(
    `${maps}/${name}?fieldManager=${manager}`,
    { apiVersion: "v1", kind: "ConfigMap", ...document },
    "application/apply-patch+yaml",
  );

test("names of what every JavaScript object has are names like any other", async () => {
  const body = '{"metadata":{"name":"odd"},"data":{"__proto__":"p","constructor":"c"}}';
  const made = await api.call("POST", maps, { body });
  assert.deepEqual(Object.entries(made.body["data"] ?? {}), [
    ["__proto__", "p"],
    ["constructor", "c"],
  ]);
  for (const type of ["merge-patch", "strategic-merge-patch"]) {
    const contentType = `application/${type}+json`;
    const body = `{"data":{"__proto__":"${type}","toString":"t"}}`;
    const { body: patched } = await api.call("PATCH", `${maps}/odd`, { body, contentType });
    assert.equal(text(patched, "data", "__proto__"), type);
  }
  const wrong = await api.call("POST", `${maps}?fieldValidation=Strict`, {
    body: '{"metadata":{"name":"wrong"},"constructor":{},"__proto__":{"immutable":true}}',
  });
  assert.match(text(wrong.body, "message"), /unknown field "constructor", unknown field "__proto__"/);
  assert.equal((await api.post(maps, { metadata: { name: "wrong" }, data: { toString: 5 } })).code, 400);
  assert.equal((await api.get(`${maps}?fieldSelector=constructor%3Dx`)).code, 400);
});

test("JSON patches point to what is there, with a slash first and by whole numbers", async () => {
  await api.post(maps, { metadata: { name: "list", finalizers: ["a.b/c", "a.b/d"] }, data: { x: "1" } });
  for (const path of ["data", "/metadata/finalizers/", "/metadata/finalizers/0x0"])
    for (const op of ["remove", "add"]) {
      const { code } = await api.patch(`${maps}/list`, [{ op, path, value: "v.w/x" }], jsonPatch);
      assert.equal(code, 422, `${op} ${path}`);
    }
  const { body } = await api.get(`${maps}/list`);
  assert.deepEqual([at(body, "data"), list(body, "metadata", "finalizers")], [{ x: "1" }, ["a.b/c", "a.b/d"]]);
});

test("JSON patches do not grow without end", async () => {
  const metadata = { name: "grows" };
  const revisions = "/apis/apps/v1/namespaces/default/controllerrevisions";
  await api.post(revisions, { metadata, revision: 1, data: { a: "x" } });
  const copies = Array.from({ length: 40 }, (_, index) => ({ op: "copy", from: "/data", path: `/data/${index}` }));
  assert.equal((await api.patch(`${revisions}/grows`, copies.slice(0, 5), jsonPatch)).code, 200);
  assert.equal((await api.patch(`${revisions}/grows`, copies, jsonPatch)).code, 422);
});

test("what is written is what its path names", async () => {
  const leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
  assert.equal((await api.put(`${leases}/a`, { metadata: { name: "b" } })).code, 400);
  assert.equal((await api.get(`${leases}/b`)).code, 404);
  assert.equal((await apply("m", "a", { metadata: { name: "b" } })).code, 400);
  await api.post(maps, { metadata: { name: "here" } });
  assert.equal((await api.put(`${maps}/here`, { metadata: { name: "here", namespace: "kube-system" } })).code, 400);
});

test("an applied map that goes leaves what others applied in it", async () => {
  await apply("one", "shared", { metadata: { name: "shared", labels: {} } });
  await apply("two", "shared", { metadata: { name: "shared", labels: { a: "b" } } });
  const { body } = await apply("one", "shared", { metadata: { name: "shared" } });
  assert.equal(text(body, "metadata", "labels", "a"), "b");
});

test("large patches and documents that are applied take no time of others", async () => {
  await api.post(maps, { metadata: { name: "large" } });
  const data = Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`key-${index}`, "v"]));
  const started = performance.now();
  assert.equal((await api.patch(`${maps}/large`, { data })).code, 200);
  assert.equal((await apply("m", "large", { metadata: { name: "large" }, data })).code, 200);
  // Where each key costs as much as all keys, it is half a minute.
  assert.ok(performance.now() - started < 8_000);
});

test("numbers beyond what time can be are refused, long watches stay", async () => {
  await api.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "s" } });
  const token = "/api/v1/namespaces/default/serviceaccounts/s/token";
  assert.equal((await api.post(token, { spec: { expirationSeconds: 1e15 } })).code, 400);
  await api.post(maps, { metadata: { name: "gone" } });
  for (const grace of ["abc", "1e300"])
    assert.equal((await api.delete(`${maps}/gone?gracePeriodSeconds=${grace}`)).code, 400);
  assert.equal((await api.get("//")).code, 400);
  const ended = new AbortController();
  const watch = api.watch(`${maps}?watch=true&resourceVersion=0&timeoutSeconds=3000000`, ended.signal);
  const seen: string[] = [];
  const name = "late";
  for await (const event of watch) {
    seen.push(text(event, "object", "metadata", "name"));
    if (seen.at(-1) === "gone") setTimeout(() => void api.post(maps, { metadata: { name } }), 50);
    if (seen.at(-1) === name) break;
  }
  assert.equal(seen.at(-1), name);
});

test("a document too deep to be written again is not kept, and a list goes on as it began", async () => {
  const revisions = "/apis/apps/v1/namespaces/default/controllerrevisions";
  const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
  const body = `{"metadata":{"name":"deep"},"revision":1,"data":${deep}}`;
  assert.equal((await api.call("POST", revisions, { body })).code, 400);
  assert.equal((await api.get(revisions)).code, 200);
  const { body: page } = await api.get(`${maps}?limit=1`);
  const next = `?limit=1&continue=${text(page, "metadata", "continue")}`;
  assert.equal((await api.get(`/api/v1/secrets${next}`)).code, 410);
  assert.equal((await api.get(`${maps}${next}`)).code, 200);
  // Passed on as it came: nothing there is said of a kubelet that is not reached.
  const addresses = [{ type: "InternalIP", address: "127.0.0.1" }];
  const status = { addresses, daemonEndpoints: { kubeletEndpoint: { Port: 1 } } };
  await api.post("/api/v1/nodes", { metadata: { name: "n" }, status });
  const { body: refused } = await api.get("/api/v1/nodes/n/proxy/a%20b%3Fc");
  assert.match(text(refused, "message"), /connection refused/);
});

test("who may be other users gets no groups with them", async () => {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const rules = [{ verbs: ["impersonate"], apiGroups: [""], resources: ["users", "serviceaccounts"] }];
  await api.post(`${rbac}/clusterroles`, { metadata: { name: "other" }, rules });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "other" };
  const subjects = [{ kind: "User", name: "eve" }];
  await api.post(`${rbac}/clusterrolebindings`, { metadata: { name: "other" }, roleRef, subjects });
  const eve = new ApiCaller(cluster, await cluster.kubeconfigFor("eve"));
  const codeAs = async (headers: Readonly<Record<string, string>>): Promise<number> => {
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
    return (await eve.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", { body, headers })).code;
  };
  assert.equal(await codeAs({ "impersonate-user": "bob" }), 201);
  assert.equal(await codeAs({ "impersonate-user": "system:serviceaccount:default:s" }), 201);
  for (const group of ["system:masters", "system:serviceaccounts:kube-system", "system:unauthenticated"])
    assert.equal(await codeAs({ "impersonate-user": "bob", "impersonate-group": group }), 403, group);
  assert.equal(await codeAs({ "impersonate-user": "bob", "impersonate-uid": "7" }), 403);
  assert.equal(await codeAs({ "impersonate-user": "bob", "impersonate-extra-scopes": "x" }), 400);
  assert.equal(await codeAs({ "impersonate-group": "system:masters" }), 400);
});

test("a certificate of another authority is nobody's, not anonymous", async () => {
  await using other = await startDevCluster({ controllers: false });
  const stranger = new ApiCaller({ ...cluster, ca: cluster.ca }, other.kubeconfig);
  for (const path of ["/version", maps]) assert.equal((await stranger.get(path)).code, 401, path);
  assert.equal((await api.get("/version", { token: "none" })).code, 401);
});
