import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer, type Socket } from "node:net";
import { test } from "node:test";
import { systemClock } from "../clock.ts";
import type { HTTPGetAction } from "../kube/types.gen.ts";
import { createAuthority } from "../testing/pki.ts";
import { type Listening, listening } from "../testing/probe-bench.ts";
import { Deadline } from "./probe-deadline.ts";
import { httpProbe } from "./probe-http.ts";
import { httpGetRequest } from "./probe-http-request.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";

const generousMs = 20_000;

async function probe(
  port: number,
  action: Partial<HTTPGetAction> = {},
  options: { readonly ms?: number; readonly signal?: AbortSignal; readonly podIP?: string } = {},
): Promise<ProbeOutcome> {
  const target = { container: { name: "c" }, podIPs: [options.podIP ?? "127.0.0.1"] };
  const request = httpGetRequest({ port, ...action }, target, "kube-probe/1.36");
  using deadline = new Deadline(systemClock, options.ms ?? generousMs, options.signal ?? new AbortController().signal);
  return await httpProbe(request, deadline);
}

const http = (listener: RequestListener): Promise<Listening> => listening(createServer(listener));

/** Answers each connection in bytes of its own. */
const raw = (handle: (socket: Socket) => void): Promise<Listening> => listening(createTcpServer(handle));

test("what is sent", async () => {
  let seen: readonly string[] = [];
  await using server = await http((request, response) => {
    seen = [`${request.method} ${request.url} HTTP/${request.httpVersion}`, ...request.rawHeaders];
    response.end();
  });
  assert.deepEqual(await probe(server.port, { path: "/live?x=1" }), { type: "success" });
  const address = `127.0.0.1:${server.port}`;
  assert.deepEqual(seen, [
    "GET /live?x=1 HTTP/1.1",
    ...["Host", address, "User-Agent", "kube-probe/1.36", "Accept", "*/*", "Connection", "close"],
  ]);
  const httpHeaders = [
    { name: "host", value: "web.example" },
    { name: "X-Ü", value: "no" },
  ];
  assert.deepEqual(await probe(server.port, { httpHeaders }), {
    type: "failure",
    output: `Get "http://${address}/": net/http: invalid header field name "X-Ü"`,
  });
  await probe(server.port, { httpHeaders: httpHeaders.slice(0, 1) });
  assert.deepEqual(seen.slice(1, 3), ["Host", "web.example"]);
});

test("a value with a line end sends nothing at all", async () => {
  await using server = await raw((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
  const httpHeaders = [{ name: "X-A", value: "1\r\nX-B: 2" }];
  const outcome = await probe(server.port, { httpHeaders });
  assert.deepEqual(outcome, {
    type: "failure",
    output: `Get "http://127.0.0.1:${server.port}/": net/http: invalid header field value for "X-A"`,
  });
  assert.equal(server.connections, 0);
});

test("statuses", async () => {
  await using server = await http((request, response) => {
    response.statusCode = Number(request.url?.slice(1));
    response.end("body");
  });
  const warning = "Probe terminated redirects, Response body: body";
  const table: readonly [number, ProbeOutcome][] = [
    [200, { type: "success" }],
    [204, { type: "success" }],
    [299, { type: "success" }],
    // Redirects without a place to go to.
    [300, { type: "warning", output: warning }],
    [302, { type: "warning", output: warning }],
    [399, { type: "warning", output: warning }],
    ...[400, 404, 500, 503, 599].map((status): [number, ProbeOutcome] => [
      status,
      { type: "failure", output: `HTTP probe failed with statuscode: ${status}` },
    ]),
  ];
  for (const [status, outcome] of table)
    assert.deepEqual(await probe(server.port, { path: `/${status}` }), outcome, String(status));
});

test("an answer of another protocol is no success", async () => {
  await using server = await raw((socket) => {
    socket.resume().end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
  });
  const output = "HTTP probe failed with statuscode: 101";
  assert.deepEqual(await probe(server.port), { type: "failure", output });
  await server.idle();
});

test("redirects: followed on the host, across ports, not to others, and not for ever", async () => {
  const paths: string[] = [];
  await using other = await http((request, response) => {
    paths.push(`other${request.url}`);
    response.end();
  });
  await using server = await http((request, response) => {
    paths.push(request.url ?? "");
    const count = Number(/^\/loop\/(\d+)/.exec(request.url ?? "")?.[1]);
    const places: Readonly<Record<string, string>> = {
      "/here": "/there",
      "/port": `http://127.0.0.1:${other.port}/x`,
      "/away": `http://localhost:${other.port}/x`,
      "/broken": "http://[",
    };
    const place = Number.isNaN(count) ? places[request.url ?? ""] : `/loop/${count + 1}`;
    if (place === undefined) response.end();
    else response.writeHead(302, { location: place }).end("elsewhere");
  });
  assert.deepEqual(await probe(server.port, { path: "/here" }), { type: "success" });
  assert.deepEqual(await probe(server.port, { path: "/port" }), { type: "success" });
  assert.deepEqual(await probe(server.port, { path: "/away" }), {
    type: "warning",
    output: "Probe terminated redirects, Response body: elsewhere",
  });
  assert.deepEqual(await probe(server.port, { path: "/broken" }), {
    type: "failure",
    output: `Get "http://127.0.0.1:${server.port}/broken": failed to parse Location header "http://["`,
  });
  assert.deepEqual(paths.splice(0), ["/here", "/there", "/port", "other/x", "/away", "/broken"]);
  assert.deepEqual(await probe(server.port, { path: "/loop/0" }), {
    type: "failure",
    output: `Get "http://127.0.0.1:${server.port}/loop/10": stopped after 10 redirects`,
  });
  assert.equal(paths.length, 10);
  await server.idle();
  await other.idle();
});

test("TLS with whatever certificate", async () => {
  const authority = createAuthority("nobody you know");
  const { certificate, key } = authority.issue({ commonName: "x", dnsNames: ["somewhere.else.example"] });
  await using server = await listening(
    createTlsServer({ cert: certificate, key }, (request, response) => response.end(request.headers.host)),
  );
  assert.deepEqual(await probe(server.port, { scheme: "HTTPS" }), { type: "success" });
  assert.deepEqual(await probe(server.port, { scheme: "HTTPS", host: "localhost" }), { type: "success" });
  await server.idle();
});

test("TLS spoken to a server that has none", async () => {
  await using server = await raw((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
  });
  assert.deepEqual(await probe(server.port, { scheme: "HTTPS" }), {
    type: "failure",
    output: `Get "https://127.0.0.1:${server.port}/": http: server gave HTTP response to HTTPS client`,
  });
});

test("of a body without end its beginning is enough", async () => {
  const chunk = Buffer.alloc(64 * 1024, "x");
  let sent = 0;
  const pour = (socket: Socket): void => {
    while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
    if (!socket.destroyed) socket.once("drain", () => pour(socket));
  };
  await using server = await raw((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      pour(socket);
    });
  });
  assert.deepEqual(await probe(server.port), { type: "success" });
  await server.idle();
  assert.ok(sent < 32 * 1024 * 1024, `sent ${sent}`);
});

