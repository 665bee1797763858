import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { type Clock, systemClock } from "../clock.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { eventually } from "../testing/fault-server.ts";
import { createAuthority } from "../testing/pki.ts";
import { startUpgradeServer } from "../testing/upgrade-server.ts";
import { connectWebSocketPeer, heldBack, type WebSocketPeer } from "../testing/web-socket-peer.ts";
import type { CommandOutcome, RemoteCommand, StreamsWanted } from "./remote-command.ts";
import { acceptWebSocketRemoteCommand } from "./websocket-remote-command.ts";

const all: StreamsWanted = { stdin: true, stdout: true, stderr: true, tty: false };
const terminal: StreamsWanted = { stdin: true, stdout: true, stderr: true, tty: true };
const v5 = ["v5.channel.k8s.io"];
const success: CommandOutcome = { type: "success" };

interface Opened {
  readonly peer: WebSocketPeer;
  readonly command: RemoteCommand;
}

interface Options {
  readonly wanted?: StreamsWanted;
  readonly idleTimeoutMs?: number;
  readonly clock?: Clock;
}

async function serve(t: TestContext, options: Options = {}) {
  const commands: RemoteCommand[] = [];
  const { wanted = all, idleTimeoutMs = 0, clock = systemClock } = options;
  const server = await startUpgradeServer(async (request, socket, head) => {
    const limits = { idleTimeoutMs, creationTimeoutMs: 1000 };
    commands.push(await acceptWebSocketRemoteCommand(request, socket, head, wanted, limits, clock));
  });
  t.after(() => server[Symbol.asyncDispose]());
  return { port: server.port, commands, failures: server.failures };
}

async function open(t: TestContext, protocols: readonly string[], options: Options = {}): Promise<Opened> {
  const { port, commands } = await serve(t, options);
  const peer = await connectWebSocketPeer(port, protocols);
  const [command] = commands;
  assert.ok(command !== undefined);
  return { peer, command };
}

/** Raw answer to a raw request. */
async function answerTo(port: number, request: string): Promise<string> {
  const socket = createConnection(port, "127.0.0.1");
  socket.write(request);
  socket.setTimeout(20_000, () => socket.end());
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    if (!Buffer.isBuffer(chunk)) throw new Error("no bytes");
    chunks.push(chunk);
    if (chunk.includes("HTTP/1.1 101")) break;
  }
  return Buffer.concat(chunks).toString("latin1");
}

