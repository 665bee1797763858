import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type JsonObject, list, object, text } from "../json.ts";
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

test("the pods of a StatefulSet claim volumes, and wait for them as nobody brings any", async () => {
  const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  const spec = {
    selector: { matchLabels: { app: "claims" } },
    template: { metadata: { labels: { app: "claims" } }, spec: { containers: [{ name: "c", image: "i" }] } },
    volumeClaimTemplates: [{ metadata: { name: "data" }, spec: claim }],
  };
  assert.equal((await api.post(`${apps}/statefulsets`, { metadata: { name: "claims" }, spec })).code, 201);
  const condition = await eventually("unschedulable", async () => {
    const { body } = await api.get(`${podsPath}/claims-0`);
    return list(body, "status", "conditions").find((each) => text(each, "reason") === "Unschedulable");
  });
  assert.match(
    text(condition, "message"),
    /^0\/1 nodes are available: pod has unbound immediate PersistentVolumeClaims\.$/,
  );
  const claimPath = "/api/v1/namespaces/default/persistentvolumeclaims/data-claims-0";
  const { body } = await api.get(claimPath);
  assert.equal(text(body, "status", "phase"), "Pending");
  assert.deepEqual(object(body, "metadata", "labels"), { app: "claims" });
  const other = await api.patch(`${apps}/statefulsets/claims`, { spec: { volumeClaimTemplates: null } });
  assert.equal(other.code, 422);
  await api.patch(claimPath, { spec: { volumeName: "by-hand" } });
  await eventually("bound by hand, it runs", async () => {
    const { body: pod } = await api.get(`${podsPath}/claims-0`);
    return text(pod, "status", "phase") === "Running" ? true : undefined;
  });
  const scaled = (whenScaled: string, replicas: number): JsonObject => ({
    spec: { replicas, persistentVolumeClaimRetentionPolicy: { whenScaled } },
  });
  await api.patch(`${apps}/statefulsets/claims`, scaled("Retain", 0));
  await eventually("no pods", async () => ((await api.get(`${podsPath}/claims-0`)).code === 404 ? true : undefined));
  assert.equal((await api.get(claimPath)).code, 200, "claims outlive their pods");
  await api.patch(`${apps}/statefulsets/claims`, scaled("Delete", 0));
  await eventually("gone", async () => ((await api.get(claimPath)).code === 404 ? true : undefined));
  await api.delete(`${apps}/statefulsets/claims`);
});

test("a claim that is deleted stays as long as a pod uses it", async () => {
  const claims = "/api/v1/namespaces/default/persistentvolumeclaims";
  const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  await api.post(claims, { metadata: { name: "used" }, spec });
  const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "used" } }];
  const pod = { nodeName: "n1", containers: [{ name: "c", image: "i" }], volumes };
  await api.post(podsPath, { metadata: { name: "user" }, spec: pod });
  const { body } = await api.delete(`${claims}/used`);
  assert.notEqual(text(body, "metadata", "deletionTimestamp"), "");
  await eventually("the pod runs", async () => {
    const { body: seen } = await api.get(`${podsPath}/user`);
    return text(seen, "status", "phase") === "Running" ? true : undefined;
  });
  assert.equal((await api.get(`${claims}/used`)).code, 200);
  await api.delete(`${podsPath}/user`);
  await eventually("gone", async () => ((await api.get(`${claims}/used`)).code === 404 ? true : undefined));
});
