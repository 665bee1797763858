import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Json, type JsonObject, list, number, object, text } from "../json.ts";
import { type ApiCaller, eventually } from "../testing/api-caller.ts";
import { type ServedCluster, startServedCluster } from "../testing/served-cluster.ts";

let cluster: ServedCluster;
let api: ApiCaller;
before(async () => {
  cluster = await startServedCluster();
  ({ api } = cluster);
});
after(() => cluster.stop());

const apps = "/apis/apps/v1/namespaces/default";
const podsPath = "/api/v1/namespaces/default/pods";
const template = (app: string, spec: JsonObject = {}): JsonObject => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: "c", image: "i:1" }], ...spec },
});

async function podsOf(app: string): Promise<readonly Json[]> {
  return list((await api.get(`${podsPath}?labelSelector=app=${app}`)).body, "items");
}

async function deploymentUntil(
  name: string,
  what: string,
  holds: (deployment: JsonObject) => boolean,
): Promise<JsonObject> {
  return eventually(what, async () => {
    const { body } = await api.get(`${apps}/deployments/${name}`);
    return holds(body) ? body : undefined;
  });
}

const isDone =
  (replicas: number) =>
  (deployment: JsonObject): boolean =>
    number(deployment, "status", "observedGeneration") === number(deployment, "metadata", "generation") &&
    number(deployment, "status", "updatedReplicas") === replicas &&
    number(deployment, "status", "availableReplicas") === replicas &&
    number(deployment, "status", "replicas") === replicas;

test("a Deployment comes up, rolls, scales and goes with all that it has made", async () => {
  const named = { ...template("web"), metadata: { name: "not-of-pods", labels: { app: "web" } } };
  const spec = { replicas: 3, selector: { matchLabels: { app: "web" } }, template: named };
  assert.equal((await api.post(`${apps}/deployments`, { metadata: { name: "web" }, spec })).code, 201);
  await deploymentUntil("web", "3 available", isDone(3));
  const [first] = await podsOf("web");
  assert.equal(text(first, "spec", "nodeName"), "n1");

  let fewest = 3;
  const watching = new AbortController();
  const watched = (async () => {
    for await (const event of api.watch(`${apps}/deployments?watch=1`, watching.signal)) {
      fewest = Math.min(fewest, number(event, "object", "status", "availableReplicas") ?? 3);
    }
  })();
  await api.patch(`${apps}/deployments/web`, {
    spec: { template: { spec: { containers: [{ name: "c", image: "i:2" }] } } },
  });
  await deploymentUntil("web", "rolled", isDone(3));
  watching.abort();
  await watched;
  assert.equal(fewest, 3, "25% of 3 may not be missing, rounded down");
  const images = (await podsOf("web"))
    .filter((pod) => text(pod, "metadata", "deletionTimestamp") === "")
    .map((pod) => text(list(pod, "spec", "containers")[0], "image"));
  assert.deepEqual(images, ["i:2", "i:2", "i:2"]);

  const scale = await api.patch(
    `${apps}/deployments/web/scale`,
    { spec: { replicas: 1 } },
    "application/merge-patch+json",
  );
  assert.equal(scale.code, 200);
  await deploymentUntil("web", "scaled", isDone(1));

  await api.delete(`${apps}/deployments/web`);
  await eventually("all gone", async () => {
    const sets = list((await api.get(`${apps}/replicasets?labelSelector=app=web`)).body, "items");
    return sets.length === 0 && (await podsOf("web")).length === 0 ? true : undefined;
  });
});

test("a rollout that stands still is told, and goes on once it can", async () => {
  const spec = {
    progressDeadlineSeconds: 1,
    selector: { matchLabels: { app: "stuck" } },
    template: template("stuck", { nodeSelector: { no: "node" } }),
  };
  await api.post(`${apps}/deployments`, { metadata: { name: "stuck" }, spec });
  const progressing = (deployment: JsonObject): Json | undefined =>
    list(deployment, "status", "conditions").find((each) => text(each, "type") === "Progressing");
  const late = await deploymentUntil("stuck", "too late", (it) => text(progressing(it), "status") === "False");
  assert.equal(text(progressing(late), "reason"), "ProgressDeadlineExceeded");
  await api.patch(`${apps}/deployments/stuck`, { spec: { template: { spec: { nodeSelector: null } } } });
  const done = await deploymentUntil("stuck", "rolled", isDone(1));
  assert.equal(text(progressing(done), "reason"), "NewReplicaSetAvailable");
  await api.delete(`${apps}/deployments/stuck`);
});

