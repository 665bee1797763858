// What no client of Kubernetes sends over SPDY: the process goes on, memory stays bounded, and who broke the rules is told so.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import * as v from "valibot";
import { settle } from "../testing/fake-clock.ts";
import { encodeData, encodePing, encodeSynStream, type SpdyFrame, SpdyFrameParser } from "./spdy-frames.ts";
import { HeaderDeflater } from "./spdy-headers.ts";
import { spdyPortForward } from "./spdy-port-forward.ts";
import { sessionBuffer } from "./spdy-reader.ts";
import { SpdySession } from "./spdy-session.ts";
import type { SpdyStream } from "./spdy-stream.ts";

/** `ends`: the session ends, with a GOAWAY; else it goes on, unless it `waits` for the rest of a frame. */
const corpusSchema = v.array(
  v.object({ name: v.string(), hex: v.string(), ends: v.boolean(), waits: v.optional(v.boolean()) }),
);
const file = join(import.meta.dirname, "testdata/spdy-frames.json");
const corpus = v.parse(corpusSchema, JSON.parse(readFileSync(file, "utf8")));

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Bytes of memory in use, garbage left out: handles of zlib take two rounds to go. */
async function kept(): Promise<number> {
  for (let round = 0; round < 2 && typeof collect === "function"; round++) {
    collect();
    await settle(20);
  }
  if (typeof collect === "function") collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

interface Target {
  readonly session: SpdySession;
  readonly peer: Duplex;
  readonly answers: SpdyFrame[];
  readonly streams: SpdyStream[];
}

/** A session that takes every stream, and reads those with an id that is dividable by three. */
function target(): Target {
  const [near, peer] = duplexPair();
  const streams: SpdyStream[] = [];
  const session = new SpdySession(near, {
    idleTimeoutMs: 0,
    accept: () => (stream) => {
      streams.push(stream);
      if (stream.streamId % 3 === 0) stream.resume();
    },
  });
  const answers: SpdyFrame[] = [];
  const parser = new SpdyFrameParser();
  peer.on("data", (chunk: Buffer) => {
    parser.push(chunk);
    for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
      // A block shares memory with much else.
      if (frame.type !== "synReply") answers.push(frame);
    }
  });
  peer.on("error", () => {});
  return { session, peer, answers, streams };
}

for (const { name, hex, ends, waits } of corpus) {
  test(`${name}: ${ends ? "told by GOAWAY" : "nothing happens"}`, async () => {
    const whole = Buffer.from(hex, "hex");
    for (const size of [whole.length, 1, 7]) {
      const { session, peer, answers } = target();
      for (let at = 0; at < whole.length; at += size) peer.write(whole.subarray(at, at + size));
      await settle();
      if (!ends && waits !== true) {
        peer.write(encodePing(12345));
        await settle();
        assert.deepEqual(answers.at(-1), { type: "ping", id: 12345 });
      }
      assert.equal(session.signal.aborted, ends);
      assert.equal(
        answers.some((frame) => frame.type === "goAway" && frame.status === 1),
        ends,
      );
      session.destroy();
      await session.closed;
    }
  });
}

/** A conversation of a well-behaved client, to be spoiled. */
const conversation = fc
  .array(
    fc.oneof(
      fc.record({
        open: fc.dictionary(fc.constantFrom("streamtype", "port", "requestid"), fc.string({ maxLength: 8 })),
      }),
      fc.record({ stream: fc.nat(20), data: fc.uint8Array({ maxLength: 200 }), fin: fc.boolean() }),
      fc.record({ ping: fc.nat() }),
      fc.record({ seed: fc.nat(corpus.length - 1) }),
    ),
    { minLength: 1, maxLength: 25 },
  )
  .map((acts) => {
    const deflater = new HeaderDeflater();
    let next = 1;
    return Buffer.concat(
      acts.map((act) => {
        if ("open" in act) {
          next += 2;
          return encodeSynStream(next - 2, deflater.deflate(Object.entries(act.open)), false);
        }
        if ("ping" in act) return encodePing(act.ping);
        if ("seed" in act) return Buffer.from(corpus[act.seed]?.hex ?? "", "hex");
        return encodeData(2 * act.stream + 1, [Buffer.from(act.data)], act.data.length, act.fin);
      }),
    );
  });

const spoiling = fc.array(
  fc.record({
    at: fc.nat(),
    how: fc.constantFrom("flip", "drop", "double", "insert", "zero"),
    size: fc.integer({ min: 1, max: 30 }),
    bytes: fc.uint8Array({ maxLength: 20 }),
  }),
  { maxLength: 6 },
);

