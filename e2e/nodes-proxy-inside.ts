// The tests of nodes-proxy.test.ts, run by it in a namespace where the node has an address that is none of the loopback.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { program as runProgram } from "../packages/virtual-kubelet/src/program/program.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { endpointOf } from "./kubelet-caller.ts";
import { nodeAddress } from "./nodes-proxy-address.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
  const address = ["--kubelet-address", nodeAddress, "--node-ip", nodeAddress];
  const budgets = { currency: "EUR", prices: { mock: { pod: 3600 } } };
  const file = await harness.writeFile("priced.json", JSON.stringify({ budgets }));
  const program = await harness.program(["--config", file, "--nodename", "vk", "--provider", "mock", ...address]);
  await harness.nodeIsReady("vk", program);
  await harness.client.create(pods, podObject("web"));
  await harness.untilPod("runs", "web", 20_000, isRunning);
});
after(() => harness?.[Symbol.asyncDispose]());

const proxy = (path: string, node = "vk"): string => `/api/v1/nodes/${node}/proxy${path}`;
const raw = (path: string): Promise<string> => harness.kubectl("get", "--raw", proxy(path));

async function refused(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await harness.cluster.kubectl(...args);
  assert.notEqual(code, 0);
  return stderr;
}

describe("nodes/proxy", { timeout: 900_000 }, () => {
  it("health, by the node's name and by its port", async () => {
    assert.equal(await raw("/healthz"), "ok");
    assert.match(await raw("/healthz?verbose"), /\[\+\]ping ok/);
    const { host, port } = await endpointOf(harness, "vk");
    assert.equal(host, nodeAddress);
    assert.equal(await harness.kubectl("get", "--raw", proxy("/healthz", `vk:${port}`)), "ok");
  });

  it("doctor and why, which go this way", async () => {
    const type = async (...argv: readonly string[]): Promise<string> => {
      let stdout = "";
      const write = (text: string): unknown => (stdout += text);
      const all = [...argv, "--kubeconfig", harness.cluster.kubeconfig];
      const run = (): Promise<void> => Promise.resolve();
      await runProgram({ argv: all, env: {}, cwd: "/", stdout: { write }, stderr: { write }, run });
      return stdout;
    };
    const told = await type("doctor", "--provider=mock", "--nodename=vk", "--node-ip", nodeAddress);
    assert.match(told, /^ok {4}reachability +the API server reaches the kubelet API at /m);
    assert.match(told, /^ok {4}certificate +the serving certificate is for /m);
    await eventually("its own word with figures", 20_000, async () =>
      /its API +Running, ready, 0 restarts, uses cpu \d+m, memory \d+Mi/.test(await type("why", "web")),
    );
    assert.match(
      await type("why", "web"),
      /its cost +about 3600\.00 EUR per hour, [1-9]\S* EUR so far: an estimate by /,
    );
  });

  it("metrics and figures", async () => {
    const figures = /^container_memory_working_set_bytes\{.*pod="web".*\} [1-9]/m;
    await eventually("figures of the pod", 20_000, async () => figures.test(await raw("/metrics/resource")));
    assert.match(await raw("/metrics"), /^kubelet_running_pods 1$/m);
    assert.match(await raw("/metrics/cadvisor"), figures);
    const { node, pods: all } = JSON.parse(await raw("/stats/summary"));
    assert.equal(node.nodeName, "vk");
    assert.deepEqual(
      all.map(({ podRef }: { readonly podRef: { readonly name: string } }) => podRef.name),
      ["web"],
    );
  });

  it("pods, as the API has them and as they run", async () => {
    for (const path of ["/pods", "/runningpods/"]) {
      const list = JSON.parse(await raw(path));
      assert.equal(list.kind, "PodList");
      assert.deepEqual(
        list.items.map(({ metadata }: { readonly metadata: { readonly name: string } }) => metadata.name),
        ["web"],
      );
    }
  });

  it("configuration and flags", async () => {
    const { kubeletconfig } = JSON.parse(await raw("/configz"));
    assert.equal(typeof kubeletconfig, "object");
    assert.notEqual(await raw("/flagz"), "");
    // The role that the API server has asks for none of this.
    assert.match(
      await refused("get", "--raw", proxy("/statusz")),
      /Forbidden \(user=kube-apiserver-kubelet-client, .*statusz/,
    );
  });

  it("logs and commands, by path", async () => {
    assert.match(await raw("/containerLogs/default/web/main?tailLines=1"), /./);
    const run = ["create", "--raw", proxy("/run/default/web/main?cmd=echo%20hello"), "-f", "/dev/null"];
    assert.equal(await harness.kubectl(...run), "hello");
    // And kubectl as ever.
    assert.match(await harness.kubectl("logs", "web", "--tail=1"), /./);
    assert.equal(await harness.kubectl("exec", "web", "--", "hostname"), "web");
  });

  it("refusals come through, with their status and words", async () => {
    assert.match(await refused("get", "--raw", proxy("/nothing")), /could not find the requested resource|not found/);
    const missing = await refused("get", "--raw", proxy("/containerLogs/default/nobody/main"));
    assert.match(missing, /pod "nobody" does not exist|not found|could not find/);
    assert.match(await refused("get", "--raw", proxy("/logs/")), /MethodNotAllowed|does not allow this method/);
  });

  it("what a user may ask for there is what he may ask for of nodes/proxy", async () => {
    const denied = await refused("get", "--raw", proxy("/healthz"), "--as", "somebody");
    assert.match(denied, /nodes "vk" is forbidden: User "somebody" cannot get resource "nodes\/proxy"/);
  });
});