test("a StatefulSet makes its pods one after the other, and gives them up from the last", async () => {
  const spec = { replicas: 2, serviceName: "db", selector: { matchLabels: { app: "db" } }, template: template("db") };
  await api.post(`${apps}/statefulsets`, { metadata: { name: "db" }, spec });
  const ready = (wanted: number): Promise<true> =>
    eventually(`${wanted} ready`, async () => {
      const { status } = (await api.get(`${apps}/statefulsets/db`)).body;
      return number(status, "readyReplicas") === wanted && number(status, "replicas") === wanted ? true : undefined;
    });
  await ready(2);
  const [first, second] = await podsOf("db");
  assert.deepEqual([text(first, "metadata", "name"), text(second, "metadata", "name")], ["db-0", "db-1"]);
  assert.equal(text(second, "spec", "subdomain"), "db");
  assert.ok(Number(text(second, "metadata", "resourceVersion")) > Number(text(first, "metadata", "resourceVersion")));
  await api.patch(`${apps}/statefulsets/db/scale`, { spec: { replicas: 1 } }, "application/merge-patch+json");
  await ready(1);
  assert.deepEqual(
    (await podsOf("db")).map((pod) => text(pod, "metadata", "name")),
    ["db-0"],
  );
});

test("a DaemonSet has one pod on each node that it may be on", async () => {
  const daemon = (name: string, nodeSelector: JsonObject): JsonObject => ({
    metadata: { name },
    spec: { selector: { matchLabels: { app: name } }, template: template(name, { nodeSelector }) },
  });
  await api.post(`${apps}/daemonsets`, daemon("nowhere", { no: "node" }));
  await api.post(`${apps}/daemonsets`, daemon("here", { "kubernetes.io/hostname": "n1" }));
  await eventually("ready", async () => {
    const { body } = await api.get(`${apps}/daemonsets/here`);
    return number(body, "status", "numberReady") === 1 ? true : undefined;
  });
  const [pod, ...others] = await podsOf("here");
  assert.equal(text(pod, "spec", "nodeName"), "n1");
  assert.equal(others.length, 0);
  assert.equal((await podsOf("nowhere")).length, 0);
});

test("a StatefulSet and a DaemonSet keep their templates, and number one anew that they go back to", async () => {
  for (const [resource, name] of [
    ["statefulsets", "kept"],
    ["daemonsets", "kept-too"],
  ] as const) {
    const revisions = async (): Promise<ReadonlyMap<number | undefined, Json>> => {
      const { body } = await api.get(`${apps}/controllerrevisions?labelSelector=app=${name}`);
      return new Map(list(body, "items").map((each) => [number(each, "revision"), each]));
    };
    const imageOf = (revision: Json | undefined): string =>
      text(list(revision, "data", "spec", "template", "spec", "containers")[0], "image");
    const until = async (image: string, order: number): Promise<Json> =>
      eventually(`${name} has ${image} as ${order}`, async () => {
        const newest = (await revisions()).get(order);
        const [pod, ...others] = await podsOf(name);
        const hasPod = others.length === 0 && text(list(pod, "spec", "containers")[0], "image") === image;
        return hasPod && imageOf(newest) === image ? newest : undefined;
      });
    const image = (of: string): JsonObject => ({
      spec: { template: { spec: { containers: [{ name: "c", image: of }] } } },
    });
    const spec = { selector: { matchLabels: { app: name } }, template: template(name), revisionHistoryLimit: 1 };
    await api.post(`${apps}/${resource}`, { metadata: { name, annotations: { why: "first" } }, spec });
    const first = await until("i:1", 1);
    assert.equal(text(first, "metadata", "annotations", "why"), "first");
    assert.equal(text(first, "data", "spec", "template", "$patch"), "replace");
    await api.patch(`${apps}/${resource}/${name}`, image("i:2"));
    await until("i:2", 2);
    const data = object((await revisions()).get(1), "data");
    await api.patch(`${apps}/${resource}/${name}`, data);
    const again = await until("i:1", 3);
    assert.deepEqual(
      [text(again, "metadata", "uid"), [...(await revisions()).keys()].sort()],
      [text(first, "metadata", "uid"), [2, 3]],
    );
    await api.patch(`${apps}/${resource}/${name}`, image("i:3"));
    await until("i:3", 4);
    assert.deepEqual([...(await revisions()).keys()].sort(), [3, 4], "one beside the newest");
    await api.delete(`${apps}/${resource}/${name}`);
    await eventually("gone with it", async () => ((await revisions()).size === 0 ? true : undefined));
  }
});