test("of a warning's body 10 KiB are told", async () => {
  await using server = await http((_, response) => response.writeHead(300).end("y".repeat(50_000)));
  const output = `Probe terminated redirects, Response body: ${"y".repeat(10 * 1024)}`;
  assert.deepEqual(await probe(server.port), { type: "warning", output });
});

test("servers that do not answer in time", async () => {
  await using silent = await raw((socket) => socket.resume());
  await using slow = await raw((socket) => {
    socket.resume().write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
  });
  assert.deepEqual(await probe(silent.port, {}, { ms: 100 }), {
    type: "failure",
    output: `Get "http://127.0.0.1:${silent.port}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
  });
  assert.deepEqual(await probe(silent.port, { scheme: "HTTPS" }, { ms: 100 }), {
    type: "failure",
    output: `Get "https://127.0.0.1:${silent.port}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
  });
  assert.deepEqual(await probe(slow.port, {}, { ms: 2000 }), {
    type: "error",
    state: "failure",
    message: "context deadline exceeded (Client.Timeout or context cancellation while reading body)",
  });
  await silent.idle();
  await slow.idle();
});

test("servers that are not there, hang up, break off, or speak something else", async () => {
  await using hangsUp = await raw((socket) => socket.once("data", () => socket.end()));
  await using resets = await raw((socket) => socket.once("data", () => socket.resetAndDestroy()));
  await using breaksOff = await raw((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"));
  });
  await using simple = await raw((socket) => socket.once("data", () => socket.end("HTTP/1.0 200 OK\n\nhello")));
  await using talks = await raw((socket) => socket.end("220 mail.example ESMTP\r\n"));
  const { port: nobody } = await closed();
  const get = (port: number): string => `Get "http://127.0.0.1:${port}/": `;
  const table: readonly [number, ProbeOutcome][] = [
    [nobody, { type: "failure", output: `${get(nobody)}dial tcp 127.0.0.1:${nobody}: connect: connection refused` }],
    [hangsUp.port, { type: "failure", output: `${get(hangsUp.port)}EOF` }],
    [
      resets.port,
      { type: "failure", output: `${get(resets.port)}read tcp 127.0.0.1:${resets.port}: connection reset by peer` },
    ],
    [simple.port, { type: "success" }],
    [breaksOff.port, { type: "error", state: "failure", message: "unexpected EOF" }],
    [
      talks.port,
      {
        type: "failure",
        output: `${get(talks.port)}net/http: HTTP/1.x transport connection broken: malformed HTTP response`,
      },
    ],
  ];
  for (const [port, outcome] of table) assert.deepEqual(await probe(port), outcome);
});

test("one that is no longer wanted ends at once", async () => {
  await using server = await raw((socket) => socket.resume());
  const controller = new AbortController();
  const pending = probe(server.port, {}, { signal: controller.signal });
  controller.abort();
  await assert.rejects(pending, { kind: "Aborted" });
  await server.idle();
});

async function closed(): Promise<{ readonly port: number }> {
  await using server = await listening(createTcpServer());
  return { port: server.port };
}
