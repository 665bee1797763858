// SPDY sessions: what two of them carry between each other, what they hold back, and how they end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import {
  encodeData,
  encodeGoAway,
  encodePing,
  encodeSynStream,
  type SpdyFrame,
  SpdyFrameParser,
} from "./spdy-frames.ts";
import { HeaderDeflater } from "./spdy-headers.ts";
import { streamBuffer } from "./spdy-reader.ts";
import { SpdySession, type SpdySessionOptions } from "./spdy-session.ts";
import type { SpdyStream } from "./spdy-stream.ts";

const deadlineMs = 20_000;

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!holds()) {
    assert.ok(Date.now() < end, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Two ends of a TCP connection. */
async function sockets(t: TestContext): Promise<[client: Socket, server: Socket]> {
  const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  assert.ok(address !== null && typeof address === "object");
  const client = connect(address.port, "127.0.0.1");
  const accepted = new Promise<Socket>((resolve) => listener.once("connection", resolve));
  await once(client, "connect");
  const server = await accepted;
  t.after(() => {
    client.destroy();
    server.destroy();
    listener.close();
  });
  return [client, server];
}

interface Accepted {
  readonly streams: Map<string, SpdyStream>;
  readonly accept: NonNullable<SpdySessionOptions["accept"]>;
}

/** Takes every stream, by its name. */
function accepting(): Accepted {
  const streams = new Map<string, SpdyStream>();
  return { streams, accept: (headers) => (stream) => void streams.set(headers.get("name") ?? "", stream) };
}

/** A peer that speaks frames. */
class RawPeer {
  readonly transport: Duplex;
  readonly frames: SpdyFrame[] = [];
  readonly #parser = new SpdyFrameParser();
  readonly #deflater = new HeaderDeflater();

  constructor(transport: Duplex) {
    this.transport = transport;
    transport.on("data", (chunk: Buffer) => {
      this.#parser.push(chunk);
      for (let frame = this.#parser.next(); frame !== undefined; frame = this.#parser.next()) this.frames.push(frame);
    });
    transport.on("error", () => {});
  }

  open(streamId: number, name: string, fin = false): void {
    this.transport.write(encodeSynStream(streamId, this.#deflater.deflate([["name", name]]), fin));
  }

  async saw(type: SpdyFrame["type"]): Promise<SpdyFrame> {
    await until(type, () => this.frames.some((frame) => frame.type === type));
    const found = this.frames.find((frame) => frame.type === type);
    assert.ok(found !== undefined);
    return found;
  }
}

function raw(options: Partial<SpdySessionOptions> = {}): { peer: RawPeer; session: SpdySession } & Accepted {
  const [near, far] = duplexPair();
  const accepted = accepting();
  const session = new SpdySession(near, { idleTimeoutMs: 0, accept: accepted.accept, ...options });
  return { peer: new RawPeer(far), session, ...accepted };
}

/** Bytes that differ by place, so that lost, doubled or swapped ones show. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed + 1;
  for (let at = 0; at < length; at++) {
    state = (state * 48_271) % 2_147_483_647;
    bytes[at] = state;
  }
  return bytes;
}

interface Step {
  readonly stream: number;
  readonly side: "client" | "server";
  readonly act: "write" | "end" | "reset" | "pause" | "resume";
  readonly size: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  stream: fc.nat(3),
  side: fc.constantFrom("client", "server"),
  act: fc.oneof(
    { weight: 12, arbitrary: fc.constant("write" as const) },
    { weight: 2, arbitrary: fc.constantFrom("end" as const, "pause" as const, "resume" as const) },
    { weight: 1, arbitrary: fc.constant("reset" as const) },
  ),
  size: fc.oneof(fc.nat(100), fc.nat(30_000), fc.nat(600_000)),
});

/** One side of one stream: what went in here must come out at the other side. */
class End {
  readonly stream: SpdyStream;
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];
  ended = false;

  constructor(stream: SpdyStream) {
    this.stream = stream;
    stream.on("data", (bytes: Buffer) => this.received.push(bytes));
    stream.once("end", () => {
      this.ended = true;
    });
  }
}

test("any interleaving of writes, half-closes, resets and slow readers loses and mixes no byte", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const [clientSocket, serverSocket] = await sockets(t);
      const { streams, accept } = accepting();
      const server = new SpdySession(serverSocket, { idleTimeoutMs: 0, accept });
      const client = new SpdySession(clientSocket, { idleTimeoutMs: 0, role: "client" });
      const ends = { client: [] as End[], server: [] as End[] };
      for (const name of ["0", "1", "2", "3"]) {
        ends.client.push(new End(await client.open([["name", name]])));
        const accepted = streams.get(name);
        assert.ok(accepted !== undefined);
        ends.server.push(new End(accepted));
      }
      const reset = new Set<number>();
      for (const [index, { stream, side, act, size }] of steps.entries()) {
        const end = ends[side][stream];
        assert.ok(end !== undefined);
        if (act === "pause") end.stream.pause();
        else if (act === "resume") end.stream.resume();
        else if (act === "reset") {
          reset.add(stream);
          end.stream.destroy();
        } else if (end.stream.writable) {
          const bytes = pattern(act === "write" ? size : 0, index);
          if (act === "end") end.stream.end();
          else {
            end.sent.push(bytes);
            end.stream.write(bytes);
          }
        }
        if (size % 3 === 0) await settle(1);
      }
      const all = [...ends.client, ...ends.server];
      for (const end of all) {
        end.stream.end();
        end.stream.resume();
      }
      await until("all streams are closed", () => all.every((end) => end.stream.closed));
      for (const [from, to] of [
        [ends.client, ends.server],
        [ends.server, ends.client],
      ] as const) {
        for (const [index, sender] of from.entries()) {
          const sent = Buffer.concat(sender.sent);
          const received = Buffer.concat(to[index]?.received ?? []);
          if (reset.has(index)) assert.ok(sent.subarray(0, received.length).equals(received), "a part from the start");
          else
            assert.ok(
              sent.equals(received) && to[index]?.ended,
              `stream ${index}: ${received.length} of ${sent.length}`,
            );
        }
      }
      assert.equal(server.signal.aborted, false);
      await client.close();
      await server.closed;
    }),
    { numRuns: 40 },
  );
});

