import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type Socket } from "node:net";
import { test } from "node:test";
import { systemClock } from "../clock.ts";
import { type Listening, listening } from "../testing/probe-bench.ts";
import { Deadline } from "./probe-deadline.ts";
import { grpcProbe } from "./probe-grpc.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";

async function probe(
  port: number,
  options: {
    readonly service?: string;
    readonly ms?: number;
    readonly signal?: AbortSignal;
    readonly host?: string;
  } = {},
): Promise<ProbeOutcome> {
  const { host = "127.0.0.1", ms = 20_000, service = "", signal = new AbortController().signal } = options;
  using deadline = new Deadline(systemClock, ms, signal);
  return await grpcProbe({ host, port, service, userAgent: "kube-probe/1.36", timeoutMs: ms }, deadline);
}

type Handle = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer) => void;

/** A server in HTTP/2; `handle` is called once the request is complete. */
function grpc(handle: Handle, host?: string): Promise<Listening> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("end", () => handle(stream, headers, Buffer.concat(parts)));
  });
  return listening(server, host);
}

const grpcHeaders = { ":status": 200, "content-type": "application/grpc" };

function answer(stream: ServerHttp2Stream, message: readonly number[], trailers: Record<string, string>): void {
  stream.respond(grpcHeaders, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(Buffer.from([0, 0, 0, 0, message.length, ...message]));
}

const failure = (output: string): ProbeOutcome => ({ type: "failure", output });

test("what is sent", async () => {
  let seen: readonly unknown[] = [];
  await using server = await grpc((stream, headers, body) => {
    const names = [":method", ":scheme", ":authority", ":path", "content-type", "te", "user-agent", "grpc-timeout"];
    seen = [...names.map((name) => headers[name]), body.toString("latin1")];
    answer(stream, [8, 1], { "grpc-status": "0" });
  });
  assert.deepEqual(await probe(server.port, { service: "live" }), { type: "success" });
  assert.deepEqual(seen, [
    ...["POST", "http", `127.0.0.1:${server.port}`, "/grpc.health.v1.Health/Check"],
    ...["application/grpc", "trailers", "kube-probe/1.36", "20000m", "\0\0\0\0\x06\n\x04live"],
  ]);
  await server.idle();
});

test("answers", async () => {
  let handle: Handle = () => {};
  await using server = await grpc((...call) => handle(...call));
  const rpc = (code: string, desc: string): string =>
    `error: health rpc probe failed: rpc error: code = ${code} desc = ${desc}`;
  const unimplemented = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ";
  const ok = { "grpc-status": "0" };
  const table: readonly [string, Handle, ProbeOutcome][] = [
    ["serving", (stream) => answer(stream, [8, 1], ok), { type: "success" }],
    ["not", (stream) => answer(stream, [8, 2], ok), failure('service unhealthy (responded with "NOT_SERVING")')],
    ["unknown", (stream) => answer(stream, [], ok), failure('service unhealthy (responded with "UNKNOWN")')],
    [
      "error with trailers alone",
      (stream) => {
        stream.respond({ ...grpcHeaders, "grpc-status": "5", "grpc-message": "unknown service" }, { endStream: true });
      },
      failure(rpc("NotFound", "unknown service")),
    ],
    [
      "unimplemented",
      (stream) => {
        stream.respond({ ...grpcHeaders, "grpc-status": "12", "grpc-message": "no%20such" }, { endStream: true });
      },
      failure(`${unimplemented}no such`),
    ],
    [
      "its own time-out",
      (stream) => answer(stream, [], { "grpc-status": "4" }),
      failure("timeout: health rpc did not complete within 20s"),
    ],
    [
      "not found by a web server",
      (stream) => {
        stream.respond({ ":status": 404, "content-type": "text/html" });
        stream.end("<p>no</p>");
      },
      failure(
        `${unimplemented}unexpected HTTP status code received from server: 404; transport: received unexpected content-type "text/html"`,
      ),
    ],
    [
      "a web page",
      (stream) => {
        stream.respond({ ":status": 200, "content-type": "text/html" });
        stream.end("SERVING");
      },
      failure(rpc("Unknown", 'transport: received unexpected content-type "text/html"')),
    ],
    [
      "no trailers",
      (stream) => {
        stream.respond(grpcHeaders);
        stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
      },
      failure(rpc("Internal", "server closed the stream without sending trailers")),
    ],
    [
      "no message",
      (stream) => {
        stream.respond(grpcHeaders, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers(ok));
        stream.end(Buffer.from([0, 0, 0, 0, 9, 8, 1]));
      },
      failure(rpc("Internal", "malformed health check response")),
    ],
    [
      "far too much",
      (stream) => {
        stream.respond(grpcHeaders);
        stream.end(Buffer.alloc(100_000));
      },
      failure(rpc("ResourceExhausted", "received message larger than max (10240)")),
    ],
  ];
  for (const [name, behaviour, outcome] of table) {
    handle = behaviour;
    assert.deepEqual(await probe(server.port), outcome, name);
  }
  for (const end of [
    (stream: ServerHttp2Stream) => stream.close(2),
    (stream: ServerHttp2Stream) => stream.session?.destroy(),
  ]) {
    handle = end;
    const outcome = await probe(server.port);
    assert.match(
      outcome.type === "failure" ? outcome.output : "",
      /^error: health rpc probe failed: rpc error: code = Unavailable/,
    );
  }
  await server.idle();
});

test("IPv6", async () => {
  let authority: unknown;
  await using server = await grpc((stream, headers) => {
    authority = headers[":authority"];
    answer(stream, [8, 1], { "grpc-status": "0" });
  }, "::1");
  assert.deepEqual(await probe(server.port, { host: "::1" }), { type: "success" });
  assert.equal(authority, `[::1]:${server.port}`);
});

test("time-outs: before the connection is one, and after", async () => {
  await using silent = await listening(createTcpServer((socket: Socket) => void socket.resume()));
  await using slow = await grpc(() => {});
  assert.deepEqual(
    await probe(silent.port, { ms: 100 }),
    failure(`timeout: failed to connect service "127.0.0.1:${silent.port}" within 100ms: context deadline exceeded`),
  );
  assert.deepEqual(await probe(slow.port, { ms: 2000 }), failure("timeout: health rpc did not complete within 2s"));
  await silent.idle();
  await slow.idle();
});

test("nobody there, or somebody else", async () => {
  await using web = await listening(createHttpServer((_, response) => response.end("hello")));
  await using hangsUp = await listening(createTcpServer((socket) => socket.end()));
  const at = (port: number): string => `error: failed to connect service at "127.0.0.1:${port}": `;
  const closed = await listening(createTcpServer());
  await closed[Symbol.asyncDispose]();
  assert.deepEqual(
    await probe(closed.port),
    failure(`${at(closed.port)}dial tcp 127.0.0.1:${closed.port}: connect: connection refused`),
  );
  for (const server of [web, hangsUp]) {
    const outcome = await probe(server.port);
    const output = outcome.type === "failure" ? outcome.output : "";
    assert.ok(output.startsWith(at(server.port)) && output.length > at(server.port).length, output);
  }
  await web.idle();
});

test("one that is no longer wanted ends at once", async () => {
  await using slow = await grpc(() => {});
  for (const waitMs of [0, 100]) {
    const controller = new AbortController();
    const pending = probe(slow.port, { signal: controller.signal });
    systemClock.schedule(waitMs, () => controller.abort());
    await assert.rejects(pending, { kind: "Aborted" });
    await slow.idle();
  }
});
