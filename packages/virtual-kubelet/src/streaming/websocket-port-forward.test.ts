import assert from "node:assert/strict";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { createWebSocketStream, WebSocket } from "ws";
import { type Clock, systemClock } from "../clock.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { eventually } from "../testing/fault-server.ts";
import { startUpgradeServer } from "../testing/upgrade-server.ts";
import { connectWebSocketPeer, heldBack, openWebSocket, type WebSocketPeer } from "../testing/web-socket-peer.ts";
import type { ForwardedConnection, PortForward } from "./port-forward.ts";
import { SpdySession } from "./spdy-session.ts";
import { acceptWebSocketPortForward } from "./websocket-port-forward.ts";

const v4 = ["v4.channel.k8s.io"];
const tunnel = ["SPDY/3.1+portforward.k8s.io"];

interface Options {
  readonly idleTimeoutMs?: number;
  readonly clock?: Clock;
  readonly onConnection?: (connection: ForwardedConnection) => void;
}

async function serve(t: TestContext, options: Options = {}) {
  const forwards: PortForward[] = [];
  const connections: ForwardedConnection[] = [];
  const ended: PortForward[] = [];
  const { idleTimeoutMs = 0, clock = systemClock, onConnection = () => {} } = options;
  const server = await startUpgradeServer(async (request, socket, head) => {
    const { searchParams } = new URL(request.url ?? "/", "http://x");
    const limits = { idleTimeoutMs, creationTimeoutMs: 1000 };
    const forward = await acceptWebSocketPortForward(request, socket, head, searchParams, limits, clock);
    forwards.push(forward);
    for await (const connection of forward.connections) {
      connections.push(connection);
      onConnection(connection);
    }
    ended.push(forward);
  });
  t.after(() => server[Symbol.asyncDispose]());
  return { port: server.port, forwards, connections, ended, failures: server.failures };
}

function echo(connection: ForwardedConnection): void {
  const { stream } = connection;
  stream.pipe(stream);
  stream.on("end", () => connection.done());
}

for (const query of [
  "",
  "?port=",
  "?port=80,,81",
  "?port=0",
  "?port=65536",
  "?port=1e2",
  "?port=-1",
  "?port=80&port=x",
]) {
  test(`ports "${query}" are refused with 400`, async (t) => {
    const { port, forwards } = await serve(t);
    await assert.rejects(connectWebSocketPeer(port, v4, `/${query}`), /Unexpected server response: 400/);
    assert.deepEqual(forwards, []);
  });
}

test("more ports than there are channels are refused with 400, protocols of commands with 403", async (t) => {
  const { port } = await serve(t);
  const ports = (count: number) => `/?port=${Array.from({ length: count }, (_, index) => index + 1).join(",")}`;
  await assert.rejects(connectWebSocketPeer(port, v4, ports(129)), /400/);
  await assert.rejects(connectWebSocketPeer(port, ["v4.base64.channel.k8s.io"], ports(41)), /400/);
  await assert.rejects(connectWebSocketPeer(port, ["v5.channel.k8s.io"], ports(1)), /403/);
  for (const [protocol, most] of [
    ["v4.channel.k8s.io", 128],
    ["v4.base64.channel.k8s.io", 40],
  ] as const) {
    const peer = await connectWebSocketPeer(port, [protocol], ports(most));
    await eventually(() => peer.messages.length === 2 * most, "each port is told");
    assert.equal(peer.content(2 * most - 1).readUInt16LE(), most);
    peer.socket.terminate();
  }
});