test("a stream that nobody reads is held to its bound, and loses nothing when it is read", async () => {
  const [near, far] = duplexPair();
  const { streams, accept } = accepting();
  const server = new SpdySession(near, { idleTimeoutMs: 0, accept });
  const client = new SpdySession(far, { idleTimeoutMs: 0, role: "client" });
  const slow = await client.open([["name", "slow"]]);
  const unread = streams.get("slow");
  assert.ok(unread !== undefined);
  const total = 32 * 1024 * 1024;
  let taken = 0;
  const piece = pattern(50_000, 1);
  const write = (): void => {
    if (taken >= total) slow.end();
    else {
      slow.write(piece, write);
      taken += piece.length;
    }
  };
  write();
  await until("it is full", () => unread.cost > streamBuffer);
  await settle(50);
  assert.ok(unread.cost < streamBuffer + 200_000, `${unread.cost} buffered`);
  assert.ok(taken < streamBuffer + 700_000, `${taken} taken from the writer`);
  const received = await buffer(unread);
  assert.equal(received.length, taken);
  for (let at = 0; at < taken; at += piece.length) assert.ok(piece.equals(received.subarray(at, at + piece.length)));
  server.destroy();
});

test("pieces of one byte are held to the bound by what they cost", async () => {
  const { peer, streams, session } = raw();
  peer.open(1, "a");
  await until("it is open", () => streams.has("a"));
  const frames = Buffer.concat(Array.from({ length: 10_000 }, () => encodeData(1, [Buffer.from("x")], 1, false)));
  peer.transport.write(frames);
  const stream = streams.get("a");
  await until("it is full", () => (stream?.cost ?? 0) > streamBuffer);
  await settle(20);
  assert.ok((stream?.cost ?? 0) < streamBuffer + 1000);
  peer.transport.write(encodeData(1, [], 0, true));
  assert.ok(stream !== undefined);
  assert.equal((await text(stream)).length, 10_000);
  session.destroy();
});

