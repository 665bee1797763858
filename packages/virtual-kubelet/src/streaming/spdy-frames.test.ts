// SPDY frames: the bytes of each, any cut of them, and what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isErrorKind } from "../errors.ts";
import {
  encodeData,
  encodeDataHeader,
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  encodeSynStream,
  longestControlFrame,
  longestDataFrame,
  type SpdyFrame,
  SpdyFrameParser,
} from "./spdy-frames.ts";

const text = (value: string): Buffer => Buffer.from(value, "latin1");

const frames: readonly { readonly frame: SpdyFrame; readonly hex: string }[] = [
  { frame: { type: "data", streamId: 5, data: text("hi"), fin: false }, hex: "00000005 00000002 6869" },
  { frame: { type: "data", streamId: 5, data: text("hi"), fin: true }, hex: "00000005 01000002 6869" },
  { frame: { type: "data", streamId: 5, data: text(""), fin: true }, hex: "00000005 01000000" },
  {
    frame: { type: "synStream", streamId: 1, fin: false, unidirectional: false, block: text("ab") },
    hex: "80030001 0000000c 00000001 00000000 0000 6162",
  },
  {
    frame: { type: "synStream", streamId: 1, fin: true, unidirectional: false, block: text("ab") },
    hex: "80030001 0100000c 00000001 00000000 0000 6162",
  },
  { frame: { type: "synReply", streamId: 3, fin: false, block: text("a") }, hex: "80030002 00000005 00000003 61" },
  { frame: { type: "rstStream", streamId: 3, status: 5 }, hex: "80030003 00000008 00000003 00000005" },
  { frame: { type: "ping", id: 7 }, hex: "80030006 00000004 00000007" },
  { frame: { type: "goAway", lastGoodStreamId: 9, status: 1 }, hex: "80030007 00000008 00000009 00000001" },
];

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

function encode(frame: SpdyFrame): Buffer {
  switch (frame.type) {
    case "data":
      return encodeData(frame.streamId, [frame.data], frame.data.length, frame.fin);
    case "synStream":
      return encodeSynStream(frame.streamId, frame.block, frame.fin);
    case "synReply":
      return encodeSynReply(frame.streamId, frame.block);
    case "rstStream":
      return encodeRstStream(frame.streamId, frame.status);
    case "ping":
      return encodePing(frame.id);
    case "goAway":
      return encodeGoAway(frame.lastGoodStreamId, frame.status);
    case "headers":
      throw new Error("never sent");
  }
}

/** All frames, with the pieces of a data frame put together. */
function parse(chunks: Iterable<Buffer>): SpdyFrame[] {
  const parser = new SpdyFrameParser();
  const found: SpdyFrame[] = [];
  for (const chunk of chunks) {
    parser.push(chunk);
    for (let frame = parser.next(); frame !== undefined; frame = parser.next()) found.push(frame);
  }
  return joined(found);
}

/** Where a data frame ends shows only by FIN: runs of data of one stream count as one. */
function joined(frames: readonly SpdyFrame[]): SpdyFrame[] {
  const result: SpdyFrame[] = [];
  for (const frame of frames) {
    const last = result.at(-1);
    if (frame.type === "data" && last?.type === "data" && last.streamId === frame.streamId && !last.fin) {
      result[result.length - 1] = { ...frame, data: Buffer.concat([last.data, frame.data]) };
    } else result.push(frame);
  }
  return result;
}

function* cut(whole: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let index = 0; at < whole.length; index++) {
    const size = sizes[index % sizes.length] ?? whole.length;
    yield Buffer.from(whole.subarray(at, at + size));
    at += size;
  }
}

for (const { frame, hex } of frames) {
  test(`${frame.type} is ${hex}`, () => {
    assert.equal(encode(frame).toString("hex"), bytes(hex).toString("hex"));
    assert.deepEqual(parse([bytes(hex)]), [frame]);
  });
}

const streamId = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const block = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const anyFrame: fc.Arbitrary<SpdyFrame> = fc.oneof(
  fc
    .record({ streamId, data: block, fin: fc.boolean() })
    .map((frame) => ({ type: "data" as const, ...frame }))
    .filter((frame) => frame.fin || frame.data.length > 0),
  fc
    .record({ streamId, block, fin: fc.boolean() })
    .map((frame) => ({ type: "synStream" as const, unidirectional: false, ...frame })),
  fc.record({ streamId, block }).map((frame) => ({ type: "synReply" as const, fin: false, ...frame })),
  fc.record({ streamId, status: fc.nat() }).map((frame) => ({ type: "rstStream" as const, ...frame })),
  fc.nat().map((id) => ({ type: "ping" as const, id })),
  fc.record({ lastGoodStreamId: fc.nat(), status: fc.nat() }).map((frame) => ({ type: "goAway" as const, ...frame })),
);

test("frames come back as they were, however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (list, sizes) => {
        const whole = Buffer.concat(list.map(encode));
        assert.deepEqual(parse(cut(whole, sizes)), joined(list));
      },
    ),
  );
});

test("frames without a meaning here are passed over: settings, windows, unknown ones", () => {
  const settings = "80030004 0000000c 00000001 00000007 00000400";
  const window = "80030009 00000008 00000001 00010000";
  const unknown = "80030abc 00000003 010203";
  const emptyData = "00000001 00000000";
  const ping = "80030006 00000004 00000001";
  assert.deepEqual(parse([bytes(`${settings} ${window} ${unknown} ${emptyData} ${ping}`)]), [{ type: "ping", id: 1 }]);
});

test("data is handed on before its frame has ended, without a copy", () => {
  const parser = new SpdyFrameParser();
  parser.push(encodeDataHeader(1, longestDataFrame, true));
  assert.equal(parser.next(), undefined);
  const piece = Buffer.alloc(1000, 7);
  parser.push(piece);
  const frame = parser.next();
  assert.ok(frame?.type === "data");
  assert.equal(frame.data.length, 1000);
  assert.equal(frame.data.buffer, piece.buffer);
  assert.equal(frame.fin, false);
});

const refused: readonly { readonly what: string; readonly hex: string }[] = [
  { what: "another version", hex: "80020006 00000004 00000001" },
  { what: "HTTP", hex: Buffer.from("GET / HTTP/1.1\r\n\r\n").toString("hex").replace(/^47/, "c7") },
  {
    what: "a control frame that is too long",
    hex: `80030001 ${(longestControlFrame + 1).toString(16).padStart(8, "0")}`,
  },
  { what: "data for stream 0", hex: "00000000 00000001 00" },
  { what: "a SYN_STREAM for stream 0", hex: "80030001 0000000a 00000000 00000000 0000" },
  { what: "a SYN_STREAM that is too short", hex: "80030001 00000009 00000001 00000000 00" },
  { what: "a SYN_REPLY that is too short", hex: "80030002 00000003 000000" },
  { what: "a HEADERS that is too short", hex: "80030008 00000000 00000000" },
  { what: "an RST_STREAM that is too long", hex: "80030003 00000009 00000001 00000001 00" },
  { what: "a PING that is too short", hex: "80030006 00000002 0000" },
  { what: "a GOAWAY of SPDY/2", hex: "80030007 00000004 00000001" },
];

for (const { what, hex } of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => parse([bytes(hex)]),
      (error) => isErrorKind(error, "Invalid"),
    );
  });
}