function spoil(whole: Buffer, spoils: typeof spoiling extends fc.Arbitrary<infer T> ? T : never): Buffer {
  let bytes = Buffer.from(whole);
  for (const { at: place, how, size, bytes: more } of spoils) {
    const at = bytes.length === 0 ? 0 : place % bytes.length;
    const [before, some, after] = [bytes.subarray(0, at), bytes.subarray(at, at + size), bytes.subarray(at + size)];
    if (how === "flip")
      bytes = Buffer.concat([before, some.map((byte, index) => byte ^ (1 << ((place + index) % 8))), after]);
    else if (how === "drop") bytes = Buffer.concat([before, after]);
    else if (how === "double") bytes = Buffer.concat([before, some, some, after]);
    else if (how === "insert") bytes = Buffer.concat([before, more, some, after]);
    else bytes = Buffer.concat([before, Buffer.alloc(some.length), after]);
  }
  return bytes;
}

test("no bytes crash a session or port-forward, or leave anything behind", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtExceptionMonitor", note);
  await fc.assert(
    fc.asyncProperty(conversation, spoiling, fc.integer({ min: 1, max: 300 }), async (whole, spoils, size) => {
      const bytes = spoil(whole, spoils);
      const { session, peer, streams } = target();
      const [near, tunnel] = duplexPair();
      const forward = spdyPortForward(near, Buffer.alloc(0), { idleTimeoutMs: 0, creationTimeoutMs: 0 });
      tunnel.on("error", () => {}).resume();
      for (let at = 0; at < bytes.length; at += size) {
        for (const end of [peer, tunnel]) if (end.writable) end.write(bytes.subarray(at, at + size));
        if (at % 3 === 0) await settle(1);
      }
      await settle(2);
      session.destroy();
      tunnel.destroy();
      near.destroy();
      await session.closed;
      assert.ok(streams.every((stream) => stream.destroyed && stream.cost === 0));
      for await (const connection of forward.connections) connection.fail("no");
      assert.ok(forward.signal.aborted);
    }),
    { numRuns: 300 },
  );
  process.off("uncaughtExceptionMonitor", note);
  assert.deepEqual(uncaught, []);
});

test("a thousand unread streams are held to the bound of the session", async () => {
  const { session, peer, streams } = target();
  const deflater = new HeaderDeflater();
  const before = await kept();
  const piece = Buffer.alloc(1000, 1);
  let taken = 0;
  let written = 0;
  const took = (): void => {
    taken++;
  };
  for (let index = 0; index < 1000; index++) peer.write(encodeSynStream(6 * index + 1, deflater.deflate([]), false));
  for (let idle = 0; idle < 20 && written < 20_000; idle++) {
    await settle(2);
    // So that what waits to be taken does not count as kept.
    for (; written < taken + 100; written++, idle = 0) {
      peer.write(encodeData(6 * (written % 1000) + 1, [piece], piece.length, false), took);
    }
  }
  const cost = streams.reduce((sum, stream) => sum + stream.cost, 0);
  assert.equal(streams.length, 1000);
  assert.ok(cost > 0.9 * sessionBuffer && cost < 1.1 * sessionBuffer, `${cost} buffered`);
  assert.ok(taken < 3000, `${taken} of 20000 taken`);
  const grown = (await kept()) - before;
  assert.ok(grown < 16 * 1024 * 1024, `${grown} bytes kept`);
  session.destroy();
});

test("a small unread piece does not keep the chunk it came in", async () => {
  const { session, peer, streams } = target();
  const deflater = new HeaderDeflater();
  for (const streamId of [1, 3]) peer.write(encodeSynStream(streamId, deflater.deflate([]), false));
  await settle();
  const before = await kept();
  for (let index = 0; index < 500; index++) {
    // Mostly for stream 3, which is read; a byte for stream 1, which is not.
    const read = encodeData(3, [Buffer.alloc(60_000)], 60_000, false);
    peer.write(Buffer.concat([read, encodeData(1, [Buffer.from("x")], 1, false)]));
    await settle(1);
  }
  const grown = (await kept()) - before;
  assert.ok((streams[0]?.cost ?? 0) > 500 && grown < 2 * 1024 * 1024, `${grown} bytes kept`);
  session.destroy();
});

test("sessions that are fed and left leave no memory behind", async () => {
  const run = async (): Promise<void> => {
    for (const { hex } of corpus) {
      const { session, peer } = target();
      peer.write(Buffer.from(hex, "hex"));
      await settle(2);
      session.destroy();
      await session.closed;
    }
  };
  await run();
  const before = await kept();
  for (let round = 0; round < 20; round++) await run();
  const grown = (await kept()) - before;
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes grown`);
});
