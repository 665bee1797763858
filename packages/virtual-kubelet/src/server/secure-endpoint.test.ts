import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { VirtualKubeletError } from "../errors.ts";
import { Changing, FakeNode, type KubeletFixture, startKubelet } from "../testing/kubelet-fixture.ts";
import { createAuthority } from "../testing/pki.ts";
import type { ServingCertificate } from "./certificate-source.ts";

const request = (path: string, user?: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${user === undefined ? "" : `Authorization: Bearer ${user}\r\n`}\r\n`;

/** Sends a request and reads its answer, which must have a Content-Length; the connection stays. */
async function ask(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  let answer = "";
  for await (const [chunk] of onData(socket)) {
    answer += String(chunk);
    const [, head, length] = /^([\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n)/i.exec(answer) ?? [];
    if (head !== undefined && answer.length >= head.length + Number(length)) return answer;
  }
  return answer;
}

async function* onData(socket: TLSSocket): AsyncGenerator<unknown[]> {
  const closed = new Promise<undefined>((resolve) => socket.once("close", () => resolve(undefined)));
  for (;;) {
    const data = new Promise<unknown[]>((resolve) => socket.once("data", (chunk) => resolve([chunk])));
    const next = await Promise.race([data, closed]);
    if (next === undefined) return;
    yield next;
  }
}

test("TLS: nothing older than 1.2, modern suites alone", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const modern = await kubelet.tls();
  assert.equal(modern.getProtocol(), "TLSv1.3");
  modern.destroy();
  const older = await kubelet.tls({ maxVersion: "TLSv1.2" });
  assert.match(older.getCipher().name, /^ECDHE-.*(GCM|POLY1305)/);
  older.destroy();
  await assert.rejects(kubelet.tls({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" }));
  await assert.rejects(kubelet.tls({ maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" }));
  await assert.rejects(kubelet.tls({ maxVersion: "TLSv1.2", ciphers: "AES128-GCM-SHA256" }));
});

test("the serving certificate changes; connections and what cannot be read are left alone", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const before = await kubelet.tls();
  const next = kubelet.ca.issue({ commonName: "next", ipAddresses: ["127.0.0.1"] });
  kubelet.serving.set({ cert: next.certificate, key: next.key });
  const after = await kubelet.tls();
  assert.equal(after.getPeerCertificate().subject.CN, "next");
  assert.match(await ask(before, request("/healthz", "admin")), /^HTTP\/1.1 200 /);
  kubelet.serving.set({ cert: "no certificate", key: "no key" });
  const still = await kubelet.tls();
  assert.equal(still.getPeerCertificate().subject.CN, "next");
  for (const socket of [before, after, still]) socket.destroy();
});

test("there is no certificate yet: the port is bound, handshakes fail, and then they do not", async () => {
  const ca = createAuthority("ca");
  const issued = ca.issue({ commonName: "late", ipAddresses: ["127.0.0.1"] });
  const late = new Changing<ServingCertificate>({ cert: issued.certificate, key: issued.key });
  let there = false;
  const certificate = {
    current: (): ServingCertificate => {
      if (there) return late.current();
      throw new VirtualKubeletError("Unavailable", "nobody has approved it yet");
    },
    subscribe: (changed: () => void): (() => void) => late.subscribe(changed),
    run: async (): Promise<void> => {},
  };
  await using kubelet = await startKubelet([new FakeNode("node-a")], { certificate });
  await assert.rejects(kubelet.tls({ ca: ca.certificate }));
  there = true;
  late.set(late.current());
  (await kubelet.tls({ ca: ca.certificate })).destroy();
});

test("client certificates: of the client CA alone, as it is now", async () => {
  const [first, second] = [createAuthority("first"), createAuthority("second")];
  const clientCA = new Changing(first.certificate);
  await using kubelet = await startKubelet([new FakeNode("node-a")], { clientCA });
  const admin = first.issue({ commonName: "admin", usages: ["client"] });
  const other = second.issue({ commonName: "admin", usages: ["client"] });
  const serverOnly = first.issue({ commonName: "admin", usages: ["server"] });
  const connection = (issued: { certificate: string; key: string }): Promise<TLSSocket> =>
    kubelet.tls({ cert: issued.certificate, key: issued.key });
  const good = await connection(admin);
  const bad = await connection(other);
  const server = await connection(serverOnly);
  assert.match(await ask(good, request("/healthz")), /^HTTP\/1.1 200 /);
  assert.match(await ask(bad, request("/healthz")), /^HTTP\/1.1 401 /);
  assert.match(await ask(server, request("/healthz")), /^HTTP\/1.1 401 /);
  assert.match(await ask(bad, request("/healthz", "admin")), /^HTTP\/1.1 200 /, "a token will do");
  clientCA.set(second.certificate);
  assert.match(await ask(good, request("/healthz")), /^HTTP\/1.1 401 /, "its CA is no longer trusted");
  const now = await connection(other);
  assert.match(await ask(now, request("/healthz")), /^HTTP\/1.1 200 /);
  clientCA.set("no CA");
  assert.match(await ask(now, request("/healthz")), /^HTTP\/1.1 401 /);
  clientCA.set(`${first.certificate}\n${second.certificate}`);
  assert.match(await ask(now, request("/healthz")), /^HTTP\/1.1 200 /);
  for (const socket of [good, bad, server, now]) socket.destroy();
});

test("client certificates over HTTP/2", async () => {
  const authority = createAuthority("clients");
  await using kubelet = await startKubelet([new FakeNode("node-a")], { clientCA: new Changing(authority.certificate) });
  const admin = authority.issue({ commonName: "admin", usages: ["client"] });
  for (const [options, status] of [
    [{ cert: admin.certificate, key: admin.key }, 200],
    [{}, 401],
  ] as const) {
    const session = kubelet.http2(options);
    const stream = session.request({ ":path": "/healthz" });
    const [headers] = await once(stream, "response");
    assert.equal(headers[":status"], status);
    session.destroy();
  }
});

test("nodes with certificates of their own on one port: by server name", async () => {
  const ca = createAuthority("ca");
  const own = (node: string): Changing<ServingCertificate> => {
    const issued = ca.issue({ commonName: node, dnsNames: [node] });
    return new Changing<ServingCertificate>({ cert: issued.certificate, key: issued.key });
  };
  const certificates = new Map(["node-a", "node-b"].map((node) => [node, own(node)]));
  const nodes = [...certificates.keys()].map((name) => new FakeNode(name));
  await using kubelet = await startKubelet(nodes, {
    nodes: nodes.map((node) => ({ node, host: "127.0.0.1", port: 0 })),
    sharedPort: true,
    certificate: (node) => certificates.get(node) ?? own(node),
  });
  for (const servername of ["node-a", "node-b"]) {
    const socket = await kubelet.tls({ ca: ca.certificate, servername });
    assert.equal(socket.getPeerCertificate().subject.CN, servername);
    socket.destroy();
  }
  const renewed = ca.issue({ commonName: "renewed", dnsNames: ["node-b"] });
  certificates.get("node-b")?.set({ cert: renewed.certificate, key: renewed.key });
  const socket = await kubelet.tls({ ca: ca.certificate, servername: "node-b" });
  assert.equal(socket.getPeerCertificate().subject.CN, "renewed");
  socket.destroy();
});

test("without a client CA no client certificate is asked for, whoever signed it", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const mine = kubelet.ca.issue({ commonName: "admin" });
  const socket = await kubelet.tls({ cert: mine.certificate, key: mine.key });
  assert.match(await ask(socket, request("/healthz")), /^HTTP\/1.1 401 /);
  socket.destroy();
});

test("each node has its own port and its own certificate, and knows its own pods", async () => {
  const ca = createAuthority("ca");
  const own = (node: string): Changing<ServingCertificate> => {
    const issued = ca.issue({ commonName: node, ipAddresses: ["127.0.0.1"] });
    return new Changing<ServingCertificate>({ cert: issued.certificate, key: issued.key });
  };
  const certificates = new Map([
    ["node-a", own("node-a")],
    ["node-b", own("node-b")],
  ]);
  const certificate = (node: string): Changing<ServingCertificate> => certificates.get(node) ?? own(node);
  await using kubelet = await startKubelet([new FakeNode("node-a"), new FakeNode("node-b", {}, [])], { certificate });
  for (const [node, items] of [
    ["node-a", 1],
    ["node-b", 0],
  ] as const) {
    const socket = await kubelet.tls({ ca: ca.certificate }, node);
    assert.equal(socket.getPeerCertificate().subject.CN, node);
    const answer = await ask(socket, request("/pods", `only-${node}`));
    assert.equal(JSON.parse(answer.split("\r\n\r\n")[1] ?? "").items.length, items);
    socket.destroy();
  }
});

test("one certificate for many ports", async () => {
  const nodes = ["node-a", "node-b", "node-c"].map((name) => new FakeNode(name));
  await using kubelet = await startKubelet(nodes);
  for (const { name } of nodes) {
    const answer = await kubelet.get("/healthz", `only-${name}`, { port: kubelet.port(name) });
    assert.equal(answer.status, 200);
  }
  assert.equal(new Set(nodes.map(({ name }) => kubelet.port(name))).size, 3);
});

test("an address that is taken: both say so", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const node = new FakeNode("node-b");
  const nodes = [{ node, host: "127.0.0.1", port: kubelet.port() }];
  await assert.rejects(startKubelet([node], { nodes }), /cannot listen on 127\.0\.0\.1, port \d+/);
});

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
    const socket = await send(kubelet);
    socket.on("error", () => undefined);
    socket.resume();
    await Promise.race([
      once(socket, "close"),
      delay(10_000, undefined, { ref: false }).then(() => assert.fail("it is still connected")),
    ]);
  });

test("an HTTP/2 connection without requests is closed, one with a request is not", async () => {
  const done = Promise.withResolvers<void>();
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    limits: quick,
    handlers: {
      containerLogs: async ({ response }) => {
        await done.promise;
        response.end("late");
      },
    },
  });
  const [idle, busy] = [kubelet.http2(), kubelet.http2()];
  const stream = busy.request({ ":path": "/containerLogs/default/web/app", authorization: "Bearer admin" });
  await once(idle, "close");
  await delay(quick.idleTimeoutMs * 2);
  done.resolve();
  let body = "";
  for await (const chunk of stream) body += String(chunk);
  assert.equal(body, "late");
  busy.destroy();
});

test("a handler that takes too long for a short answer is told to stop", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    limits: quick,
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
  await once(socket, "close");
  assert(received < length);
});

for (const protocol of ["HTTP/1.1", "HTTP/2"])
  test(`${protocol}: a log on which nothing moves is ended, one that goes on is not`, async () => {
    await using kubelet = await startKubelet([new FakeNode("node-a")], {
      limits: { streamIdleTimeoutMs: 300 },
      handlers: {
        containerLogs: async ({ response, signal }) => {
          for (let line = 0; line < 10; line++) {
            response.write(".");
            await delay(60);
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
  assert(kubelet.log.lines.some((line) => String(line["message"]).startsWith("too many connections")));
  first.destroy();
  const { kubeletConnections } = kubelet.metrics;
  while (((await kubeletConnections.get()).values[0]?.value ?? 0) > 1) await delay(5);
  (await kubelet.tls({}, "node-b")).destroy();
  second.destroy();
});
