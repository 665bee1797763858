import assert from "node:assert/strict";
import { test } from "node:test";
import { isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import fc from "fast-check";
import { StdcopyDecoder } from "./stdcopy.ts";

function frame(type: number, data: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = sizes.length === 0 ? bytes.length : (sizes[index % sizes.length] ?? 1);
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return parts;
}

const piece = fc.record({ type: fc.constantFrom(0, 1, 2), data: fc.uint8Array({ maxLength: 40 }) });

test("pieces cut anywhere come out as they were put in", () => {
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.integer({ min: 1, max: 20 })), (pieces, sizes) => {
      const wire = Buffer.concat(pieces.map(({ type, data }) => frame(type, data)));
      const decoder = new StdcopyDecoder();
      const got = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
      const order: string[] = [];
      for (const part of cut(wire, sizes))
        for (const { stream, data } of decoder.feed(part)) {
          got[stream] = Buffer.concat([got[stream], data]);
          order.push(...Array.from(data, (byte) => `${stream} ${byte}`));
        }
      decoder.end();
      const expected = pieces.flatMap(({ type, data }) =>
        Array.from(data, (byte) => `${type === 2 ? "stderr" : "stdout"} ${byte}`),
      );
      assert.deepEqual(order, expected);
    }),
  );
});

test("what is cut off is told", () => {
  fc.assert(
    fc.property(piece, fc.nat(), (one, at) => {
      const wire = frame(one.type, one.data);
      const decoder = new StdcopyDecoder();
      const part = wire.subarray(0, at % wire.length);
      Array.from(decoder.feed(part));
      if (part.length === 0) decoder.end();
      else
        assert.throws(
          () => decoder.end(),
          (error) => isErrorKind(error, "Unavailable"),
        );
    }),
  );
});

test("any bytes are taken, or refused in one way; nothing is kept of them", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (chunks) => {
      const decoder = new StdcopyDecoder();
      let out = 0;
      try {
        for (const chunk of chunks) for (const { data } of decoder.feed(chunk)) out += data.length;
      } catch (error) {
        assert.ok(isErrorKind(error, "Unavailable"));
      }
      assert.ok(out <= chunks.reduce((sum, { length }) => sum + length, 0));
    }),
  );
});

test("output of a terminal is not taken for pieces", () => {
  assert.throws(() => Array.from(new StdcopyDecoder().feed(Buffer.from("hello world\n"))), /not in pieces/);
  assert.throws(
    () => Array.from(new StdcopyDecoder().feed(Buffer.from([1, 0, 0, 9, 0, 0, 0, 1, 65]))),
    /not in pieces/,
  );
});
