// No input ends the process, gets past the gate or keeps the server from answering others.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { FakeNode, startKubelet } from "../testing/kubelet-fixture.ts";

const calls: string[] = [];
const node = new FakeNode("node-a", {
  runInContainer: async (_target, command, io) => {
    calls.push(command.join(" "));
    io.stdin?.resume();
    io.stdout?.write("hello");
    return { exitCode: 0 };
  },
  portForward: async (_target, port, connection) => {
    calls.push(`port ${port}`);
    connection.end("hello");
    connection.resume();
  },
});
const kubelet = await startKubelet([node], {
  limits: { headerTimeoutMs: 2000, idleTimeoutMs: 1000, streamCreationTimeoutMs: 500, podEndGraceMs: 10 },
});
after(() => kubelet.stop());

/** Sends all of it, waits for the end or for `ms`, and returns what came back. */
async function exchange(socket: Duplex, pieces: readonly (string | Uint8Array)[], ms = 30): Promise<string> {
  let answer = "";
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    if (answer.length < 100_000) answer += String(chunk);
  });
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await delay(0);
  }
  await Promise.race([closed, delay(ms)]);
  socket.destroy();
  return answer;
}

async function stillAnswers(): Promise<void> {
  assert.equal((await kubelet.get("/healthz", "admin")).body, "ok");
}

const bytes = fc.uint8Array({ maxLength: 200 });

test("random bytes before TLS", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { maxLength: 4 }), async (pieces) => {
      await exchange(connect(kubelet.port(), "127.0.0.1"), pieces, 5);
    }),
    { numRuns: 40 },
  );
  await stillAnswers();
});

test("a handshake that breaks off at any byte", async () => {
  const hello = Buffer.from(`16030100${"c8"}010000c40303${"5a".repeat(32)}00`, "hex");
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: hello.length }), bytes, async (length, rest) => {
      await exchange(connect(kubelet.port(), "127.0.0.1"), [hello.subarray(0, length), rest], 5);
    }),
    { numRuns: 40 },
  );
  await stillAnswers();
});

test("random bytes after TLS, over either HTTP version: nothing but refusals", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom("h2", "http/1.1"), fc.array(bytes, { maxLength: 4 }), async (protocol, pieces) => {
      const preface = protocol === "h2" ? ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] : [];
      const socket = await kubelet.tls({ ALPNProtocols: [protocol] });
      const answer = await exchange(socket, [...preface, ...pieces], 10);
      assert.doesNotMatch(answer, /^HTTP\/1.1 (2|101)/);
    }),
    { numRuns: 60 },
  );
  await stillAnswers();
});

const line = fc.constantFrom(
  "Content-Length: 5",
  "Content-Length: 6",
  "Content-Length: -1",
  "Content-Length: 0",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: identity, chunked",
  "Transfer-Encoding : chunked",
  "Upgrade: SPDY/3.1",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "Upgrade: websocket, SPDY/3.1",
  "Connection: Upgrade",
  "Connection: close",
  "Connection: keep-alive, Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Key: x",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: v4.channel.k8s.io",
  "Sec-WebSocket-Protocol: ,,,",
  "X-Stream-Protocol-Version: v4.channel.k8s.io",
  "X-Stream-Protocol-Version: portforward.k8s.io",
  "Expect: 100-continue",
  "Expect: nothing",
  "Host: a",
  "Host: [::1",
  "X: \u0001",
  "no header",
);
const target = fc.constantFrom(
  "/exec/default/web/app?output=1&input=1&command=sh",
  "/attach/default/web/app?output=1",
  "/portForward/default/web?port=80",
  "/portForward/default/web?port=0",
  "/run/default/web/app?cmd=x",
  "/pods",
  "*",
  "http://elsewhere/pods",
  "/exec/../pods",
  "/%",
);
const method = fc.constantFrom("GET", "POST", "CONNECT", "OPTIONS", "PRI", "get");
const trailer = fc.constantFrom(
  "",
  "0\r\n\r\n",
  "GET /pods HTTP/1.1\r\nHost: x\r\n\r\n",
  "\x80\x03\0\x01\0\0\0\x0a",
  "\x81\xff",
);

