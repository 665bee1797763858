// Two nodes in one process: each on a port of its own, and both on a shared one. Logs and commands by kubectl through the API
// server, and figures for a scraper that may read metrics and nothing else: each node's are its own.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import {
  type Answer,
  type Call,
  callKubelet,
  type Endpoint,
  endpointOf,
  serviceAccountWith,
} from "./kubelet-caller.ts";

let harness: Harness;
let kubeconfig: string;
let scraper: string;
let admin: string;

before(async () => {
  harness = await startHarness();
  await harness.apply(
    await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"),
    ...serviceAccountWith("scraper", [{ resources: ["nodes/metrics"], verbs: ["get"] }]),
    ...serviceAccountWith("admin", "system:kubelet-api-admin"),
  );
  kubeconfig = await harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet");
  scraper = await harness.kubectl("create", "token", "scraper");
  admin = await harness.kubectl("create", "token", "admin");
});
after(() => harness?.[Symbol.asyncDispose]());

/** Two nodes `<name>-a` and `<name>-b` of one program, each with a pod of its name; where each is served. */
async function twoNodes(name: string, ...args: string[]): Promise<{ readonly a: Endpoint; readonly b: Endpoint }> {
  const nodes = [`${name}-a`, `${name}-b`];
  const config = await harness.writeFile(
    "nodes.yaml",
    JSON.stringify({ nodes: nodes.map((node) => ({ name: node })) }),
  );
  const program = await harness.program(["--config", config, "--provider", "mock", ...args], { kubeconfig });
  for (const [index, node] of nodes.entries()) {
    await harness.nodeIsReady(node, program);
    const mock = { cpu: `${index + 1}00m`, memory: `${index + 1}00Mi`, "log-text": `here is ${node}` };
    await harness.client.create(pods, podObject(node, { mock, spec: { nodeName: node } }));
  }
  for (const node of nodes) await harness.untilPod("runs", node, 20_000, isRunning);
  return { a: await endpointOf(harness, `${name}-a`), b: await endpointOf(harness, `${name}-b`) };
}

/** Pods of an exposition with the memory of each. */
function memories(exposition: string): Readonly<Record<string, number>> {
  const line = /^pod_memory_working_set_bytes\{.*pod="([^"]+)".*\} (\S+)/gm;
  return Object.fromEntries([...exposition.matchAll(line)].map(([, pod = "", bytes]) => [pod, Number(bytes)]));
}

const resource = (at: Endpoint, call: Call): Promise<Answer> =>
  callKubelet(at, "/metrics/resource", { token: scraper, ...call });

/** Waits for the figures of this node's pod, and shows that there are no others. */
async function figuresOf(node: string, at: Endpoint, call: Call, mebibytes: number): Promise<void> {
  const found = await eventually(`figures of ${node}`, 20_000, async () => {
    const { status, body } = await resource(at, call);
    assert.equal(status, 200, body);
    const all = memories(body);
    return Object.keys(all).length > 0 && all;
  });
  assert.deepEqual(found, { [node]: mebibytes * 1024 ** 2 });
}

async function logsAndCommands(...nodes: readonly string[]): Promise<void> {
  for (const node of nodes) {
    assert.match(await harness.kubectl("logs", node, "--tail=1"), new RegExp(`here is ${node}|starting main`));
    assert.equal(await harness.kubectl("exec", node, "--", "hostname"), node);
  }
}

describe("two nodes, each on its own port", { timeout: 900_000 }, () => {
  let a: Endpoint;
  let b: Endpoint;
  before(async () => {
    ({ a, b } = await twoNodes("own"));
  });

  it("each serves its pods' logs and commands, and figures of its own to whoever names the port alone", async () => {
    assert.notEqual(a.port, b.port);
    await logsAndCommands("own-a", "own-b");
    await figuresOf("own-a", a, {}, 100);
    await figuresOf("own-b", b, {}, 200);
    // A name in the request changes nothing here.
    await figuresOf("own-a", a, { host: "own-b" }, 100);
  });

  it("a pod of the other node is none of this one's, and its metrics' reader reads no logs", async () => {
    const path = "/containerLogs/default/own-b/main";
    const other = await callKubelet(a, path, { token: admin });
    assert.deepEqual([other.status, other.body], [404, 'pod "own-b" does not exist']);
    assert.equal((await callKubelet(b, path, { token: admin })).status, 200);
    assert.equal((await callKubelet(b, path, { token: scraper })).status, 403);
    assert.equal((await callKubelet(b, "/pods", { token: scraper })).status, 403);
  });
});

describe("two nodes on a shared port", { timeout: 900_000 }, () => {
  let at: Endpoint;
  before(async () => {
    const { a, b } = await twoNodes("shared", "--kubelet-shared-port");
    assert.deepEqual(a, b);
    at = a;
  });

  it("logs and commands find their pod on either", async () => {
    await logsAndCommands("shared-a", "shared-b");
    for (const pod of ["shared-a", "shared-b"]) {
      const { status } = await callKubelet(at, `/containerLogs/default/${pod}/main`, { token: admin });
      assert.equal(status, 200);
    }
  });

  it("figures are those of the node that is named, by the server name or the host", async () => {
    for (const [node, mebibytes] of [
      ["shared-a", 100],
      ["shared-b", 200],
    ] as const) {
      await figuresOf(node, at, { serverName: node }, mebibytes);
      await figuresOf(node, at, { host: node }, mebibytes);
      await figuresOf(node, at, { host: `${node}:${at.port}` }, mebibytes);
      const { body } = await callKubelet(at, "/pods", { token: admin, host: node });
      assert.deepEqual(
        JSON.parse(body).items.map(({ metadata }: { readonly metadata: { readonly name: string } }) => metadata.name),
        [node],
      );
    }
  });

  it("what names neither node nor pod is 421, to those whom it knows", async () => {
    for (const path of ["/metrics/resource", "/stats/summary", "/pods", "/healthz", "/configz"]) {
      for (const call of [{}, { host: "another" }, { serverName: "another" }]) {
        const { status, body } = await callKubelet(at, path, { token: admin, ...call });
        assert.equal(status, 421, `${path}: ${body}`);
        assert.equal(
          body,
          "this address serves several nodes: name the node in the Host header or by TLS server name, or ask for a pod\n",
        );
      }
      assert.equal((await callKubelet(at, path)).status, 401);
    }
    assert.equal((await callKubelet(at, "/containerLogs/default/nobody/main", { token: admin })).status, 404);
    // Who may not ask about all nodes learns nothing of a pod that is on neither.
    assert.equal((await callKubelet(at, "/containerLogs/default/nobody/main", { token: scraper })).status, 403);
  });
});
