// What workloads do about pods that are not theirs yet or no more, in the middle of a rollout, and on tainted nodes.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { conditionOf } from "../conditions.ts";
import { type Json, type JsonObject, list, number, text } from "../json.ts";
import { type ApiCaller, eventually } from "../testing/api-caller.ts";
import { type ServedCluster, startServedCluster } from "../testing/served-cluster.ts";
import { annotationsOf, controllerOf, labelsOf, nameOf, replicasOf, uidOf } from "./objects.ts";

let cluster: ServedCluster;
let api: ApiCaller;
before(async () => {
  cluster = await startServedCluster({ nodeMonitorGraceMs: 600_000 });
  ({ api } = cluster);
  await eventually("the ServiceAccount of pods", async () =>
    (await api.get("/api/v1/namespaces/default/serviceaccounts/default")).code === 200 ? true : undefined,
  );
});
after(() => cluster.stop());

const apps = "/apis/apps/v1/namespaces/default";
const podsPath = "/api/v1/namespaces/default/pods";
const workload = (app: string, spec: JsonObject = {}): JsonObject => ({
  metadata: { name: app },
  spec: {
    selector: { matchLabels: { app } },
    template: { metadata: { labels: { app } }, spec: { containers: [{ name: "c", image: "i:1" }] } },
    ...spec,
  },
});
const nowhere = { spec: { template: { spec: { nodeSelector: { no: "node" } } } } };
const itemsOf = async (path: string): Promise<readonly Json[]> => list((await api.get(path)).body, "items");
const podsOf = (app: string): Promise<readonly Json[]> => itemsOf(`${podsPath}?labelSelector=app=${app}`);
const setsOf = (app: string): Promise<readonly Json[]> => itemsOf(`${apps}/replicasets?labelSelector=app=${app}`);
const uids = (all: readonly Json[]): readonly string[] => all.map(uidOf).sort();

async function until(path: string, what: string, holds: (it: JsonObject) => boolean): Promise<JsonObject> {
  return eventually(what, async () => {
    const { body } = await api.get(`${apps}/${path}`);
    const isSeen = number(body, "status", "observedGeneration") === number(body, "metadata", "generation");
    return isSeen && holds(body) ? body : undefined;
  });
}
const hasReady =
  (count: number) =>
  (it: JsonObject): boolean =>
    (number(it, "status", "readyReplicas") ?? 0) === count && number(it, "status", "replicas") === count;

test("a Deployment and a StatefulSet take what was left behind by one of their name, without a new pod", async () => {
  for (const resource of ["deployments", "statefulsets"]) {
    const app = `heir-${resource}`;
    const path = `${apps}/${resource}/${app}`;
    await api.post(`${apps}/${resource}`, workload(app, { replicas: 2 }));
    await until(`${resource}/${app}`, "two ready", hasReady(2));
    const pods = await podsOf(app);
    await api.delete(path, { propagationPolicy: "Orphan" });
    await eventually("gone", async () => ((await api.get(path)).code === 404 ? true : undefined));
    await api.post(`${apps}/${resource}`, workload(app, { replicas: 2 }));
    await until(`${resource}/${app}`, "two ready again", hasReady(2));
    const again = await podsOf(app);
    assert.deepEqual(uids(again), uids(pods));
    await api.delete(path);
    await eventually("gone with its pods", async () => ((await podsOf(app)).length === 0 ? true : undefined));
  }
});

test("a ReplicaSet takes a pod that it selects, and gives up one that it selects no more", async () => {
  await api.post(podsPath, {
    metadata: { name: "bare", labels: { app: "few" } },
    spec: { containers: [{ name: "c", image: "i" }] },
  });
  await api.post(`${apps}/replicasets`, workload("few", { replicas: 1 }));
  await until("replicasets/few", "one ready", hasReady(1));
  assert.deepEqual((await podsOf("few")).map(nameOf), ["bare"]);
  await api.patch(`${podsPath}/bare`, { metadata: { labels: { app: "looked-at" } } });
  await eventually("another in its place", async () =>
    (await podsOf("few")).some((pod) => nameOf(controllerOf(pod)) === "" && nameOf(pod) !== "bare") ? true : undefined,
  );
  const [free] = await podsOf("looked-at");
  assert.deepEqual([nameOf(free), list(free, "metadata", "ownerReferences")], ["bare", []]);
  await api.delete(`${apps}/replicasets/few`);
});

test("a rollout that is paused in the middle stays there; a paused Deployment is scaled by the set that it has", async () => {
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
  await api.post(`${apps}/deployments`, workload("held", { replicas: 3, strategy: { rollingUpdate } }));
  await until("deployments/held", "three ready", hasReady(3));
  await api.patch(`${apps}/deployments/held`, nowhere);
  const sizes = async (): Promise<readonly number[]> => (await setsOf("held")).map(replicasOf).sort();
  await eventually("one more", async () => ((await sizes()).join() === "1,3" ? true : undefined));
  await api.patch(`${apps}/deployments/held`, { spec: { paused: true } });
  const paused = await until("deployments/held", "paused", () => true);
  assert.equal(text(conditionOf(paused, "Progressing"), "reason"), "DeploymentPaused");
  assert.deepEqual(await sizes(), [1, 3]);
  await api.patch(`${apps}/deployments/held`, { spec: { paused: null, template: { spec: { nodeSelector: null } } } });
  await until("deployments/held", "back", (it) => hasReady(3)(it) && number(it, "status", "updatedReplicas") === 3);
  await api.patch(`${apps}/deployments/held`, { spec: { paused: true, ...nowhere.spec } });
  await api.patch(`${apps}/deployments/held`, { spec: { replicas: 2 } });
  await until("deployments/held", "smaller, by its old template", hasReady(2));
  await api.delete(`${apps}/deployments/held`);
});