test("what fits no node waits, and is told why", async () => {
  await api.post(podsPath, {
    metadata: { name: "big" },
    spec: { containers: [{ name: "c", image: "i", resources: { requests: { cpu: "100" } } }] },
  });
  const condition = await eventually("unschedulable", async () => {
    const { body } = await api.get(`${podsPath}/big`);
    return list(body, "status", "conditions").find((each) => text(each, "reason") === "Unschedulable");
  });
  assert.equal(text(condition, "message"), "0/1 nodes are available: 1 Insufficient cpu.");
});

test("an eviction that a budget forbids is refused", async () => {
  const spec = { replicas: 1, selector: { matchLabels: { app: "held" } }, template: template("held") };
  await api.post(`${apps}/deployments`, { metadata: { name: "held" }, spec });
  const budget = { minAvailable: 1, selector: { matchLabels: { app: "held" } } };
  await api.post("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {
    metadata: { name: "held" },
    spec: budget,
  });
  await deploymentUntil("held", "1 available", isDone(1));
  await eventually("the budget knows", async () => {
    const { body } = await api.get("/apis/policy/v1/namespaces/default/poddisruptionbudgets/held");
    return number(body, "status", "currentHealthy") === 1 ? true : undefined;
  });
  const name = text((await podsOf("held"))[0], "metadata", "name");
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name } };
  const { code, body } = await api.post(`${podsPath}/${name}/eviction`, eviction);
  assert.equal(code, 429);
  assert.equal(text(list(body, "details", "causes")[0], "reason"), "DisruptionBudget");
  await api.delete("/apis/policy/v1/namespaces/default/poddisruptionbudgets/held");
  assert.equal((await api.post(`${podsPath}/${name}/eviction`, eviction)).code, 201);
});

test("a namespace goes with all that is in it", async () => {
  await api.post("/api/v1/namespaces", { metadata: { name: "going" } });
  await eventually("its ServiceAccount", async () =>
    (await api.get("/api/v1/namespaces/going/serviceaccounts/default")).code === 200 ? true : undefined,
  );
  await api.post("/api/v1/namespaces/going/pods", { metadata: { name: "p" }, spec: template("p")["spec"] ?? null });
  await api.delete("/api/v1/namespaces/going");
  const late = await api.post("/api/v1/namespaces/going/configmaps", { metadata: { name: "late" } });
  assert.ok(late.code === 403 || late.code === 404);
  await eventually("gone", async () => ((await api.get("/api/v1/namespaces/going")).code === 404 ? true : undefined));
  assert.equal((await api.get("/api/v1/namespaces/going/pods/p")).code, 404);
});

test("an owner that is deleted in the foreground goes last, one that is orphaned leaves them", async () => {
  const path = "/api/v1/namespaces/default/configmaps";
  for (const [owner, policy, left] of [
    ["front", "Foreground", false],
    ["orphan", "Orphan", true],
  ] as const) {
    const { body } = await api.post(path, { metadata: { name: owner } });
    const reference = {
      apiVersion: "v1",
      kind: "ConfigMap",
      name: owner,
      uid: text(body, "metadata", "uid"),
      blockOwnerDeletion: true,
    };
    await api.post(path, { metadata: { name: `${owner}-child`, ownerReferences: [reference] } });
    await api.delete(`${path}/${owner}`, { propagationPolicy: policy });
    await eventually(`${owner} gone`, async () =>
      (await api.get(`${path}/${owner}`)).code === 404 ? true : undefined,
    );
    assert.equal((await api.get(`${path}/${owner}-child`)).code, left ? 200 : 404);
  }
});
