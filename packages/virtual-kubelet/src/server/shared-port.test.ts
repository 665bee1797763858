import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeNode, type KubeletFixture, runningPod, startKubelet } from "../testing/kubelet-fixture.ts";
import { sendText } from "./answers.ts";
import type { KubeletHandler } from "./kubelet-call.ts";

const containerLogs: KubeletHandler = async ({ node, response }) => sendText(response, 200, `logs of ${node.name}`);
const resourceMetrics: KubeletHandler = async ({ node, response }) =>
  sendText(response, 200, `figures of ${node.name}`);

async function start(): Promise<KubeletFixture> {
  const nodes = [new FakeNode("node-a", {}, [runningPod("on-a")]), new FakeNode("node-b", {}, [runningPod("on-b")])];
  const listeners = nodes.map((node) => ({ node, host: "127.0.0.1", port: 0, names: [`${node.name}.example.org`] }));
  return startKubelet(nodes, { nodes: listeners, sharedPort: true, handlers: { containerLogs, resourceMetrics } });
}

test("several nodes on one port", async (t) => {
  await using kubelet = await start();
  assert.equal(kubelet.port("node-a"), kubelet.port("node-b"));
  const cases: readonly [
    name: string,
    path: string,
    user: string | undefined,
    options: { host?: string; serverName?: string },
    expected: string,
  ][] = [
    ["a pod is served by its node", "/containerLogs/default/on-b/app", "admin", {}, "200 logs of node-b"],
    ["who may on that node may", "/containerLogs/default/on-b/app", "only-node-b", {}, "200 logs of node-b"],
    ["who may on another node may not", "/containerLogs/default/on-b/app", "only-node-a", {}, "403 Forbidden"],
    [
      "and learns nothing of what is not there",
      "/containerLogs/default/nowhere/app",
      "only-node-a",
      {},
      "403 Forbidden",
    ],
    ["who may everywhere learns it", "/containerLogs/default/nowhere/app", "admin", {}, "404 pod does not exist"],
    ["a node by Host", "/metrics/resource", "only-node-b", { host: "node-b" }, "200 figures of node-b"],
    ["with a port", "/metrics/resource", "only-node-b", { host: "NODE-B:10250" }, "200 figures of node-b"],
    ["by another of its names", "/metrics/resource", "admin", { host: "node-b.example.org." }, "200 figures of node-b"],
    ["by TLS server name", "/metrics/resource", "only-node-b", { serverName: "node-b" }, "200 figures of node-b"],
    [
      "Host before server name",
      "/metrics/resource",
      "admin",
      { host: "node-a", serverName: "node-b" },
      "200 figures of node-a",
    ],
    [
      "a named node wins over the pod's",
      "/containerLogs/default/on-b/app",
      "admin",
      { host: "node-a" },
      "200 logs of node-a",
    ],
    ["and its access counts", "/containerLogs/default/on-b/app", "only-node-b", { host: "node-a" }, "403 Forbidden"],
    ["nothing says which", "/metrics/resource", "admin", {}, "421 this address serves several nodes"],
    ["no node of ours", "/metrics/resource", "admin", { host: "node-c" }, "421 this address"],
    ["whoever it is", "/pods", "eve", {}, "421 this address"],
    ["but known", "/pods", undefined, {}, "401 Unauthorized"],
  ];
  for (const [name, path, user, { host = "127.0.0.1", serverName }, expected] of cases)
    await t.test(name, async () => {
      const answer = await kubelet.get(path, user, {
        headers: { Host: host },
        // Else it would be the Host header's.
        servername: serverName ?? "",
        checkServerIdentity: () => undefined,
      });
      const text = `${answer.status} ${answer.body}`;
      assert(text.startsWith(expected), `${text} instead of ${expected}`);
    });
});

test("without the option one address twice is an error", async () => {
  const nodes = [new FakeNode("node-a"), new FakeNode("node-b")];
  const listeners = nodes.map((node) => ({ node, host: "127.0.0.1", port: 10250 }));
  await assert.rejects(
    startKubelet(nodes, { nodes: listeners }),
    /^VirtualKubeletError: nodes node-a and node-b listen on one address$/,
  );
});