test("a writer is held back while the peer does not read", async () => {
  const { peer, streams, session } = raw();
  peer.open(1, "a");
  await until("it is open", () => streams.has("a"));
  peer.transport.pause();
  const stream = streams.get("a");
  let taken = 0;
  const write = (): void => {
    taken += 50_000;
    stream?.write(Buffer.alloc(50_000), (error) => error ?? write());
  };
  write();
  await settle(100);
  assert.ok(taken < 500_000, `${taken} taken`);
  session.destroy();
});

test("a peer that asks and does not read is not answered without end", async () => {
  const { peer, session } = raw();
  peer.transport.pause();
  const pings = Buffer.concat(Array.from({ length: 5000 }, () => encodePing(1)));
  let taken = 0;
  for (let round = 0; round < 40; round++) {
    peer.transport.write(pings, () => {
      taken += pings.length;
    });
  }
  await settle(200);
  assert.ok(taken < 500_000, `${taken} of ${40 * pings.length}`);
  peer.transport.resume();
  await until("all are answered", () => peer.frames.length === 200_000);
  session.destroy();
});

test("pings of the peer are echoed, our own answers and odd frames are not", async () => {
  const { peer, session } = raw();
  peer.transport.write(Buffer.concat([encodePing(2), encodePing(77)]));
  assert.deepEqual(await peer.saw("ping"), { type: "ping", id: 77 });
  assert.equal(peer.frames.length, 1);
  session.destroy();
});

test("a stream is answered at once, before anybody reads it; a refused one is reset instead", async () => {
  const { peer, session } = raw({ accept: (headers) => (headers.get("name") === "no" ? undefined : () => {}) });
  peer.open(1, "yes");
  peer.open(3, "no");
  assert.equal((await peer.saw("rstStream")).type, "rstStream");
  assert.deepEqual(
    peer.frames.map((frame) => [frame.type, "streamId" in frame && frame.streamId]),
    [
      ["synReply", 1],
      ["rstStream", 3],
    ],
  );
  session.destroy();
});

test("more streams than allowed are refused, until one has ended", async () => {
  const { peer, session, streams } = raw({ maxStreams: 2 });
  for (const streamId of [1, 3, 5]) peer.open(streamId, `s${streamId}`);
  const refused = await peer.saw("rstStream");
  assert.ok(refused.type === "rstStream" && refused.streamId === 5);
  streams.get("s1")?.destroy();
  peer.open(7, "s7");
  await until("there is room again", () => streams.has("s7"));
  session.destroy();
});

test("who breaks the rules is told by GOAWAY, and all streams end", async () => {
  const broken: readonly ((peer: RawPeer) => void)[] = [
    (peer) => peer.open(1, "again"),
    (peer) => peer.open(2, "even"),
    (peer) => peer.transport.write("GET / HTTP/1.1\r\n\r\n".replace("G", "\u0080")),
    (peer) => peer.transport.write(Buffer.from("80030008000000080000000100000000", "hex")),
  ];
  for (const breakRules of broken) {
    const { peer, session, streams } = raw();
    peer.open(1, "a");
    await until("it is open", () => streams.has("a"));
    breakRules(peer);
    const goAway = await peer.saw("goAway");
    assert.ok(goAway.type === "goAway" && goAway.status === 1);
    assert.ok(streams.get("a")?.destroyed);
    assert.match(String(session.signal.reason), /bad SPDY/);
    peer.transport.end();
    await session.closed;
  }
});

test("data after the end of its stream resets that stream alone", async () => {
  const { peer, session, streams } = raw();
  peer.open(1, "a", true);
  peer.open(3, "b");
  peer.transport.write(encodeData(1, [Buffer.from("x")], 1, false));
  const reset = await peer.saw("rstStream");
  assert.ok(reset.type === "rstStream" && reset.streamId === 1 && reset.status === 9);
  assert.equal(streams.get("b")?.destroyed, false);
  session.destroy();
});

test("a stream that is destroyed before both sides have ended is reset, one that has ended is not", async () => {
  const { peer, session, streams } = raw();
  peer.open(1, "peer ended", true);
  peer.open(3, "we ended");
  peer.open(5, "both ended", true);
  await until("they are open", () => streams.size === 3);
  streams.get("peer ended")?.destroy();
  for (const name of ["we ended", "both ended"]) streams.get(name)?.resume().end();
  await until("it has ended", () => streams.get("both ended")?.closed === true);
  streams.get("we ended")?.destroy();
  await until("both are reset", () => peer.frames.filter((frame) => frame.type === "rstStream").length === 2);
  assert.deepEqual(
    peer.frames.filter((frame) => frame.type === "rstStream"),
    [1, 3].map((streamId) => ({ type: "rstStream", streamId, status: 5 })),
  );
  session.destroy();
});

