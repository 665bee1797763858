import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startDevCluster } from "../dev-cluster.ts";
import { type JsonObject, text } from "../json.ts";
import { ApiCaller, eventually } from "../testing/api-caller.ts";
import { runNode } from "../testing/node.ts";

const template = (app: string, spec: JsonObject = {}): JsonObject => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: "c", image: "i" }], ...spec },
});
const once = { template: template("once", { restartPolicy: "Never" }) };
const selected = (app: string): JsonObject => ({ selector: { matchLabels: { app } }, template: template(app) });
const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };

const objects: readonly (readonly [path: string, name: string, spec: JsonObject])[] = [
  ["/apis/apps/v1/namespaces/default/deployments", "web", { replicas: 2, ...selected("web") }],
  ["/apis/apps/v1/namespaces/default/statefulsets", "db", { replicas: 2, serviceName: "db", ...selected("db") }],
  ["/apis/apps/v1/namespaces/default/daemonsets", "agent", selected("agent")],
  ["/apis/batch/v1/namespaces/default/jobs", "once", once],
  ["/apis/batch/v1/namespaces/default/cronjobs", "yearly", { schedule: "0 0 1 1 *", jobTemplate: { spec: once } }],
  [
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
    "web",
    { minAvailable: 1, ...selected("web"), template: undefined },
  ],
  ["/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", "web", { maxReplicas: 3, scaleTargetRef }],
  ["/api/v1/namespaces/default/services", "web", { selector: { app: "web" }, ports: [{ port: 80 }] }],
];

test("a cluster in which nothing happens comes to rest: no controller writes the same again", async () => {
  await using cluster = await startDevCluster({ nodeMonitorGraceMs: 600_000 });
  const api = new ApiCaller(cluster);
  const stop = new AbortController();
  const running = runNode(new ApiCaller(cluster), "n1", stop.signal);
  const revision = async (): Promise<string> =>
    text((await api.get("/api/v1/configmaps?limit=1")).body, "metadata", "resourceVersion");
  await eventually("its ServiceAccount", async () =>
    (await api.get("/api/v1/namespaces/default/serviceaccounts/default")).code === 200 ? true : undefined,
  );
  for (const [path, name, spec] of objects)
    assert.equal((await api.post(path, { metadata: { name }, spec })).code, 201, path);
  await eventually("a second without a write", async () => {
    const before = await revision();
    await sleep(1_000);
    return (await revision()) === before ? true : undefined;
  });
  stop.abort();
  await running;
});