test("heads of all kinds: without credentials nobody gets through, however they are put together", async () => {
  await fc.assert(
    fc.asyncProperty(method, target, fc.array(line, { maxLength: 7 }), trailer, async (verb, path, lines, rest) => {
      const before = calls.length;
      const head = `${verb} ${path} HTTP/1.1\r\nHost: x\r\n${lines.map((text) => `${text}\r\n`).join("")}\r\n`;
      const answer = await exchange(await kubelet.tls(), [head, rest], 10);
      assert.doesNotMatch(answer, /^HTTP\/1.1 (?:2\d\d|101) /m);
      assert.equal(calls.length, before);
    }),
    { numRuns: 150 },
  );
  await stillAnswers();
});

test("upgrades of all kinds by who may, broken off at any moment", async () => {
  await fc.assert(
    fc.asyncProperty(
      target,
      fc.array(line, { maxLength: 8 }),
      bytes,
      fc.nat({ max: 15 }),
      async (path, lines, rest, ms) => {
        const always = "Host: x\r\nAuthorization: Bearer admin\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
        const head = `GET ${path} HTTP/1.1\r\n${always}${key}${lines.map((text) => `${text}\r\n`).join("")}\r\n`;
        await exchange(await kubelet.tls(), [head, rest], ms);
      },
    ),
    { numRuns: 100 },
  );
  await stillAnswers();
});

test("SPDY bytes of all kinds by who may, broken off at any moment", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("exec/default/web/app?output=1&command=sh", "portForward/default/web"),
      bytes,
      fc.nat({ max: 15 }),
      async (path, rest, ms) => {
        const protocol = path.startsWith("exec") ? "v4.channel.k8s.io" : "portforward.k8s.io";
        const upgrade = `Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n`;
        const head = `POST /${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n${upgrade}\r\n`;
        const answer = await exchange(await kubelet.tls(), [head, rest], ms);
        assert.match(answer, /^(?:HTTP\/1.1 101 |$)/);
      },
    ),
    { numRuns: 100 },
  );
  await stillAnswers();
});

test("what follows a refused upgrade is never a request", async () => {
  for (const path of ["/exec/default/web/app?output=1&command=sh", "/exec/default/nowhere/app?output=1"]) {
    const body = "GET /pods HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n";
    const upgrade = `Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: ${body.length}\r\n`;
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n${upgrade}\r\n`;
    const answer = await exchange(await kubelet.tls(), [head, body, body], 20_000);
    assert.match(answer, /^HTTP\/1.1 40[04] /);
    assert.equal(answer.match(/HTTP\/1.1/g)?.length, 1);
    assert.doesNotMatch(answer, /PodList/);
  }
});

test("HTTP/2 streams that are reset at once, by the thousand", async () => {
  const session = kubelet.http2();
  await once(session, "connect");
  for (let count = 0; count < 3000 && !session.destroyed; count++) {
    const stream = session.request({ ":path": "/pods", authorization: "Bearer admin" });
    stream.on("error", () => undefined);
    stream.close(8);
    if (count % 100 === 0) await delay(0);
  }
  await Promise.race([once(session, "close"), delay(500)]);
  session.destroy();
  await stillAnswers();
});

test("connections that vanish while their caller is looked at", async () => {
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const raw = connect(kubelet.port(), "127.0.0.1");
      const socket = await kubelet.tls({ socket: raw });
      socket.on("error", () => undefined);
      const upgrade = index % 2 === 0 ? "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" : "";
      socket.write(
        `GET /exec/default/web/app?output=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n${upgrade}\r\n`,
      );
      if (index % 3 === 0) await delay(1);
      raw.resetAndDestroy();
    }),
  );
  await stillAnswers();
});