for (const protocols of [[], v4, ["v4.base64.channel.k8s.io"]]) {
  test(`ports over channels of "${protocols.join()}": the port first, then both ways, Close 1000 after the last`, async (t) => {
    const { port, connections, forwards, ended } = await serve(t);
    const peer = await connectWebSocketPeer(port, protocols, "/?port=80,8443&port=80");
    await eventually(() => peer.messages.length === 6, "each port on each channel");
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map((channel) => peer.content(channel).readUInt16LE()),
      [80, 80, 8443, 8443, 80, 80],
    );
    assert.deepEqual(
      connections.map((connection) => connection.port),
      [80, 8443, 80],
    );
    const send = (channel: number, content: string): void => {
      const bytes = Buffer.from(content);
      const isText = protocols[0]?.includes("base64") === true;
      peer.socket.send(isText ? `${channel}${bytes.toString("base64")}` : Buffer.concat([Buffer.of(channel), bytes]));
    };
    const [first, second, third] = connections;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    send(1, "nothing is read here");
    send(2, "hello, 8443");
    send(9, "nor there");
    send(4, "hello, third");
    assert.equal(String(await once(second.stream, "data")), "hello, 8443");
    assert.equal(String(await once(third.stream, "data")), "hello, third");
    second.stream.write("hello, client");
    second.done();
    first.fail("error forwarding port 80 to pod p, uid : nobody listens");
    await eventually(() => peer.content(1).length > 2, "the failure");
    assert.equal(peer.content(1).subarray(2).toString(), "error forwarding port 80 to pod p, uid : nobody listens");
    assert.equal(peer.content(2).subarray(2).toString(), "hello, client");
    assert.equal(peer.content(3).length, 2);
    assert.equal(peer.socket.readyState, WebSocket.OPEN);
    third.done();
    assert.deepEqual(await peer.closed, { code: 1000, reason: "" });
    await eventually(() => ended.length === 1, "the end of the connections");
    assert.equal(forwards[0]?.signal.aborted, false);
  });
}

test("channels: 16 MiB there and back arrive as they were, on two ports at once", async (t) => {
  const { port } = await serve(t, { onConnection: echo });
  const peer = await connectWebSocketPeer(port, v4, "/?port=1,2");
  const bytes = Buffer.alloc(16 * 1024 * 1024, "0123456789abcde");
  for (let offset = 0; offset < bytes.length; offset += 50_000) {
    const piece = bytes.subarray(offset, offset + 50_000);
    for (const channel of [0, 2]) peer.socket.send(Buffer.concat([Buffer.of(channel), piece]));
  }
  for (const channel of [0, 2]) {
    await eventually(
      () => peer.messages.reduce((sum, m) => sum + (m.channel === channel ? m.length : 0), 0) === bytes.length + 2,
      "all of it",
      20_000,
    );
    assert.equal(Buffer.compare(peer.content(channel).subarray(2), bytes), 0);
  }
});

test("channels: the client's side ends soon after the pod's", async (t) => {
  const clock = new FakeClock();
  const { port, connections } = await serve(t, { clock });
  const peer = await connectWebSocketPeer(port, v4, "/?port=1");
  await eventually(() => connections.length === 1, "the connection");
  const [connection] = connections;
  assert.ok(connection !== undefined);
  connection.stream.end("bye");
  await eventually(() => peer.content(0).toString("latin1", 2) === "bye", "what the pod said");
  peer.socket.send(Buffer.from("\x00still there"));
  await eventually(() => String(connection.stream.read() ?? "") === "still there", "what the client said");
  connection.stream.resume();
  const ended = once(connection.stream, "end");
  await clock.advance(1000);
  await ended;
  connection.done();
  assert.equal((await peer.closed).code, 1000);
});

test("channels: close sends what was written", async (t) => {
  const { port, forwards, connections } = await serve(t);
  const peer = await connectWebSocketPeer(port, v4, "/?port=1");
  await eventually(() => connections.length === 1, "the connection");
  connections[0]?.stream.write(Buffer.alloc(8 * 1024 * 1024));
  await forwards[0]?.close();
  assert.equal((await peer.closed).code, 1000);
  assert.equal(peer.content(0).length, 8 * 1024 * 1024 + 2);
});

test("channels: a connection that is not read holds the client back", async (t) => {
  const { port, connections } = await serve(t);
  const peer = await connectWebSocketPeer(port, v4, "/?port=1");
  const message = Buffer.alloc(32 * 1024);
  for (let sent = 0; sent < 1024; sent++) peer.socket.send(message);
  await heldBack(peer.socket);
  const stream = connections[0]?.stream ?? assert.fail();
  let read = 0;
  for await (const chunk of stream) {
    read += Buffer.isBuffer(chunk) ? chunk.length : 0;
    if (read === 1024 * (message.length - 1)) break;
  }
});

for (const [how, leave] of [
  ["cuts the connection", (peer: WebSocketPeer) => peer.socket.terminate()],
  ["closes in order", (peer: WebSocketPeer) => peer.socket.close(1000)],
] as const) {
  for (const protocols of [v4, tunnel]) {
    test(`${protocols.join()}: a client that ${how} ends it all at once`, async (t) => {
      const { port, forwards, connections, ended } = await serve(t);
      const peer = await connectWebSocketPeer(port, protocols, "/?port=1");
      const [forward] = forwards;
      assert.ok(forward !== undefined);
      const gone = once(forward.signal, "abort");
      leave(peer);
      await gone;
      await eventually(() => ended.length === 1, "the end of the connections");
      for (const { stream } of connections) assert.ok(stream.destroyed);
      await forward.close();
    });
  }
}

