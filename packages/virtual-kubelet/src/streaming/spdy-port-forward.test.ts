// Port-forward over SPDY as a client sees it: pairs of streams, their ends, and what is refused.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type TestContext, test } from "node:test";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { upgradeToSpdy } from "../testing/spdy-client.ts";
import type { ForwardedConnection, PortForward } from "./port-forward.ts";
import { acceptSpdyPortForward, mostForwardedConnections, roleOf, spdyPortForward } from "./spdy-port-forward.ts";
import { SpdySession } from "./spdy-session.ts";
import type { SpdyStream } from "./spdy-stream.ts";

const limits = { idleTimeoutMs: 0, creationTimeoutMs: 30_000 };

function over(t: TestContext, clock?: FakeClock): { client: SpdySession; forward: PortForward } {
  const [near, far] = duplexPair();
  const forward = spdyPortForward(near, Buffer.alloc(0), limits, clock);
  const client = new SpdySession(far, { idleTimeoutMs: 0, role: "client" });
  t.after(() => client.destroy());
  return { client, forward };
}

function open(client: SpdySession, type: string, port: string, requestId?: string): Promise<SpdyStream> {
  const id = requestId === undefined ? [] : [["requestID", requestId] as const];
  return client.open([["streamType", type], ["port", port], ...id]);
}

/** Whether by an error or not. */
function closing(stream: Duplex): Promise<void> {
  return new Promise((resolve) => stream.once("close", resolve));
}

async function first(forward: PortForward): Promise<ForwardedConnection> {
  for await (const connection of forward.connections) return connection;
  throw new Error("no connection");
}

const roles: readonly (readonly [headers: Readonly<Record<string, string>>, streamId: number, role: unknown])[] = [
  [{ streamtype: "data", port: "80", requestid: "7" }, 9, { type: "data", port: 80, pair: "request 7" }],
  [{ streamtype: "error", port: "65535" }, 3, { type: "error", port: 65535, pair: "stream 3" }],
  [{ streamtype: "data", port: "1" }, 5, { type: "data", port: 1, pair: "stream 3" }],
  [{ streamtype: "stdin", port: "80" }, 1, undefined],
  [{ port: "80" }, 1, undefined],
  [{ streamtype: "data" }, 1, undefined],
  [{ streamtype: "data", port: "0" }, 1, undefined],
  [{ streamtype: "data", port: "65536" }, 1, undefined],
  [{ streamtype: "data", port: "-80" }, 1, undefined],
  [{ streamtype: "data", port: "8e1" }, 1, undefined],
  [{ streamtype: "data", port: "80", requestid: "9".repeat(100) }, 1, undefined],
];

for (const [headers, streamId, role] of roles) {
  test(`stream ${streamId} with ${JSON.stringify(headers).slice(0, 70)} is ${JSON.stringify(role)}`, () => {
    assert.deepEqual(roleOf(new Map(Object.entries(headers)), streamId), role);
  });
}

test("the upgrade is granted for portforward.k8s.io alone", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  const outcomes: unknown[] = [];
  server.on("upgrade", (request, socket, head) => {
    acceptSpdyPortForward(request, socket, head, limits).then(
      (forward) => outcomes.push(forward),
      (error: unknown) => {
        outcomes.push(error);
        socket.end("HTTP/1.1 403 No\r\nConnection: close\r\n\r\n");
      },
    );
  });
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const granted = await upgradeToSpdy(address.port, "/portForward", "portforward.k8s.io");
  assert.equal(granted.status, 101);
  assert.equal(granted.headers["x-stream-protocol-version"], "portforward.k8s.io");
  granted.session?.destroy();
  const refused = await upgradeToSpdy(address.port, "/portForward", "v4.channel.k8s.io");
  assert.equal(refused.status, 403);
  refused.socket.destroy();
});