test("a cause that is told after a rollout is in its history, and a rollout that is over is not begun again by scaling", async () => {
  await api.post(`${apps}/deployments`, workload("told", { replicas: 1 }));
  await until("deployments/told", "ready", hasReady(1));
  const cause = "kubernetes.io/change-cause";
  await api.patch(`${apps}/deployments/told`, { metadata: { annotations: { [cause]: "first" } } });
  await eventually("its set says so", async () =>
    annotationsOf((await setsOf("told"))[0])[cause] === "first" ? true : undefined,
  );
  await api.patch(`${apps}/deployments/told`, { spec: { replicas: 30, minReadySeconds: 1 } });
  const large = await until("deployments/told", "more", (it) => number(it, "status", "replicas") === 30);
  assert.equal(text(conditionOf(large, "Progressing"), "reason"), "NewReplicaSetAvailable");
  assert.equal(number((await setsOf("told"))[0], "spec", "minReadySeconds"), 1);
  await api.delete(`${apps}/deployments/told`);
  await eventually("gone", async () => ((await podsOf("told")).length === 0 ? true : undefined));
});

test("a StatefulSet begins with the number that it is told", async () => {
  await api.post(`${apps}/statefulsets`, workload("five", { replicas: 2, ordinals: { start: 5 } }));
  await until("statefulsets/five", "two ready", hasReady(2));
  assert.deepEqual((await podsOf("five")).map(nameOf), ["five-5", "five-6"]);
  await api.patch(`${apps}/statefulsets/five`, { spec: { ordinals: { start: 6 } } });
  await eventually("moved", async () =>
    (await podsOf("five")).map(nameOf).join() === "five-6,five-7" ? true : undefined,
  );
  await api.delete(`${apps}/statefulsets/five`);
});

test("pods of a StatefulSet and a DaemonSet are available once they were ready for as long as is asked for", async () => {
  const ready = ["readyReplicas", "numberReady"];
  const available = ["availableReplicas", "numberAvailable"];
  for (const resource of ["statefulsets", "daemonsets"]) {
    const app = `slow-${resource}`;
    await api.post(`${apps}/${resource}`, workload(app, { minReadySeconds: 2 }));
    const has = (it: JsonObject, fields: readonly string[]): boolean =>
      fields.some((field) => number(it, "status", field) === 1);
    const early = await until(`${resource}/${app}`, "ready", (it) => has(it, ready));
    assert.equal(has(early, available), false);
    await until(`${resource}/${app}`, "available", (it) => has(it, available));
    await api.delete(`${apps}/${resource}/${app}`);
  }
});

test("daemon pods stay on a node that takes no new ones, go from one that evicts, and are not wanted where none is", async () => {
  await api.post("/api/v1/nodes", {
    metadata: { name: "n2", labels: { "kubernetes.io/hostname": "n2" } },
    status: { allocatable: { cpu: "4", pods: "20" }, conditions: [{ type: "Ready", status: "True" }] },
  });
  const nodeSelector = { "kubernetes.io/hostname": "n2" };
  const spec = { nodeSelector, terminationGracePeriodSeconds: 0, containers: [{ name: "c", image: "i" }] };
  const template = { metadata: { labels: { app: "agent" } }, spec };
  await api.post(`${apps}/daemonsets`, workload("agent", { template }));
  const placed = (pod: Json): boolean => text(pod, "spec", "nodeName") === "n2";
  await eventually("one", async () => ((await podsOf("agent")).some(placed) ? true : undefined));
  const before = uids(await podsOf("agent"));
  const taint = (effect: string): Promise<unknown> =>
    api.patch("/api/v1/nodes/n2", { spec: { taints: [{ key: "mine", effect }] } });
  const wanted = (count: number): Promise<JsonObject> =>
    until("daemonsets/agent", `${count}`, (it) => number(it, "status", "desiredNumberScheduled") === count);
  await wanted(1);
  await taint("NoSchedule");
  const told = await wanted(0);
  assert.equal(number(told, "status", "numberMisscheduled"), 1);
  assert.deepEqual(uids(await podsOf("agent")), before);
  await taint("NoExecute");
  await eventually("none", async () => ((await podsOf("agent")).length === 0 ? true : undefined));
  await api.patch("/api/v1/nodes/n2", { spec: { taints: [] } }, "application/merge-patch+json");
  await wanted(1);
  await api.delete("/api/v1/nodes/n2");
  await wanted(0);
  await api.delete(`${apps}/daemonsets/agent`);
});

test("what goes with one owner in the foreground stays with another", async () => {
  const path = "/api/v1/namespaces/default/configmaps";
  const references = await Promise.all(
    ["one", "other"].map(async (name): Promise<Json> => {
      const { body } = await api.post(path, { metadata: { name } });
      return { apiVersion: "v1", kind: "ConfigMap", name, uid: uidOf(body), blockOwnerDeletion: true };
    }),
  );
  await api.post(path, { metadata: { name: "shared", ownerReferences: references } });
  await api.delete(`${path}/one`, { propagationPolicy: "Foreground" });
  await eventually("one is gone", async () => ((await api.get(`${path}/one`)).code === 404 ? true : undefined));
  const { code, body } = await api.get(`${path}/shared`);
  assert.deepEqual([code, labelsOf(body)], [200, {}]);
  assert.deepEqual(list(body, "metadata", "ownerReferences"), references.slice(1));
});
