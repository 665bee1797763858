import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "./api.ts";
import { type JsonObject, list, text } from "./json.ts";
import { ResourceMetrics, seriesOf } from "./resource-metrics.ts";
import { finderOf, routeOf } from "./route.ts";
import { Store } from "./store.ts";

const said = (seconds: number): string => `# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total ${seconds} 1000
node_memory_working_set_bytes 2048 1000
container_cpu_usage_seconds_total{pod="p",namespace="n",container="c"} ${seconds / 2} 1000
container_memory_working_set_bytes{container="c",namespace="n",pod="p"} 1024 1000
`;

test("series are known by their labels in any order", () => {
  assert.equal(seriesOf(said(4)).get('container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"}'), 2);
  assert.equal(seriesOf(said(4)).get("node_memory_working_set_bytes"), 2048);
});

test("usage is the rate between two readings", async () => {
  let time = 0;
  const store = new Store();
  const api = new Api({ store, now: () => time });
  store.write("nodes", { metadata: { name: "n1" } });
  store.write("nodes", { metadata: { name: "silent" } });
  store.write("pods", {
    metadata: { name: "p", namespace: "n" },
    spec: { nodeName: "n1", containers: [{ name: "c" }] },
  });
  const readings = [1, 3, 3];
  const metrics = new ResourceMetrics(api, async (node) => {
    if (node === "silent") throw new Error("refused");
    time += 10_000;
    return said(readings.shift() ?? 0);
  });
  const ask = (path: string): Promise<JsonObject> => {
    const route = routeOf("GET", path, finderOf(api.resources));
    assert.ok(route.resource);
    const user = { name: "u", groups: [] };
    const rest = { accept: "", contentType: "", body: Buffer.alloc(0), warn: () => undefined };
    return metrics.answer({ route, resource: route.resource, user, ...rest });
  };
  const nodes = await ask("/apis/metrics.k8s.io/v1beta1/nodes");
  const [node, ...others] = list(nodes, "items");
  assert.equal(others.length, 0);
  assert.equal(text(node, "usage", "cpu"), "200m");
  assert.equal(text(node, "usage", "memory"), "2Ki");
  assert.equal(text(node, "window"), "10.000s");
  const pod = await ask("/apis/metrics.k8s.io/v1beta1/namespaces/n/pods/p");
  assert.equal(text(list(pod, "containers")[0], "usage", "cpu"), "0");
  const used = await metrics.ofPods([...store.list("pods"), { spec: { nodeName: "silent" } }]);
  assert.deepEqual([...used.values()], [{ cpu: 0, memory: 1024 }]);
  await assert.rejects(ask("/apis/metrics.k8s.io/v1beta1/nodes/silent"), { code: 404 });
});
