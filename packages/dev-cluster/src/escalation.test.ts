import assert from "node:assert/strict";
import { test } from "node:test";
import { startDevCluster } from "./dev-cluster.ts";
import type { JsonObject } from "./json.ts";
import { ApiCaller } from "./testing/api-caller.ts";

const group = "rbac.authorization.k8s.io";
const cluster = `/apis/${group}/v1`;
const local = `${cluster}/namespaces/default`;
const rule = (verbs: readonly string[], resources: readonly string[], apiGroups = [""]): JsonObject => ({
  verbs,
  apiGroups,
  resources,
});
const one: JsonObject = { ...rule(["get"], ["secrets"]), resourceNames: ["one"] };
const metadata = { name: "x" };
const bound = (kind: string, name: string, user = "writer"): JsonObject => ({
  roleRef: { apiGroup: group, kind, name },
  subjects: [{ apiGroup: group, kind: "User", name: user }],
});

test("who may write roles and bindings gives nobody more than they have", async () => {
  await using running = await startDevCluster({ controllers: false });
  const admin = new ApiCaller(running);
  const made = async (path: string, body: JsonObject): Promise<void> =>
    assert.equal((await admin.post(path, body)).code, 201);
  await made(`${cluster}/clusterroles`, {
    metadata: { name: "writer" },
    rules: [
      rule(["create", "update", "patch"], ["roles", "rolebindings", "clusterroles", "clusterrolebindings"], [group]),
      rule(["get", "list"], ["pods"]),
      one,
      { ...rule(["bind"], ["clusterroles"], [group]), resourceNames: ["view"] },
    ],
  });
  await made(`${cluster}/clusterrolebindings`, { metadata: { name: "writer" }, ...bound("ClusterRole", "writer") });
  const writer = new ApiCaller(running, await running.kubeconfigFor("writer"));

  const refused: readonly (readonly [path: string, body: JsonObject])[] = [
    [`${local}/roles`, { rules: [rule(["get"], ["secrets"])] }],
    [`${local}/roles`, { rules: [rule(["get", "delete"], ["pods"])] }],
    [`${local}/roles`, { rules: [rule(["*"], ["*"], ["*"])] }],
    [`${local}/roles`, { rules: [{ ...one, resourceNames: ["one", "two"] }] }],
    [`${cluster}/clusterroles`, { rules: [{ verbs: ["get"], nonResourceURLs: ["/metrics"] }] }],
    [`${cluster}/clusterroles`, { rules: [], aggregationRule: { clusterRoleSelectors: [{}] } }],
    [`${local}/rolebindings`, bound("ClusterRole", "cluster-admin")],
    [`${cluster}/clusterrolebindings`, bound("ClusterRole", "edit")],
  ];
  for (const [path, body] of refused) {
    const answer = await writer.post(path, { metadata, ...body });
    assert.equal(answer.code, 403, JSON.stringify(body));
    assert.match(
      String(answer.body["message"]),
      /^\w+\.rbac\.authorization\.k8s\.io "x" is forbidden: user "writer" .* is attempting to grant RBAC permissions not currently held:\n\{/,
    );
  }
  const absent = await writer.post(`${local}/rolebindings`, { metadata, ...bound("Role", "none") });
  assert.equal(absent.code, 404);

  // What they have, and what they may bind.
  const allowed: readonly (readonly [path: string, body: JsonObject])[] = [
    [`${local}/roles`, { rules: [rule(["get", "list"], ["pods"]), one] }],
    [`${local}/rolebindings`, bound("Role", "x", "friend")],
    [`${cluster}/clusterrolebindings`, bound("ClusterRole", "view", "friend")],
  ];
  for (const [path, body] of allowed)
    assert.equal((await writer.post(path, { metadata, ...body })).code, 201, JSON.stringify(body));
  const merge = "application/merge-patch+json";
  assert.equal((await writer.patch(`${local}/roles/x`, { rules: [rule(["delete"], ["pods"])] }, merge)).code, 403);
  const role = `${cluster}/clusterroles/cluster-admin`;
  assert.equal((await writer.patch(role, { metadata: { labels: { a: "b" } } }, merge)).code, 200);
});

test("who may only change objects makes none by it", async () => {
  await using running = await startDevCluster({ controllers: false });
  const admin = new ApiCaller(running);
  const rules = [rule(["update", "patch"], ["services", "configmaps"])];
  assert.equal((await admin.post(`${cluster}/clusterroles`, { metadata: { name: "changer" }, rules })).code, 201);
  const binding = { metadata: { name: "changer" }, ...bound("ClusterRole", "changer", "changer") };
  assert.equal((await admin.post(`${cluster}/clusterrolebindings`, binding)).code, 201);
  const changer = new ApiCaller(running, await running.kubeconfigFor("changer"));
  const services = "/api/v1/namespaces/default/services";
  const service = { metadata, spec: { ports: [{ port: 80 }] } };
  const refused = await changer.put(`${services}/x`, service);
  assert.equal(refused.code, 403);
  assert.match(String(refused.body["message"]), /User "changer" cannot create resource "services"/);
  const map = "/api/v1/namespaces/default/configmaps/x?fieldManager=a";
  assert.equal((await changer.patch(map, { data: {} }, "application/apply-patch+yaml")).code, 403);
  assert.equal((await admin.put(`${services}/x`, service)).code, 201);
  assert.equal(
    (await changer.put(`${services}/x`, { ...service, metadata: { name: "x", labels: { a: "b" } } })).code,
    200,
  );
});
