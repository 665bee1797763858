import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type DevCluster, notForProduction, startDevCluster } from "./dev-cluster.ts";
import { at, type JsonObject, list, number, text } from "./json.ts";
import { ApiCaller, eventually } from "./testing/api-caller.ts";

let cluster: DevCluster;
let api: ApiCaller;
const lines: string[] = [];

before(async () => {
  cluster = await startDevCluster({ log: (line) => lines.push(line) });
  api = new ApiCaller(cluster);
  await eventually("ServiceAccount default", async () => {
    const { code } = await api.get("/api/v1/namespaces/default/serviceaccounts/default");
    return code === 200 ? true : undefined;
  });
});
after(() => cluster.stop());

const podPath = "/api/v1/namespaces/default/pods";
const pod = (name: string, more: JsonObject = {}): JsonObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { app: "test" } },
  // Nobody schedules it.
  spec: { schedulerName: "nobody", containers: [{ name: "main", image: "busybox" }], ...more },
});
const configMaps = "/api/v1/namespaces/default/configmaps";
const configMap = (name: string, data: JsonObject = {}): JsonObject => ({ metadata: { name }, data });

test("the first line says what it is not for", () => {
  assert.equal(lines[0], notForProduction);
  assert.match(notForProduction, /not for production/);
});

test("a pod gets what users leave out", async () => {
  const { code, body } = await api.post(podPath, pod("defaults"));
  assert.equal(code, 201);
  assert.equal(text(body, "spec", "restartPolicy"), "Always");
  assert.equal(number(body, "spec", "terminationGracePeriodSeconds"), 30);
  const [container] = list(body, "spec", "containers");
  assert.equal(text(container, "imagePullPolicy"), "Always");
  assert.equal(text(container, "terminationMessagePath"), "/dev/termination-log");
  assert.equal(text(list(container, "volumeMounts")[0], "mountPath"), "/var/run/secrets/kubernetes.io/serviceaccount");
  assert.equal(text(body, "status", "phase"), "Pending");
  assert.equal(text(body, "status", "qosClass"), "BestEffort");
  assert.equal(list(body, "spec", "tolerations").length, 2);
});

test("a lease that is gone is made by a PUT, but not in the place of another", async () => {
  const path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/gone";
  const lease = (metadata: JsonObject): JsonObject => ({ metadata: { name: "gone", ...metadata }, spec: {} });
  const other = await api.put(path, lease({ uid: "d53d6336-43f4-4056-8c1e-a71ceab99608", resourceVersion: "5" }));
  assert.deepEqual([other.code, text(other.body, "reason")], [409, "Conflict"]);
  assert.equal((await api.put(path, lease({ resourceVersion: "5" }))).code, 201);
});