/** A SPDY client in a tunnel. */
async function openTunnel(port: number): Promise<{ session: SpdySession; webSocket: WebSocket; transport: Duplex }> {
  let protocol: string | undefined;
  const webSocket = openWebSocket(port, tunnel, "/", (chosen) => {
    protocol = chosen;
  });
  const transport = createWebSocketStream(webSocket);
  await once(webSocket, "open");
  assert.deepEqual([protocol], tunnel);
  const session = new SpdySession(transport, { idleTimeoutMs: 0, role: "client" });
  return { session, webSocket, transport };
}

async function openPair(session: SpdySession, port: number, id: number) {
  const headers = (type: string) =>
    [
      ["streamtype", type],
      ["port", String(port)],
      ["requestid", String(id)],
    ] as const;
  const error = await session.open(headers("error"));
  let told = "";
  error.on("data", (chunk) => {
    told += String(chunk);
  });
  // A reset is an error; what was told before counts all the same.
  const ended = new Promise((resolve) => error.on("close", resolve));
  const data = await session.open(headers("data"));
  error.end();
  return { data, told: () => ended.then(() => told) };
}

test("tunnel: many connections, there and back, half-closed, an error told", async (t) => {
  const { port, forwards } = await serve(t, {
    onConnection: (connection) => {
      if (connection.port === 81) connection.fail("nobody listens");
      else echo(connection);
    },
  });
  const { session, webSocket } = await openTunnel(port);
  const closed = once(webSocket, "close");
  const bytes = Buffer.alloc(1024 * 1024, "0123456789abcde");
  await Promise.all(
    Array.from({ length: 20 }, async (_, id) => {
      const { data, told } = await openPair(session, 80, id);
      data.end(bytes);
      assert.equal(Buffer.compare(await buffer(data), bytes), 0);
      assert.equal(await told(), "");
    }),
  );
  const failing = await openPair(session, 81, 100);
  assert.equal(await failing.told(), "nobody listens");
  await eventually(() => failing.data.destroyed, "the reset");
  await forwards[0]?.close();
  const [code] = await closed;
  assert.equal(code, 1000);
  assert.equal(forwards[0]?.signal.aborted, false);
});

test("tunnel: text ends it with 1003", async (t) => {
  const { port, forwards } = await serve(t);
  const peer = await connectWebSocketPeer(port, tunnel);
  peer.socket.send("SPDY");
  assert.equal((await peer.closed).code, 1003);
  assert.equal(forwards[0]?.signal.aborted, true);
});

test("tunnel: what is no SPDY ends it", async (t) => {
  const { port, forwards } = await serve(t);
  const peer = await connectWebSocketPeer(port, tunnel);
  peer.socket.send(Buffer.alloc(1000, 0xff));
  await peer.closed;
  assert.equal(forwards[0]?.signal.aborted, true);
});

test("tunnel: a connection that is not read holds the client back", async (t) => {
  const { port, connections } = await serve(t);
  const { session, webSocket } = await openTunnel(port);
  const { data } = await openPair(session, 80, 1);
  for (let sent = 0; sent < 64; sent++) data.write(Buffer.alloc(1024 * 1024));
  await heldBack(webSocket);
  const read = buffer(connections[0]?.stream ?? assert.fail());
  data.end();
  assert.equal((await read).length, 64 * 1024 * 1024);
});

for (const protocols of [v4, tunnel]) {
  test(`${protocols.join()}: ends when nothing moves for too long`, async (t) => {
    const clock = new FakeClock();
    const { port, forwards } = await serve(t, { clock, idleTimeoutMs: 60_000 });
    const peer = await connectWebSocketPeer(port, protocols, "/?port=1");
    await clock.advance(59_000);
    const pong = once(peer.socket, "pong");
    peer.socket.ping();
    await pong;
    assert.equal(forwards[0]?.signal.aborted, false);
    await clock.advance(1000);
    assert.equal(forwards[0]?.signal.aborted, true);
    await clock.advance(10_000);
    await peer.closed;
  });
}