test("when the peer is gone, the signal aborts and every stream ends, without an uncaught error", async (t) => {
  const [clientSocket, serverSocket] = await sockets(t);
  const { streams, accept } = accepting();
  const server = new SpdySession(serverSocket, { idleTimeoutMs: 0, accept });
  const client = new SpdySession(clientSocket, { idleTimeoutMs: 0, role: "client" });
  await client.open([["name", "a"]]);
  clientSocket.resetAndDestroy();
  await server.closed;
  assert.ok(server.signal.aborted);
  const stream = streams.get("a");
  assert.ok(stream?.destroyed);
  await assert.rejects(
    new Promise<void>((resolve, reject) => stream.write("x", (error) => (error ? reject(error) : resolve()))),
  );
  await assert.rejects(client.open([["name", "b"]]));
});

test("GOAWAY of the peer ends the session with its last stream", async () => {
  const { peer, session, streams } = raw();
  peer.open(1, "a");
  peer.transport.write(encodeGoAway(0, 0));
  peer.open(3, "late");
  await until("it is open", () => streams.has("a"));
  await settle(10);
  assert.equal(session.signal.aborted, false);
  assert.equal(streams.has("late"), false);
  streams.get("a")?.destroy();
  assert.ok(session.signal.aborted);
});

test("close sends what was written, ends every stream, says GOAWAY, and takes what still comes", async (t) => {
  const [clientSocket, serverSocket] = await sockets(t);
  const { streams, accept } = accepting();
  const server = new SpdySession(serverSocket, { idleTimeoutMs: 0, accept });
  const client = new SpdySession(clientSocket, { idleTimeoutMs: 0, role: "client" });
  const stream = await client.open([["name", "a"]]);
  const written = pattern(3_000_000, 5);
  streams.get("a")?.write(written);
  const closed = server.close();
  const flood = setInterval(() => stream.writable && stream.write(Buffer.alloc(100_000)), 1);
  t.after(() => clearInterval(flood));
  assert.ok((await buffer(stream)).equals(written));
  clearInterval(flood);
  await client.close();
  await closed;
  assert.equal(server.signal.aborted, false);
});

test("only content keeps an idle session: pings do not", async () => {
  const clock = new FakeClock();
  const { peer, session, streams } = raw({ clock, idleTimeoutMs: 10_000 });
  peer.open(1, "a");
  await until("it is open", () => streams.has("a"));
  streams.get("a")?.resume();
  await clock.advance(9000);
  peer.transport.write(encodeData(1, [Buffer.from("x")], 1, false));
  await clock.advance(9000);
  streams.get("a")?.write("y");
  await clock.advance(9000);
  assert.equal(session.signal.aborted, false);
  peer.transport.write(encodePing(1));
  await peer.saw("ping");
  await clock.advance(1000);
  assert.ok(session.signal.aborted);
  assert.match(String(session.signal.reason), /nothing moved for 10000 ms/);
  await peer.saw("goAway");
  await clock.advance(5000);
  await session.closed;
  assert.equal(clock.pending, 0);
});

test("a peer that is not read is asked from time to time, so that its end is seen", async () => {
  const clock = new FakeClock();
  const { peer, session, streams } = raw({ clock });
  peer.open(1, "a");
  await until("it is open", () => streams.has("a"));
  const piece = Buffer.alloc(100_000);
  for (let round = 0; round < 4; round++) peer.transport.write(encodeData(1, [piece], piece.length, false));
  await until("it is full", () => (streams.get("a")?.cost ?? 0) > streamBuffer);
  assert.equal(
    peer.frames.some((frame) => frame.type === "ping"),
    false,
  );
  await clock.advance(5000);
  assert.deepEqual(await peer.saw("ping"), { type: "ping", id: 2 });
  streams.get("a")?.resume();
  await settle(20);
  assert.equal(clock.pending, 0);
  session.destroy();
});
