// What no client of Kubernetes sends: the server goes on, its memory stays bounded, and who broke the rules is told so.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import * as v from "valibot";
import { eventually } from "../testing/fault-server.ts";
import { startUpgradeServer } from "../testing/upgrade-server.ts";
import type { RemoteCommand } from "./remote-command.ts";
import { acceptWebSocketPortForward } from "./websocket-port-forward.ts";
import { acceptWebSocketRemoteCommand } from "./websocket-remote-command.ts";

/** `closeCode`: the server ends the connection with it; else it goes on as if nothing was. */
const corpusSchema = v.array(
  v.object({ name: v.string(), protocol: v.string(), hex: v.string(), closeCode: v.optional(v.number()) }),
);
const file = join(import.meta.dirname, "testdata/websocket-frames.json");
const corpus = v.parse(corpusSchema, JSON.parse(readFileSync(file, "utf8")));

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Bytes of memory in use, garbage left out. */
function kept(): number {
  if (typeof collect === "function") collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const limits = { idleTimeoutMs: 0, creationTimeoutMs: 1000 };

interface Fuzzed {
  readonly port: number;
  /** What has come on stdin, of all commands. */
  readonly stdin: () => string;
  readonly aborted: () => number;
  readonly failures: readonly unknown[];
}

async function serve(t: TestContext): Promise<Fuzzed> {
  let stdin = "";
  let aborted = 0;
  const server = await startUpgradeServer(async (request, socket, head) => {
    if (request.url?.startsWith("/portForward") === true) {
      const ports = new URLSearchParams("port=1,2,3");
      const forward = await acceptWebSocketPortForward(request, socket, head, ports, limits);
      for await (const { stream } of forward.connections) stream.resume();
      return;
    }
    const wanted = { stdin: true, stdout: true, stderr: true, tty: true };
    const command = await acceptWebSocketRemoteCommand(request, socket, head, wanted, limits);
    command.signal.addEventListener("abort", () => {
      aborted++;
    });
    command.stdin?.on("data", (chunk) => {
      stdin = (stdin + String(chunk)).slice(-1000);
    });
    for await (const size of command.resize ?? []) assert.ok(size.width >= 0 && size.height <= 65_535);
  });
  t.after(() => server[Symbol.asyncDispose]());
  return { port: server.port, stdin: () => stdin, aborted: () => aborted, failures: server.failures };
}

interface RawPeer {
  readonly socket: Socket;
  readonly received: () => Buffer;
  readonly isClosed: () => boolean;
}

/** After the handshake. */
async function connect(port: number, path: string, protocol: string): Promise<RawPeer> {
  const socket = createConnection(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  let isClosed = false;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  const received = (): Buffer => Buffer.concat(chunks);
  const offer = protocol === "" ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${offer}` +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  await eventually(() => received().includes("\r\n\r\n"), "the handshake");
  assert.match(received().toString("latin1"), /^HTTP\/1.1 101 /);
  return { socket, received, isClosed: () => isClosed };
}

/** A frame of a client; the mask is zero, so that what is written is what is meant. */
function frame(opcode: number, payload: Buffer, fin = true): Buffer {
  const length = payload.length < 126 ? Buffer.of(0x80 | payload.length) : Buffer.of(0x80 | 126, 0, 0);
  if (length.length > 1) length.writeUInt16BE(payload.length, 1);
  return Buffer.concat([Buffer.of((fin ? 0x80 : 0) | opcode), length, Buffer.alloc(4), payload]);
}

const closeFrame = (code: number): Buffer => Buffer.of(0x88, 2, code >> 8, code & 0xff);

/** The code in the last Close; some have a reason behind it. */
function hasClose(received: Buffer, code: number): boolean {
  for (let at = received.indexOf(0x88); at >= 0; at = received.indexOf(0x88, at + 1)) {
    if (at + 4 <= received.length && received.readUInt16BE(at + 2) === code) return true;
  }
  return false;
}

async function stillServes(fuzzed: Fuzzed): Promise<void> {
  const mark = `alive ${Math.random()}`;
  const peer = await connect(fuzzed.port, "/exec", "v5.channel.k8s.io");
  peer.socket.write(frame(2, Buffer.from(`\x00${mark}`)));
  await eventually(() => fuzzed.stdin().endsWith(mark), "stdin of a new command");
  peer.socket.destroy();
  assert.deepEqual(fuzzed.failures, []);
}

for (const { name, protocol, hex, closeCode } of corpus) {
  test(`frames: ${name} ${closeCode === undefined ? "change nothing" : `end it with ${closeCode}`}`, async (t) => {
    const fuzzed = await serve(t);
    const peer = await connect(fuzzed.port, "/exec", protocol);
    const bytes = Buffer.from(hex, "hex");
    // Cut where it hurts least and most: at once, then byte by byte.
    if (bytes.length < 200) for (const byte of bytes) peer.socket.write(Buffer.of(byte));
    else peer.socket.write(bytes);
    if (closeCode !== undefined) {
      await eventually(() => hasClose(peer.received(), closeCode) && fuzzed.aborted() === 1, `Close ${closeCode}`);
      peer.socket.end(closeFrame(closeCode));
      await eventually(peer.isClosed, "the end");
    } else {
      const content = protocol.includes("base64") ? `0${Buffer.from("kept").toString("base64")}` : "\x00kept";
      peer.socket.write(frame(2, Buffer.from(content)));
      await eventually(() => fuzzed.stdin() === "kept", "what comes after");
      assert.equal(fuzzed.aborted(), 0);
    }
    await stillServes(fuzzed);
  });
}

test("frames: more fragments than any client sends end it", async (t) => {
  const fuzzed = await serve(t);
  const peer = await connect(fuzzed.port, "/exec", "v5.channel.k8s.io");
  peer.socket.write(frame(2, Buffer.of(5), false));
  for (let sent = 0; sent < 100; sent++) {
    peer.socket.write(Buffer.concat(Array.from({ length: 100 }, () => frame(0, Buffer.of(1), false))));
  }
  await eventually(() => fuzzed.aborted() === 1, "the end");
  await stillServes(fuzzed);
});

test("frames at random, and no frames at all, neither end the process nor stay in memory", async (t) => {
  const fuzzed = await serve(t);
  const paths = ["/exec", "/portForward"];
  const protocols = ["", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];
  const payload = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  const base64 = fc.base64String({ maxLength: 80 }).map((text) => Buffer.from(`0${text}`));
  const good = fc.tuple(fc.constantFrom(0, 1, 2, 9, 10), fc.oneof(payload, base64), fc.boolean());
  const frames = good.map(([opcode, content, fin]) => frame(opcode, content, fin || opcode > 2));
  const noise = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
  const input = fc.array(fc.oneof({ weight: 9, arbitrary: frames }, { weight: 1, arbitrary: noise }), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      fc.constantFrom(...protocols),
      input,
      async (path, protocol, chunks) => {
        const peer = await connect(fuzzed.port, path, protocol);
        for (const chunk of chunks) peer.socket.write(chunk);
        peer.socket.write(closeFrame(1000), () => peer.socket.end());
        await eventually(peer.isClosed, "the end");
      },
    ),
    { numRuns: 150 },
  );
  await stillServes(fuzzed);
});

test("a tunnel full of noise ends, and the process goes on", async (t) => {
  const fuzzed = await serve(t);
  const spdy = fc.uint8Array({ minLength: 1, maxLength: 120 }).map((bytes) => Buffer.from(bytes));
  const looksRight = spdy.map((bytes) => Buffer.concat([Buffer.of(0x80, 3, 0), bytes]));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(spdy, looksRight), { maxLength: 20 }), async (messages) => {
      const peer = await connect(fuzzed.port, "/portForward", "SPDY/3.1+portforward.k8s.io");
      for (const message of messages) peer.socket.write(frame(2, message));
      peer.socket.write(closeFrame(1000), () => peer.socket.end());
      await eventually(peer.isClosed, "the end");
    }),
    { numRuns: 100 },
  );
  await stillServes(fuzzed);
});

test("the longest messages, one after the other on channels that are none, are not kept", async (t) => {
  const fuzzed = await serve(t);
  const peer = await connect(fuzzed.port, "/exec", "v5.channel.k8s.io");
  const content = Buffer.alloc(4 * 1024 * 1024, 7);
  const header = Buffer.alloc(14);
  header.writeUInt16BE(0x82ff);
  header.writeBigUInt64BE(BigInt(content.length), 2);
  const before = process.memoryUsage().rss;
  for (let sent = 0; sent < 100; sent++) {
    peer.socket.write(header);
    if (!peer.socket.write(content)) await new Promise((resolve) => peer.socket.once("drain", resolve));
  }
  peer.socket.write(frame(2, Buffer.from("\x00kept")));
  await eventually(() => fuzzed.stdin() === "kept", "what comes after");
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 128 * 1024 * 1024, `${grown} bytes more`);
});

test("messages of one byte that nobody reads cost little", async (t) => {
  const commands: RemoteCommand[] = [];
  const server = await startUpgradeServer(async (request, socket, head) => {
    const wanted = { stdin: true, stdout: true, stderr: true, tty: false };
    commands.push(await acceptWebSocketRemoteCommand(request, socket, head, wanted, limits));
  });
  t.after(() => server[Symbol.asyncDispose]());
  const flood = Buffer.concat(Array.from({ length: 200_000 }, () => frame(2, Buffer.of(0, 7))));
  const peers: RawPeer[] = [];
  for (let count = 0; count < 20; count++) peers.push(await connect(server.port, "/exec", "v5.channel.k8s.io"));
  const before = kept();
  // All that the server would take, it has taken when it has answered the ping of a connection that came later.
  for (const peer of peers) peer.socket.write(flood);
  const later = await connect(server.port, "/exec", "v5.channel.k8s.io");
  later.socket.write(frame(9, Buffer.from("ping")));
  await eventually(() => later.received().includes("ping"), "the pong");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const grown = kept() - before;
  assert.ok(grown < 20 * 1024 * 1024, `${grown} bytes more for 20 connections`);
  const [command] = commands;
  let read = 0;
  for await (const chunk of command?.stdin ?? []) {
    read += Buffer.isBuffer(chunk) ? chunk.length : 0;
    if (read === 200_000) break;
  }
});
