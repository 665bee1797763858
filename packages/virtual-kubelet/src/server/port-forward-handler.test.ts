import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Provider } from "../provider.ts";
import { FakeNode, type KubeletFixture, startKubelet } from "../testing/kubelet-fixture.ts";

interface Forwarded {
  readonly socket: WebSocket;
  send(text: string): void;
  /** Data and errors so far, without the port that each begins with. */
  data(): string;
  error(): string;
  readonly closed: Promise<number>;
}

/** One port over the WebSocket form: channel 0 data, 1 error. */
async function forward(kubelet: KubeletFixture, port: number, uid = ""): Promise<Forwarded> {
  const path = `/portForward/default/web${uid}?port=${port}`;
  const socket = new WebSocket(`wss://127.0.0.1:${kubelet.port()}${path}`, ["v4.channel.k8s.io"], {
    ca: kubelet.ca.certificate,
    headers: { Authorization: "Bearer admin" },
  });
  const contents = [Buffer.alloc(0), Buffer.alloc(0)];
  socket.on("message", (data) => {
    assert(Buffer.isBuffer(data));
    const channel = data[0] ?? 9;
    contents[channel] = Buffer.concat([contents[channel] ?? Buffer.alloc(0), data.subarray(1)]);
  });
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  socket.on("error", () => undefined);
  await once(socket, "open");
  const text = (channel: number): string => (contents[channel] ?? Buffer.alloc(0)).subarray(2).toString();
  return {
    socket,
    closed,
    send: (content) => socket.send(Buffer.from(`\0${content}`)),
    data: () => text(0),
    error: () => text(1),
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await delay(5))
    assert(Date.now() < deadline, `not in time: ${what}`);
}

async function echoServer(): Promise<Server & AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(address !== null && typeof address === "object");
  return Object.assign(server, { port: address.port });
}

const atLoopback: Partial<Provider> = {
  getPodStatus: async (owner) => ({ owner, containers: [], podIPs: ["127.0.0.1"] }),
};

test("without a provider's port-forward, the IP that the backend reports is dialled", async () => {
  await using echo = await echoServer();
  await using kubelet = await startKubelet([new FakeNode("node-a", atLoopback)]);
  const forwarded = await forward(kubelet, echo.port, "/uid-web");
  forwarded.send("hello");
  await until(() => forwarded.data() === "hello", "the echo");
  forwarded.socket.close(1000);
  await until(() => kubelet.log.flat.some((line) => line["message"] === "port-forward ended"), "the audit line");
  const end = kubelet.log.flat.find((line) => line["message"] === "port-forward ended");
  assert.partialDeepStrictEqual(end, {
    audit: true,
    action: "port-forward",
    user: "admin",
    node: "node-a",
    namespace: "default",
    pod: "web",
    uid: "uid-web",
    ports: [echo.port],
  });
  assert.match(String(end?.["outcome"]), /client.* closed.*; 1 connections, 0 failed$/);
});

test("nobody listens: told in a kubelet's words", async () => {
  const closed = await echoServer();
  await closed[Symbol.asyncDispose]();
  await using kubelet = await startKubelet([new FakeNode("node-a", atLoopback)]);
  const forwarded = await forward(kubelet, closed.port);
  await until(() => forwarded.error() !== "", "the error");
  const expected = new RegExp(`^error forwarding port ${closed.port} to pod web, uid : connect ECONNREFUSED`);
  assert.match(forwarded.error(), expected);
  forwarded.socket.close();
});

test("a provider's own port-forward gets the pod, the port and both directions", async () => {
  const asked: unknown[] = [];
  const node = new FakeNode("node-a", {
    portForward: async ({ owner, pod }, port, connection) => {
      asked.push(owner.uid, pod.metadata.name, port);
      if (port === 81) throw new Error("nobody is at home");
      await pipeline(
        connection,
        async function* (chunks) {
          for await (const chunk of chunks) yield String(chunk).toUpperCase();
        },
        connection,
      );
    },
  });
  await using kubelet = await startKubelet([node]);
  const good = await forward(kubelet, 80);
  good.send("abc");
  await until(() => good.data() === "ABC", "the answer");
  const bad = await forward(kubelet, 81);
  await until(() => bad.error() !== "", "the error");
  assert.equal(bad.error(), "error forwarding port 81 to pod web, uid : nobody is at home");
  assert.deepEqual(asked, ["uid-web", "web", 80, "uid-web", "web", 81]);
  good.socket.terminate();
  bad.socket.terminate();
});

test("the client that goes away ends the provider's work", async () => {
  let ended = false;
  const node = new FakeNode("node-a", {
    portForward: async (_target, _port, _connection, { signal }) => {
      await once(signal, "abort");
      ended = true;
    },
  });
  await using kubelet = await startKubelet([node]);
  const forwarded = await forward(kubelet, 80);
  await until(() => kubelet.log.flat.some((line) => line["message"] === "port-forward begins"), "the begin");
  forwarded.socket.terminate();
  await until(() => ended, "the provider's signal");
});

test("a connection left open ends with the pod", async () => {
  await using echo = await echoServer();
  const node = new FakeNode("node-a", atLoopback);
  await using kubelet = await startKubelet([node], { limits: { podEndGraceMs: 10 } });
  const forwarded = await forward(kubelet, echo.port);
  forwarded.send("x");
  await until(() => forwarded.data() === "x", "the echo");
  node.all.clear();
  await forwarded.closed;
  await until(() => kubelet.log.flat.some((line) => line["message"] === "port-forward ended"), "the audit line");
  const end = kubelet.log.flat.find((line) => line["message"] === "port-forward ended");
  assert.match(String(end?.["outcome"]), /^the pod has ended; 1 connections/);
});