function handshake(headers: Readonly<Record<string, string>>, method = "GET"): string {
  const most = {
    Host: "x",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const lines = Object.entries(most).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} / HTTP/1.1\r\n${lines.join("")}\r\n`;
}

for (const { offer, status, chosen } of [
  { offer: undefined, status: 101, chosen: undefined },
  { offer: "channel.k8s.io", status: 101, chosen: "channel.k8s.io" },
  { offer: "v5.channel.k8s.io, v4.channel.k8s.io", status: 101, chosen: "v5.channel.k8s.io" },
  {
    offer: "v9.channel.k8s.io,v4.base64.channel.k8s.io , v5.channel.k8s.io",
    status: 101,
    chosen: "v4.base64.channel.k8s.io",
  },
  { offer: "base64.channel.k8s.io", status: 101, chosen: "base64.channel.k8s.io" },
  { offer: "v3.channel.k8s.io", status: 403, chosen: undefined },
  { offer: "SPDY/3.1+portforward.k8s.io", status: 403, chosen: undefined },
  { offer: ",", status: 101, chosen: undefined },
  { offer: "v4.channel.k8s.io, v4.channel.k8s.io", status: 101, chosen: "v4.channel.k8s.io" },
]) {
  test(`of the protocols "${offer}" ${chosen ?? `none is taken: ${status}`}`, async (t) => {
    const { port } = await serve(t);
    const answer = await answerTo(port, handshake(offer === undefined ? {} : { "Sec-WebSocket-Protocol": offer }));
    assert.equal(answer.split(" ")[1], String(status));
    assert.equal(/^Sec-WebSocket-Protocol: (.*)\r$/m.exec(answer)?.[1], chosen);
  });
}

for (const { what, request, status } of [
  { what: "another method", request: handshake({}, "POST"), status: 405 },
  { what: "another protocol", request: handshake({ Upgrade: "SPDY/3.1" }), status: 400 },
  { what: "another version", request: handshake({ "Sec-WebSocket-Version": "8" }), status: 426 },
  { what: "a bad key", request: handshake({ "Sec-WebSocket-Key": "x" }), status: 400 },
]) {
  test(`a handshake with ${what} is refused before the 101`, async (t) => {
    const { port, commands, failures } = await serve(t);
    assert.match(await answerTo(port, request), new RegExp(`^HTTP/1.1 ${status} `));
    assert.deepEqual([commands, failures], [[], []]);
  });
}

for (const protocol of [
  "",
  "channel.k8s.io",
  "base64.channel.k8s.io",
  "v4.channel.k8s.io",
  "v4.base64.channel.k8s.io",
  "v5.channel.k8s.io",
]) {
  test(`a command over "${protocol}": streams both ways, the outcome, Close 1000`, async (t) => {
    const { peer, command } = await open(t, protocol === "" ? [] : [protocol]);
    const isText = protocol.includes("base64");
    peer.socket.send(isText ? `0${Buffer.from("to stdin").toString("base64")}` : Buffer.from("\x00to stdin"));
    assert.equal(String(await once(command.stdin ?? assert.fail(), "data")), "to stdin");
    command.stdout?.write("to stdout");
    command.stderr?.write("to stderr");
    await command.finish({ type: "exit", exitCode: 7 });
    assert.deepEqual(await peer.closed, { code: 1000, reason: "" });
    assert.equal(peer.content(1).toString(), "to stdout");
    assert.equal(peer.content(2).toString(), "to stderr");
    const outcome = peer.content(3).toString();
    if (/^v[45]/.test(protocol)) assert.equal(JSON.parse(outcome).details.causes[0].message, "7");
    else assert.match(outcome, /^command terminated with non-zero exit code/);
    assert.deepEqual(peer.messages[0], { channel: 1, length: 0 });
    assert.equal(command.signal.aborted, false);
  });
}

test("text where binary is spoken is taken as its bytes, binary where base64 is spoken too", async (t) => {
  const binary = await open(t, v5);
  binary.peer.socket.send("\x00text");
  assert.equal(String(await once(binary.command.stdin ?? assert.fail(), "data")), "text");
  const base64 = await open(t, ["v4.base64.channel.k8s.io"]);
  base64.peer.socket.send(Buffer.from("0dGV4dA=="));
  assert.equal(String(await once(base64.command.stdin ?? assert.fail(), "data")), "text");
});

for (const { wanted, channel } of [
  { wanted: { stdin: true, stdout: true, stderr: true, tty: false }, channel: 1 },
  { wanted: { stdin: false, stdout: false, stderr: true, tty: false }, channel: 2 },
  { wanted: { stdin: true, stdout: false, stderr: false, tty: false }, channel: 3 },
  { wanted: { stdin: true, stdout: false, stderr: true, tty: true }, channel: 3 },
]) {
  test(`the first message is empty, on channel ${channel} for ${JSON.stringify(wanted)}`, async (t) => {
    const { peer, command } = await open(t, v5, { wanted });
    await eventually(() => peer.messages.length > 0, "a message");
    assert.deepEqual(peer.messages, [{ channel, length: 0 }]);
    assert.equal(command.stdin !== undefined, wanted.stdin);
    assert.equal(command.stdout !== undefined, wanted.stdout);
    assert.equal(command.stderr !== undefined, wanted.stderr && !wanted.tty);
    assert.equal(command.resize !== undefined, wanted.tty);
  });
}

test("a success is silent before v4", async (t) => {
  const { peer, command } = await open(t, ["channel.k8s.io"]);
  await command.finish(success);
  assert.equal((await peer.closed).code, 1000);
  assert.deepEqual(peer.messages, [{ channel: 1, length: 0 }]);
});

test("stdin ends by the close of v5, and the command goes on", async (t) => {
  const { peer, command } = await open(t, v5);
  peer.socket.send(Buffer.from("\x00all of it"));
  peer.socket.send(Buffer.of(255, 1));
  peer.socket.send(Buffer.of(255, 77));
  peer.socket.send(Buffer.of(255, 0));
  peer.socket.send(Buffer.of(255, 0));
  peer.socket.send(Buffer.from("\x00too late"));
  command.stdout?.write(await text(command.stdin ?? assert.fail()));
  await command.finish(success);
  assert.equal((await peer.closed).code, 1000);
  assert.equal(peer.content(1).toString(), "all of it");
});

test("what looks like a close does not end stdin before v5", async (t) => {
  const { peer, command } = await open(t, ["v4.channel.k8s.io"]);
  const ended = once(command.stdin ?? assert.fail(), "end").then(() => "ended");
  const read = once(command.stdin ?? assert.fail(), "data").then(String);
  peer.socket.send(Buffer.of(255, 0));
  peer.socket.send(Buffer.from("\x00more"));
  assert.equal(await Promise.race([ended, read]), "more");
});

test("unknown channels and those of the other direction are passed over", async (t) => {
  const { peer, command } = await open(t, v5);
  for (const channel of [1, 2, 3, 4, 5, 99, 254]) peer.socket.send(Buffer.from([channel, 120]));
  peer.socket.send(Buffer.alloc(0));
  peer.socket.send(Buffer.from([0]));
  peer.socket.send(Buffer.from("\x00kept"));
  assert.equal(String(await once(command.stdin ?? assert.fail(), "data")), "kept");
});

test("a terminal: sizes as they change, no stderr", async (t) => {
  const { peer, command } = await open(t, v5, { wanted: terminal });
  const sizes = command.resize?.[Symbol.asyncIterator]() ?? assert.fail();
  peer.socket.send(Buffer.from('\x04{"Width":80,"Height":24}'));
  assert.deepEqual(await sizes.next(), { done: false, value: { width: 80, height: 24 } });
  peer.socket.send(Buffer.from('\x04{"Width":1,"Height":1}'));
  peer.socket.send(Buffer.from("\x04no size"));
  peer.socket.send(Buffer.from('\x04}{"Width":100,"Height":'));
  peer.socket.send(Buffer.from("\x0440}"));
  peer.socket.send(Buffer.from("\x00after"));
  await once(command.stdin ?? assert.fail(), "data");
  assert.deepEqual(await sizes.next(), { done: false, value: { width: 100, height: 40 } });
  await command.finish(success);
  assert.deepEqual(await sizes.next(), { done: true, value: undefined });
});

test("32 MiB through stdin and back arrive as they were", async (t) => {
  const { peer, command } = await open(t, v5);
  const bytes = Buffer.alloc(32 * 1024 * 1024);
  for (let index = 0; index < bytes.length; index += 4) bytes.writeUInt32LE((index * 2_654_435_761) % 2 ** 32, index);
  const echo = pipeline(command.stdin ?? assert.fail(), command.stdout ?? assert.fail());
  for (let offset = 0; offset < bytes.length; offset += 100_000) {
    peer.socket.send(Buffer.concat([Buffer.of(0), bytes.subarray(offset, offset + 100_000)]));
  }
  peer.socket.send(Buffer.of(255, 0));
  await echo;
  await command.finish(success);
  assert.equal((await peer.closed).code, 1000);
  assert.equal(Buffer.compare(peer.content(1), bytes), 0);
});

test("a client that reads late misses nothing of a command that has ended", async (t) => {
  const { peer, command } = await open(t, v5);
  peer.socket.pause();
  const bytes = Buffer.alloc(24 * 1024 * 1024, "0123456789");
  command.stdout?.write(bytes);
  command.stderr?.write("the last words");
  let finished = false;
  const done = command.finish(success).then(() => {
    finished = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(finished, false);
  peer.socket.resume();
  await done;
  assert.equal((await peer.closed).code, 1000);
  assert.equal(Buffer.compare(peer.content(1), bytes), 0);
  assert.equal(peer.content(2).toString(), "the last words");
  assert.equal(JSON.parse(peer.content(3).toString()).status, "Success");
  assert.equal(peer.messages.at(-1)?.channel, 3);
});

test("over TLS: there and back, a late reader, a client that is cut off", async () => {
  const authority = createAuthority("ca");
  const { key, certificate: cert } = authority.issue({ commonName: "node", ipAddresses: ["127.0.0.1"] });
  const commands: RemoteCommand[] = [];
  const accept = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const limits = { idleTimeoutMs: 0, creationTimeoutMs: 1000 };
    commands.push(await acceptWebSocketRemoteCommand(request, socket, head, all, limits));
  };
  await using server = await startUpgradeServer(accept, { key, cert });
  const open = async (): Promise<{ client: WebSocket; command: RemoteCommand }> => {
    const client = new WebSocket(`wss://127.0.0.1:${server.port}/`, v5, { ca: authority.certificate });
    await once(client, "open");
    return { client, command: commands.pop() ?? assert.fail() };
  };

  const { client, command } = await open();
  const bytes = Buffer.alloc(8 * 1024 * 1024, "0123456789");
  let back = 0;
  client.on("message", (data: Buffer) => {
    if (data[0] === 1) back += data.length - 1;
  });
  client.pause();
  const closed = once(client, "close");
  const echo = pipeline(command.stdin ?? assert.fail(), command.stdout ?? assert.fail());
  const done = echo.then(() => command.finish(success));
  for (let offset = 0; offset < bytes.length; offset += 100_000) {
    client.send(Buffer.concat([Buffer.of(0), bytes.subarray(offset, offset + 100_000)]));
  }
  client.send(Buffer.of(255, 0));
  setTimeout(() => client.resume(), 50);
  await done;
  assert.equal((await closed)[0], 1000);
  assert.equal(back, bytes.length);

  const other = await open();
  const gone = once(other.command.signal, "abort");
  other.client.terminate();
  await gone;
});