test("connections carry bytes both ways, with half-closes, and end with an empty error stream", async (t) => {
  const { client, forward } = over(t);
  const error = await open(client, "error", "8080", "0");
  const data = await open(client, "data", "8080", "0");
  error.end();
  const connection = await first(forward);
  assert.equal(connection.port, 8080);
  data.end("hello");
  assert.equal(await text(connection.stream), "hello");
  const answer = text(data);
  connection.stream.end("and back");
  assert.equal(await answer, "and back");
  connection.done();
  assert.equal(await text(error), "");
});

test("pairs are found by request id in any order, and by stream id without one", async (t) => {
  const { client, forward } = over(t);
  for (const [type, port, id] of [
    ["error", "1", "a"],
    ["data", "2", "b"],
    ["data", "1", "a"],
    ["error", "2", "b"],
    ["error", "3", undefined],
    ["data", "3", undefined],
  ] as const) {
    await open(client, type, port, id);
  }
  const ports: number[] = [];
  for await (const { port } of forward.connections) if (ports.push(port) === 3) break;
  assert.deepEqual(ports, [1, 2, 3]);
});

test("a failure is told on the error stream, and the connection is reset", async (t) => {
  const { client, forward } = over(t);
  const error = await open(client, "error", "80", "0");
  const data = await open(client, "data", "80", "0");
  const connection = await first(forward);
  const closed = closing(data);
  connection.fail("nobody listens");
  assert.equal(await text(error), "nobody listens");
  await closed;
  assert.ok(data.errored);
});

test("streams with bad headers, and a second one of a kind, are refused; the rest goes on", async (t) => {
  const { client, forward } = over(t);
  await assert.rejects(open(client, "data", "0", "0"));
  await assert.rejects(open(client, "stdin", "80", "0"));
  await open(client, "error", "80", "0");
  await assert.rejects(open(client, "error", "80", "0"));
  await open(client, "data", "80", "0");
  assert.equal((await first(forward)).port, 80);
});

test("half a pair is reset when its time is up", async (t) => {
  const clock = new FakeClock();
  const { client } = over(t, clock);
  const lonely = await open(client, "error", "80", "0");
  await clock.advance(29_000);
  assert.equal(lonely.destroyed, false);
  const closed = closing(lonely);
  await clock.advance(1000);
  await closed;
  assert.equal(clock.pending, 0);
});

test("no more connections than allowed; an ended one makes room", async (t) => {
  const { client, forward } = over(t);
  const connections: ForwardedConnection[] = [];
  const opened: SpdyStream[] = [];
  const taking = (async () => {
    for await (const connection of forward.connections) connections.push(connection);
  })();
  for (let index = 0; index < mostForwardedConnections; index++) {
    for (const type of ["error", "data"]) opened.push(await open(client, type, "80", String(index)));
  }
  await assert.rejects(open(client, "error", "80", "more"));
  await settle();
  assert.equal(connections.length, mostForwardedConnections);
  connections[0]?.done();
  for (const stream of opened.slice(0, 2)) stream.resume().end();
  await settle(10);
  await open(client, "error", "80", "more");
  await open(client, "data", "80", "more");
  client.destroy();
  await taking;
});

test("fifty connections at a time, each with its own megabyte", async (t) => {
  const { client, forward } = over(t);
  const serving = (async () => {
    for await (const connection of forward.connections) {
      pipeline(connection.stream, connection.stream).then(
        () => connection.done(),
        () => {},
      );
    }
  })();
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const error = await open(client, "error", "80", String(index));
      const data = await open(client, "data", "80", String(index));
      const sent = Buffer.alloc(1024 * 1024, `${index}/`);
      const received = buffer(data);
      data.end(sent);
      assert.ok((await received).equals(sent));
      assert.equal(await text(error), "");
    }),
  );
  await forward.close();
  await serving;
});

test("a client that goes away ends the connections, their streams and the signal", async (t) => {
  const { client, forward } = over(t);
  await open(client, "error", "80", "0");
  await open(client, "data", "80", "0");
  const connection = await first(forward);
  const closed = closing(connection.stream);
  client.destroy();
  await closed;
  assert.ok(forward.signal.aborted);
  for await (const _ of forward.connections) assert.fail("no more");
});
