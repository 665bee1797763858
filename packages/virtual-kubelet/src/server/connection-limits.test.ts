import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { FakeNode, type KubeletFixture, startKubelet } from "../testing/kubelet-fixture.ts";
import { ask, request } from "../testing/raw-http.ts";

const quick = { headerTimeoutMs: 300, idleTimeoutMs: 300, requestTimeoutMs: 300 };
const slow: readonly [name: string, send: (kubelet: KubeletFixture) => Promise<NodeJS.ReadableStream>][] = [
  ["nothing at all", async (kubelet) => connect(kubelet.port(), "127.0.0.1")],
  [
    "half a handshake",
    async (kubelet) => {
      const socket = connect(kubelet.port(), "127.0.0.1");
      socket.write(Buffer.from([22, 3, 1, 0, 200, 1, 0]));
      return socket;
    },
  ],
  ["no request", (kubelet) => kubelet.tls()],
  [
    "half a head, byte by byte",
    async (kubelet) => {
      const socket = await kubelet.tls();
      socket.write("GET / HTTP/1.1\r\nX: ");
      const timer = setInterval(() => socket.write("y"), 20);
      socket.once("close", () => clearInterval(timer));
      return socket;
    },
  ],
  [
    "half a body",
    async (kubelet) => {
      const socket = await kubelet.tls();
      socket.write("POST /stats/summary HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
      return socket;
    },
  ],
  ["no HTTP/2 at all after it was agreed upon", (kubelet) => kubelet.tls({ ALPNProtocols: ["h2"] })],
];
for (const [name, send] of slow)
  test(`a client that sends ${name} is not waited for`, async () => {
    await using kubelet = await startKubelet([new FakeNode("node-a")], { limits: quick });
    // On a busy machine the handshake alone may take too long.
    const socket = await send(kubelet).catch(() => undefined);
    if (socket === undefined) return;
    socket.on("error", () => undefined);
    socket.resume();
    await Promise.race([
      // An error on the way is no fault: what is sent meets a connection that is closed.
      new Promise((resolve) => socket.once("close", resolve)),
      delay(60_000, undefined, { ref: false }).then(() => assert.fail("it is still connected")),
    ]);
  });

test("an HTTP/2 connection without requests is closed, one with a request is not", async () => {
  const [begun, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  // Long enough for a busy machine to send the request in time.
  const patient = { headerTimeoutMs: 60_000, idleTimeoutMs: 4000, requestTimeoutMs: 4000 };
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    limits: patient,
    handlers: {
      containerLogs: async ({ response }) => {
        begun.resolve();
        await done.promise;
        response.end("late");
      },
    },
  });
  const busy = kubelet.http2();
  const stream = busy.request({ ":path": "/containerLogs/default/web/app", authorization: "Bearer admin" });
  await begun.promise;
  // Later, and closed: by then nothing has come on the other one for longer.
  await once(kubelet.http2(), "close");
  done.resolve();
  let body = "";
  for await (const chunk of stream) body += String(chunk);
  assert.equal(body, "late");
  busy.destroy();
});

test("a handler that takes too long for a short answer is told to stop", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    limits: { requestTimeoutMs: quick.requestTimeoutMs },
    handlers: {
      statsSummary: async ({ signal }) => {
        await once(signal, "abort");
        signal.throwIfAborted();
      },
    },
  });
  assert.equal((await kubelet.get("/stats/summary", "admin")).status, 503);
});

test("an answer that nobody reads is not kept for ever", async () => {
  const length = 20_000_000;
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    limits: { ...quick, headerTimeoutMs: 5000 },
    handlers: { statsSummary: async ({ response }) => void response.end("x".repeat(length)) },
  });
  const socket = await kubelet.tls();
  socket.on("error", () => undefined);
  socket.write(request("/stats/summary", "admin"));
  const { kubeletConnections } = kubelet.metrics;
  while (((await kubeletConnections.get()).values[0]?.value ?? 0) > 0) await delay(20);
  let received = 0;
  socket.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  await new Promise((resolve) => socket.once("close", resolve));
  assert(received < length);
});

for (const protocol of ["HTTP/1.1", "HTTP/2"])
  test(`${protocol}: a log on which nothing moves is ended, one that goes on is not`, async () => {
    await using kubelet = await startKubelet([new FakeNode("node-a")], {
      // Lines come much faster than that, and for longer.
      limits: { streamIdleTimeoutMs: 1200 },
      handlers: {
        containerLogs: async ({ response, signal }) => {
          for (let line = 0; line < 10; line++) {
            response.write(".");
            await delay(150);
          }
          await once(signal, "abort");
          signal.throwIfAborted();
        },
      },
    });
    let body = "";
    const session = kubelet.http2();
    const path = "/containerLogs/default/web/app?follow=true";
    const stream =
      protocol === "HTTP/2"
        ? session.request({ ":path": path, authorization: "Bearer admin" })
        : await kubelet.tls().then((socket) => {
            socket.write(request(path, "admin"));
            return socket;
          });
    stream.on("error", () => undefined);
    stream.on("data", (chunk) => {
      body += String(chunk);
    });
    await once(stream, "close").catch(() => undefined);
    assert.equal(body.match(/\./g)?.length, protocol === "HTTP/2" ? 10 : 11, "the dot of HTTP/1.1 among them");
    session.destroy();
  });

test("a body that nobody needs and is too long: 413, and the connection ends", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const socket = await kubelet.tls();
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const answer = ask(
    socket,
    request("/nowhere", "admin").replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 10000000\r\n\r\n"),
  );
  const chunk = Buffer.alloc(64 * 1024);
  for (let sent = 0; sent < 10_000_000 && !socket.destroyed; sent += chunk.length) {
    socket.write(chunk);
    await delay(1);
  }
  assert.match(await answer, /^HTTP\/1.1 (413|404) /);
  await closed;
});

test("a head that is too long: 431", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const answer = await kubelet.get("/healthz", "admin", { headers: { "X-Long": "y".repeat(40_000) } });
  assert.equal(answer.status, 431);
  assert.equal((await kubelet.get("/healthz", "admin", { headers: { "X-Long": "y".repeat(20_000) } })).status, 200);
});

test("too many connections: one more is refused and counted, until another ends", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a"), new FakeNode("node-b")], {
    limits: { connections: 2 },
  });
  const first = await kubelet.tls();
  const second = await kubelet.tls({}, "node-b");
  await assert.rejects(kubelet.tls());
  await assert.rejects(kubelet.tls({}, "node-b"));
  const { values } = await kubelet.metrics.kubeletConnectionsRefused.get();
  assert.equal(values[0]?.value, 2);
  assert(kubelet.log.flat.some((line) => String(line["message"]).startsWith("too many connections")));
  first.destroy();
  const { kubeletConnections } = kubelet.metrics;
  while (((await kubeletConnections.get()).values[0]?.value ?? 0) > 1) await delay(5);
  (await kubelet.tls({}, "node-b")).destroy();
  second.destroy();
});
