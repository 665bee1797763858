// kubectl port-forward by the real kubectls over both wires: many connections at once, ports nobody listens on, and one that
// is open while its pod is deleted.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { type Client, type Kubectl, kubectlClients, startKubectl } from "./kubectl.ts";

let harness: Harness;
const clients = await kubectlClients();
const ports = [
  { name: "echo", containerPort: 7 },
  { name: "http", containerPort: 8080 },
];

before(async () => {
  harness = await startHarness();
  const kubelet = await harness.program(["--nodename", "vk", "--provider", "mock"]);
  await harness.nodeIsReady("vk", kubelet);
  await harness.client.create(pods, podObject("server", { container: { ports } }));
  await harness.untilPod("runs", "server", 20_000, isRunning);
});
after(() => harness?.[Symbol.asyncDispose]());

/** kubectl picks the local port. */
async function forward(
  client: Client,
  pod: string,
  port: number,
): Promise<{ readonly kubectl: Kubectl; readonly local: number }> {
  const kubectl = startKubectl(harness, client, "port-forward", "--address", "127.0.0.1", `pod/${pod}`, `:${port}`);
  await kubectl.says(/Forwarding from 127\.0\.0\.1:\d+/);
  return { kubectl, local: Number(/127\.0\.0\.1:(\d+)/.exec(kubectl.stdout)?.[1]) };
}

/** Sends, half-closes, and answers all that came back until the other side closed. */
async function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(port, "127.0.0.1");
  const back: Buffer[] = [];
  socket.on("data", (part) => back.push(part));
  const ended = once(socket, "end");
  socket.end(bytes);
  await ended;
  return Buffer.concat(back);
}

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

for (const client of clients)
  describe(client.name, { timeout: 900_000 }, () => {
    it("carries HTTP, and says which port nobody listens on", async () => {
      const http = await forward(client, "server", 8080);
      await using _ = http.kubectl;
      const answer = await fetch(`http://127.0.0.1:${http.local}/hello`);
      assert.equal(answer.status, 200);
      assert.match(await answer.text(), /server/);
      const closed = await forward(client, "server", 4444);
      await using __ = closed.kubectl;
      const socket = await opened(closed.local);
      socket.on("error", () => undefined);
      await once(socket, "close");
      await closed.kubectl.says(/error.*forwarding port 4444/i);
    });

    it("carries 50 connections at once, each with its own bytes", async () => {
      const { kubectl, local } = await forward(client, "server", 7);
      await using _ = kubectl;
      const sent = Array.from({ length: 50 }, (_, index) => randomBytes(10_000 + index * 997));
      const got = await Promise.all(sent.map((bytes) => exchange(local, bytes)));
      for (const [index, bytes] of sent.entries()) assert.ok(got[index]?.equals(bytes), `connection ${index}`);
      const large = randomBytes(20_000_000);
      assert.ok((await exchange(local, large)).equals(large));
    });

    it("ends a connection that is open when its pod is deleted", async () => {
      const name = `leaving-${clients.indexOf(client)}`;
      await harness.client.create(
        pods,
        podObject(name, { container: { ports }, spec: { terminationGracePeriodSeconds: 1 } }),
      );
      await harness.untilPod("runs", name, 20_000, isRunning);
      const { kubectl, local } = await forward(client, name, 7);
      await using _ = kubectl;
      const socket = await opened(local);
      socket.on("error", () => undefined);
      socket.write("hello");
      const [echoed]: unknown[] = await once(socket, "data");
      assert.equal(String(echoed), "hello");
      const closed = once(socket, "close");
      await harness.client.delete(pods, { namespace: "default", name });
      await closed;
      await harness.untilGone(pods, name, 20_000);
    });
  });