test("one great write is not copied before the client takes it", async (t) => {
  const { peer, command } = await open(t, v5);
  peer.socket.pause();
  const bytes = Buffer.alloc(128 * 1024 * 1024);
  const before = process.memoryUsage().arrayBuffers;
  command.stdout?.write(bytes);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(process.memoryUsage().arrayBuffers - before < 32 * 1024 * 1024);
  peer.socket.terminate();
  await once(command.signal, "abort");
});

test("a client that does not read holds the writer back", async (t) => {
  const { peer, command } = await open(t, v5);
  peer.socket.pause();
  const stdout = command.stdout ?? assert.fail();
  const piece = Buffer.alloc(64 * 1024);
  let taken = 0;
  let stuck = false;
  // The kernel keeps some MiB for the socket; after that nothing may be taken any more.
  for (; !stuck && taken < 512 * 1024 * 1024; taken += piece.length) {
    if (stdout.write(piece)) continue;
    const drained = once(stdout, "drain").then(() => true);
    stuck = !(await Promise.race([drained, new Promise((resolve) => setTimeout(() => resolve(false), 500))]));
  }
  assert.ok(stuck, `${taken} bytes were taken`);
  assert.ok(stdout.writableLength <= 2 * 64 * 1024);
  peer.socket.resume();
  await command.finish(success);
  assert.equal(peer.content(1).length, taken);
});