const refusals: readonly {
  readonly what: string;
  readonly path: string;
  readonly body: JsonObject;
  readonly code: number;
  readonly message: string;
}[] = [
  {
    what: "no containers",
    path: podPath,
    body: pod("a", { containers: [] }),
    code: 422,
    message: 'Pod "a" is invalid: spec.containers: Required value',
  },
  {
    what: "a wrong type",
    path: podPath,
    body: pod("a", { containers: "x" }),
    code: 400,
    message:
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field Pod.spec.containers of type []v1.Container',
  },
  {
    what: "an unknown field",
    path: `${podPath}?fieldValidation=Strict`,
    body: pod("a", { containerss: [] }),
    code: 400,
    message: 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.containerss"',
  },
  {
    what: "a value that there is not",
    path: podPath,
    body: pod("a", { restartPolicy: "No" }),
    code: 422,
    message:
      'Pod "a" is invalid: spec.restartPolicy: Unsupported value: "No": supported values: "Always", "Never", "OnFailure"',
  },
  {
    what: "a namespace that there is not",
    path: "/api/v1/namespaces/nowhere/pods",
    body: pod("a"),
    code: 404,
    message: 'namespaces "nowhere" not found',
  },
  {
    what: "a selector that does not select",
    path: "/apis/apps/v1/namespaces/default/deployments",
    body: {
      metadata: { name: "d" },
      spec: {
        selector: { matchLabels: { app: "a" } },
        template: { metadata: { labels: { app: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } },
      },
    },
    code: 422,
    message:
      'Deployment.apps "d" is invalid: spec.template.metadata.labels: Invalid value: {"app":"b"}: `selector` does not match template `labels`',
  },
];
for (const { what, path, body, code, message } of refusals) {
  test(`${what} is refused`, async () => {
    const answer = await api.post(path, body);
    assert.equal(text(answer.body, "message"), message);
    assert.equal(answer.code, code);
    assert.equal(number(answer.body, "code"), code);
  });
}

test("an unknown field is warned of", async () => {
  const { code, headers, body } = await api.post(configMaps, { ...configMap("warned"), dat: {} });
  assert.equal(code, 201);
  assert.equal(headers["warning"], '299 - "unknown field \\"dat\\""');
  assert.equal(at(body, "dat"), undefined);
});

test("a write on an older version is a conflict, the same again is no change", async () => {
  const { body: first } = await api.post(configMaps, configMap("versions", { a: "1" }));
  const path = `${configMaps}/versions`;
  const { body: second } = await api.put(path, { ...first, data: { a: "2" } });
  assert.notEqual(text(second, "metadata", "resourceVersion"), text(first, "metadata", "resourceVersion"));
  const late = await api.put(path, { ...first, data: { a: "3" } });
  assert.equal(late.code, 409);
  assert.match(text(late.body, "message"), /the object has been modified/);
  const { body: same } = await api.put(path, second);
  assert.equal(text(same, "metadata", "resourceVersion"), text(second, "metadata", "resourceVersion"));
});

test("dry runs leave nothing", async () => {
  const { code } = await api.post(`${configMaps}?dryRun=All`, configMap("dry"));
  assert.equal(code, 201);
  assert.equal((await api.get(`${configMaps}/dry`)).code, 404);
});

test("lists come in pages of one moment", async () => {
  const path = "/api/v1/namespaces/kube-public/configmaps";
  for (const name of ["p1", "p2", "p3"])
    await api.post(path, { ...configMap(name), metadata: { name, labels: { page: "1" } } });
  const { body: first } = await api.get(`${path}?limit=2&labelSelector=page=1`);
  assert.deepEqual(
    list(first, "items").map((each) => text(each, "metadata", "name")),
    ["p1", "p2"],
  );
  await api.delete(`${path}/p3`);
  const token = encodeURIComponent(text(first, "metadata", "continue"));
  const { body: rest } = await api.get(`${path}?limit=2&labelSelector=page=1&continue=${token}`);
  assert.deepEqual(
    list(rest, "items").map((each) => text(each, "metadata", "name")),
    ["p3"],
  );
  assert.equal(text(rest, "metadata", "resourceVersion"), text(first, "metadata", "resourceVersion"));
  assert.equal((await api.get(`${path}?continue=unknown`)).code, 410);
});

test("a watch tells what comes, changes and goes in its selector's view", async () => {
  const end = new AbortController();
  const path = `${configMaps}?watch=1&labelSelector=seen=yes&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`;
  const events = api.watch(path, end.signal);
  const next = async (): Promise<JsonObject> => (await events.next()).value ?? {};
  const bookmark = await next();
  assert.equal(text(bookmark, "type"), "BOOKMARK");
  assert.equal(text(bookmark, "object", "metadata", "annotations", "k8s.io/initial-events-end"), "true");
  const labels = { seen: "yes" };
  await api.post(configMaps, { metadata: { name: "watched", labels } });
  assert.equal(text(await next(), "type"), "ADDED");
  await api.patch(`${configMaps}/watched`, { data: { a: "1" } });
  const modified = await next();
  assert.equal(text(modified, "type"), "MODIFIED");
  await api.patch(`${configMaps}/watched`, { metadata: { labels: { seen: "no" } } });
  const gone = await next();
  assert.equal(text(gone, "type"), "DELETED");
  assert.equal(text(gone, "object", "metadata", "labels", "seen"), "yes");
  const later = Number(text(gone, "object", "metadata", "resourceVersion"));
  assert.ok(later > Number(text(modified, "object", "metadata", "resourceVersion")));
  end.abort();
});

test("who is not known or not allowed is refused", async () => {
  assert.equal((await api.get(podPath, { token: "wrong" })).code, 401);
  const somebody = new ApiCaller(cluster, await cluster.kubeconfigFor("somebody"));
  const { code, body } = await somebody.get(podPath);
  assert.equal(code, 403);
  assert.equal(
    text(body, "message"),
    'pods is forbidden: User "somebody" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  const node = new ApiCaller(cluster, await cluster.kubeconfigFor("system:node:n", ["system:nodes"]));
  assert.equal((await node.get(podPath)).code, 200);
});

test("kubectl finds what there is, and that the server validates", async () => {
  const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  const { body: groups } = await api.get("/apis", { accept: aggregated });
  const names = list(groups, "items").map((each) => text(each, "metadata", "name"));
  assert.ok(["apps", "batch", "metrics.k8s.io", "policy"].every((each) => names.includes(each)));
  const { body: v3 } = await api.get("/openapi/v3/apis/apps/v1");
  const deployments = at(v3, "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", "patch");
  assert.ok(list(deployments, "parameters").some((each) => text(each, "name") === "fieldValidation"));
  assert.match(text(v3, "components", "schemas", "io.k8s.api.core.v1.PodSpec", "description"), /description of a pod/);
  const accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
  const { headers, body: v2 } = await api.get("/openapi/v2", { accept });
  assert.equal(headers["content-type"], "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  assert.match(text(v2, "text"), /\/api\/v1\/namespaces\/\{name\}[\s\S]*fieldValidation/);
});

test("an administrator may act as others, others may not", async () => {
  const asBob = { headers: { "impersonate-user": "bob" } };
  assert.equal((await api.get(podPath, asBob)).code, 403);
  const somebody = new ApiCaller(cluster, await cluster.kubeconfigFor("somebody"));
  const { body } = await somebody.get(podPath, { headers: { "impersonate-user": "kubernetes-admin" } });
  assert.match(text(body, "message"), /cannot impersonate resource "users"/);
});

test("state in a file survives a restart, and versions go on", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dev-cluster-test-"));
  try {
    const first = await startDevCluster({ directory });
    const { body: made } = await new ApiCaller(first).post(configMaps, configMap("kept", { a: "1" }));
    await new ApiCaller(first).post(configMaps, configMap("gone"));
    await new ApiCaller(first).delete(`${configMaps}/gone`);
    await first.stop();
    await using second = await startDevCluster({ directory });
    const caller = new ApiCaller(second);
    assert.deepEqual((await caller.get(`${configMaps}/kept`)).body, made);
    assert.equal((await caller.get(`${configMaps}/gone`)).code, 404);
    const { body: next } = await caller.post(configMaps, configMap("next"));
    assert.ok(Number(text(next, "metadata", "resourceVersion")) > Number(text(made, "metadata", "resourceVersion")));
    const end = new AbortController();
    const stale = `${configMaps}?watch=1&resourceVersion=${text(made, "metadata", "resourceVersion")}`;
    const { value } = await caller.watch(stale, end.signal).next();
    end.abort();
    assert.equal(number(value, "object", "code"), 410);
    assert.equal(second.ca, first.ca);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a bootstrap token is known by its Secret", async () => {
  const stringData = {
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    "usage-bootstrap-authentication": "true",
  };
  const document = { metadata: { name: "bootstrap-token-abcdef" }, type: "bootstrap.kubernetes.io/token", stringData };
  await api.post("/api/v1/namespaces/kube-system/secrets", document);
  const review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const { body } = await api.post(review, {}, { token: "abcdef.0123456789abcdef" });
  assert.equal(text(body, "status", "userInfo", "username"), "system:bootstrap:abcdef");
  assert.equal((await api.post(review, {}, { token: "abcdef.0123456789abcdee" })).code, 401);
});
