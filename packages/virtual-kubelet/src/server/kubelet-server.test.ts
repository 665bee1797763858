import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeNode, runningPod, startKubelet } from "../testing/kubelet-fixture.ts";

test("answers health and pods over HTTP/1.1", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const health = await kubelet.get("/healthz", "admin");
  assert.deepEqual([health.status, health.body], [200, "ok"]);
  const pods = await kubelet.get("/pods", "admin");
  assert.equal(pods.headers["content-type"], "application/json");
  assert.equal(JSON.parse(pods.body).items[0].metadata.name, runningPod("web").metadata.name);
  assert.equal((await kubelet.get("/pods")).body, "Unauthorized");
});