test("stdin that is not read holds the client back", async (t) => {
  const { peer, command } = await open(t, v5);
  const stdin = command.stdin ?? assert.fail();
  const message = Buffer.alloc(32 * 1024);
  const offered = 64 * 1024 * 1024;
  for (let sent = 0; sent < offered; sent += message.length) peer.socket.send(message);
  peer.socket.send(Buffer.of(255, 0));
  await heldBack(peer.socket);
  let read = 0;
  for await (const chunk of stdin) read += Buffer.isBuffer(chunk) ? chunk.length : 0;
  assert.equal(read, offered - offered / message.length);
});

test("a command that ends without having read stdin tells its outcome all the same", async (t) => {
  const { peer, command } = await open(t, v5);
  const message = Buffer.alloc(32 * 1024);
  for (let sent = 0; sent < 1024; sent++) peer.socket.send(message);
  await heldBack(peer.socket);
  command.stdout?.write("enough");
  await command.finish({ type: "exit", exitCode: 1 });
  assert.equal((await peer.closed).code, 1000);
  assert.equal(peer.content(1).toString(), "enough");
});

test("a provider that closes stdin early does not stop the client", async (t) => {
  const { peer, command } = await open(t, v5);
  const message = Buffer.alloc(32 * 1024);
  for (let sent = 0; sent < 1024; sent++) peer.socket.send(message);
  await heldBack(peer.socket);
  command.stdin?.destroy();
  await eventually(() => peer.socket.bufferedAmount === 0, "all is taken");
  await command.finish(success);
  assert.equal((await peer.closed).code, 1000);
});

for (const { how, leave } of [
  { how: "cuts the connection", leave: (peer: WebSocketPeer) => peer.socket.terminate() },
  { how: "closes in order", leave: (peer: WebSocketPeer) => peer.socket.close(1000) },
  { how: "sends what is no WebSocket frame", leave: (peer: WebSocketPeer) => peer.socket.send("x", { mask: false }) },
  { how: "sends what is no base64", leave: (peer: WebSocketPeer) => peer.socket.send("0???") },
  { how: "sends a message that is too long", leave: (peer: WebSocketPeer) => peer.socket.send(Buffer.alloc(5e6)) },
]) {
  test(`the signal aborts when the client ${how}, and finish does not wait`, async (t) => {
    const { peer, command } = await open(t, ["v4.base64.channel.k8s.io"]);
    const gone = once(command.signal, "abort");
    const started = performance.now();
    leave(peer);
    await gone;
    assert.ok(performance.now() - started < 20_000);
    await assert.rejects(text(command.stdin ?? assert.fail()));
    command.stdout?.write("nobody is there");
    await command.finish(success);
    await peer.closed;
    assert.ok(command.stdout?.destroyed);
  });
}

