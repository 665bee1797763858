// By which wire the API server really asks for a stream, from the program's audit lines: WebSockets go through to a node that
// declares the feature where the API server knows it, older clients and older API servers come by SPDY.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { kubectlClients, runKubectl, startKubectl } from "./kubectl.ts";
import { clientCertificate } from "./kubelet-caller.ts";

let harness: Harness;
let program: ManagedProcess;
/** The API server passes WebSockets on: from 1.36 on, by default. */
let passesWebSockets: boolean;
const clients = await kubectlClients();

before(async () => {
  harness = await startHarness();
  passesWebSockets = Number(harness.cluster.version.split(".")[1]) >= 36;
  program = await harness.program(["--nodename", "vk", "--provider", "mock", "--log-format", "json"]);
  await harness.nodeIsReady("vk", program);
  await harness.client.create(pods, podObject("web", { container: { command: ["cat"], stdin: true } }));
  await harness.untilPod("runs", "web", 20_000, isRunning);
});
after(() => harness?.[Symbol.asyncDispose]());

interface Line {
  readonly audit?: boolean;
  readonly message?: string;
  readonly action?: string;
  readonly protocol?: string;
  readonly user?: string;
  readonly pod?: string;
  readonly forwardedFor?: string;
}

/** The audit lines of what has begun, in order. */
async function begun(): Promise<readonly Line[]> {
  const lines = (await program.logTail(10_000_000)).split("\n").filter((line) => /^\{.*\}$/.test(line));
  return lines
    .map((line): Line => JSON.parse(line))
    .filter(({ audit, message }) => audit && message?.endsWith(" begins"));
}

/** The audit line that this adds. */
async function lineOf(stream: () => Promise<unknown>): Promise<Line> {
  const before = (await begun()).length;
  await stream();
  return await eventually("an audit line", 10_000, async () => (await begun())[before]);
}

describe("streams from the API server", { timeout: 900_000 }, () => {
  it("the node declares that it takes WebSockets, where the API has a place for it", async () => {
    const { status } = await harness.client.get(nodes, { name: "vk" });
    assert.deepEqual(status?.declaredFeatures, passesWebSockets ? ["ExtendWebSocketsToKubelet"] : undefined);
  });

  for (const client of clients)
    it(`of ${client.name}`, async () => {
      const isWebSocket = client.name.endsWith("WebSocket");
      const wire = passesWebSockets && isWebSocket ? "WebSocket" : "SPDY/3.1";
      // An API server that translates commands says nothing of its client.
      const translates = isWebSocket && !passesWebSockets;
      const exec = await lineOf(async () => {
        const { stdout, stderr } = await runKubectl(harness, client, ["exec", "web", "--", "echo", "hello"]);
        assert.equal(stdout.toString(), "hello\n", stderr);
      });
      const attach = await lineOf(async () => {
        const { stdout, stderr } = await runKubectl(harness, client, ["attach", "-i", "web"], "typed\n");
        assert.equal(stdout.toString(), "typed\n", stderr);
      });
      const forward = await lineOf(async () => {
        await using forwarding = startKubectl(harness, client, "port-forward", "web", ":8080");
        await forwarding.says(/Forwarding from 127\.0\.0\.1:\d+/);
        const socket = connect(Number(/127\.0\.0\.1:(\d+)/.exec(forwarding.stdout)?.[1]), "127.0.0.1");
        socket.write("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
        const [answer] = await once(socket, "data");
        assert.match(String(answer), /^HTTP\/1\.1 200 /);
        socket.destroy();
      });
      for (const [line, action] of [
        [exec, "exec"],
        [attach, "attach"],
        [forward, "port-forward"],
      ] as const) {
        assert.deepEqual([line.action, line.protocol], [action, wire]);
        assert.deepEqual([line.user, line.pod], ["kube-apiserver-kubelet-client", "web"]);
        const isTranslated = translates && action !== "port-forward";
        assert.equal(line.forwardedFor, isTranslated ? undefined : "127.0.0.1");
      }
    });

  for (const protocol of ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io", "v4.base64.channel.k8s.io"])
    it(`of a WebSocket client that speaks ${protocol}`, async () => {
      let said = "";
      const line = await lineOf(async () => {
        const { cert, key } = await clientCertificate(harness, "somebody", ["system:masters"]);
        const url = `${harness.cluster.server}/api/v1/namespaces/default/pods/web/exec?command=echo&command=hello&stdout=true`;
        const socket = new WebSocket(url, [protocol], { cert, key, rejectUnauthorized: false });
        socket.on("message", (data, isBinary) => {
          const text = String(data);
          if (text.charCodeAt(0) === 1) said += text.slice(1);
          else if (!isBinary && text.startsWith("1")) said += Buffer.from(text.slice(1), "base64").toString();
        });
        const [code] = await once(socket, "close");
        assert.deepEqual([code, socket.protocol, said], [1000, protocol, "hello\n"]);
      });
      // The newest protocol is translated by an API server that passes none on; the older ones have always gone through.
      const wire = passesWebSockets || protocol !== "v5.channel.k8s.io" ? "WebSocket" : "SPDY/3.1";
      assert.deepEqual([line.action, line.protocol], ["exec", wire]);
    });
});