test("a client that leaves during the last words does not keep finish waiting", async (t) => {
  const { peer, command } = await open(t, v5);
  peer.socket.pause();
  command.stdout?.write(Buffer.alloc(32 * 1024 * 1024));
  const done = command.finish(success);
  setTimeout(() => peer.socket.terminate(), 50);
  await done;
  assert.equal(command.signal.aborted, true);
});

test("pings are answered, and are no content for the idle time-out", async (t) => {
  const clock = new FakeClock();
  const { peer, command } = await open(t, v5, { clock, idleTimeoutMs: 60_000 });
  await eventually(() => peer.messages.length > 0, "the first message");
  const ping = async (): Promise<void> => {
    const pong = once(peer.socket, "pong");
    peer.socket.ping("payload");
    assert.equal(String((await pong)[0]), "payload");
  };
  await clock.advance(50_000);
  await ping();
  peer.socket.send(Buffer.from("\x00x"));
  await once(command.stdin ?? assert.fail(), "data");
  await clock.advance(50_000);
  await ping();
  assert.equal(command.signal.aborted, false);
  command.stdout?.write("y");
  await eventually(() => peer.content(1).length === 1, "output");
  await clock.advance(50_000);
  await ping();
  assert.equal(command.signal.aborted, false);
  await clock.advance(10_000);
  assert.equal(command.signal.aborted, true);
  assert.deepEqual(await peer.closed, { code: 1001, reason: "nothing moved for too long" });
});

test("pings are answered while much output waits for a slow client", async (t) => {
  const { peer, command } = await open(t, v5);
  peer.socket.pause();
  const bytes = Buffer.alloc(32 * 1024 * 1024);
  command.stdout?.write(bytes);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const pong = once(peer.socket, "pong");
  peer.socket.ping();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(command.stdout?.writableNeedDrain, true);
  peer.socket.resume();
  await pong;
  assert.ok(peer.content(1).length < bytes.length);
  await command.finish(success);
  assert.equal(peer.content(1).length, bytes.length);
});

test("while stdin waits for its reader, the client hears that we live, and we notice when it has left", async (t) => {
  const clock = new FakeClock();
  const { peer, command } = await open(t, v5, { clock });
  for (let sent = 0; sent < 32; sent++) peer.socket.send(Buffer.alloc(1024 * 1024));
  await heldBack(peer.socket);
  const pong = once(peer.socket, "pong");
  await clock.advance(5000);
  await pong;
  peer.socket.terminate();
  await peer.closed;
  for (let ticks = 0; ticks < 500 && !command.signal.aborted; ticks++) {
    await clock.advance(5000);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(command.signal.aborted, true);
});

test("a client that never answers Close is cut off, one that still pings is given its time", async (t) => {
  const clock = new FakeClock();
  const { port, commands } = await serve(t, { clock });
  const socket = createConnection(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(handshake({}));
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  await eventually(() => commands.length === 1, "the command");
  let finished = false;
  const done = commands[0]?.finish(success).then(() => {
    finished = true;
  });
  await eventually(() => Buffer.concat(received).includes(Buffer.of(0x88, 2, 0x03, 0xe8)), "Close 1000");
  await clock.advance(20_000);
  socket.write(Buffer.of(0x89, 0x80, 0, 0, 0, 0));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await clock.advance(20_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(finished, false);
  await clock.advance(10_000);
  await done;
});

test("a flood of pings from a client that reads nothing is not kept", async (t) => {
  const { port, commands } = await serve(t);
  const socket = createConnection(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(handshake({}));
  await eventually(() => commands.length === 1, "the command");
  socket.pause();
  const ping = Buffer.alloc(131);
  ping[0] = 0x89;
  ping[1] = 0x80 | 125;
  const flood = Buffer.concat(Array.from({ length: 500 }, () => ping));
  const before = process.memoryUsage().rss;
  for (let sent = 0; sent < 64 * 1024 * 1024; sent += flood.length) {
    if (!socket.write(flood)) await once(socket, "drain");
  }
  assert.ok(process.memoryUsage().rss - before < 48 * 1024 * 1024);
});
