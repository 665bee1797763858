// Header blocks of SPDY: against zlib in both directions, against bytes of a Go client, and what is refused.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { constants, createDeflate, createInflate, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { isErrorKind } from "../errors.ts";
import { spdyDictionary, spdyDictionaryId } from "./spdy-dictionary.ts";
import {
  encodeHeaderBlock,
  HeaderDeflater,
  HeaderInflater,
  longestHeaderBlock,
  parseHeaderBlock,
} from "./spdy-headers.ts";

type Headers = readonly (readonly [string, string])[];

/** One direction of a connection as zlib writes it: a block of bytes for each list of headers. */
async function zlibBlocks(lists: readonly Buffer[], level: number, dictionary?: Buffer): Promise<Buffer[]> {
  const deflate = createDeflate({ level, ...(dictionary && { dictionary }) });
  const blocks: Buffer[] = [];
  for (const list of lists) {
    const parts: Buffer[] = [];
    const collect = (part: Buffer): void => void parts.push(part);
    deflate.on("data", collect);
    deflate.write(list);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    deflate.off("data", collect);
    blocks.push(Buffer.concat(parts));
  }
  deflate.destroy();
  return blocks;
}

function refuses(work: () => unknown): void {
  assert.throws(work, (error) => isErrorKind(error, "Invalid"));
}

test("the dictionary has the length and the checksum that the specification's has", () => {
  let [a, b] = [1, 0];
  for (const byte of spdyDictionary) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  assert.equal(spdyDictionary.length, 1423);
  assert.equal(b * 65536 + a, spdyDictionaryId);
});

test("blocks of a Go client are read, each with those before it", () => {
  const inflater = new HeaderInflater();
  const blocks = [
    ["78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff", "error"],
    ["c22e555c92929907000000ffff", "stdin"],
    ["c22ac5565c92925f5a02000000ffff", "stdout"],
    ["c229975a5404000000ffff", "stderr"],
  ] as const;
  for (const [hex, type] of blocks) {
    assert.deepEqual([...inflater.inflate(Buffer.from(hex, "hex"))], [["streamtype", type]]);
  }
});

const name = fc.string({ minLength: 1, maxLength: 20 }).map((text) => text.toLowerCase());
const headers = fc.uniqueArray(
  fc.tuple(
    name,
    fc.string({ maxLength: 200 }).map((value) => value.replaceAll("\0", "")),
  ),
  {
    selector: ([key]) => key,
    maxLength: 12,
  },
);

test("what zlib compressed is read, at any level, with and without the dictionary", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(headers, { maxLength: 30 }), fc.nat(9), fc.boolean(), async (lists, level, known) => {
      const blocks = await zlibBlocks(lists.map(encodeHeaderBlock), level, known ? spdyDictionary : undefined);
      const inflater = new HeaderInflater();
      for (const [index, block] of blocks.entries()) assert.deepEqual([...inflater.inflate(block)], lists[index]);
    }),
    { numRuns: 50 },
  );
});

test("references reach back over many blocks, as far as the window", async () => {
  const random = (seed: number): string => {
    let state = seed;
    return Array.from({ length: 1500 }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return String.fromCharCode(97 + (state % 26));
    }).join("");
  };
  const lists: Headers[] = Array.from({ length: 80 }, (_, index) => [["x", random(1 + (index % 20))]]);
  const inflater = new HeaderInflater();
  const blocks = await zlibBlocks(lists.map(encodeHeaderBlock), 9, spdyDictionary);
  assert.ok((blocks[79]?.length ?? 0) < 100, "the last block is made of references");
  for (const [index, block] of blocks.entries()) assert.deepEqual([...inflater.inflate(block)], lists[index]);
});

test("zlib reads what we wrote", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(headers, { minLength: 1, maxLength: 10 }), async (lists) => {
      const inflate = createInflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH });
      const deflater = new HeaderDeflater();
      for (const list of lists) {
        inflate.write(deflater.deflate(list));
        const text: Buffer[] = [];
        const expected = encodeHeaderBlock(list);
        for (let length = 0; length < expected.length; ) {
          const part: unknown = inflate.read();
          if (part instanceof Buffer) {
            text.push(part);
            length += part.length;
          } else await once(inflate, "readable");
        }
        assert.deepEqual(Buffer.concat(text), expected);
      }
      inflate.destroy();
    }),
    { numRuns: 50 },
  );
});

test("a bomb is refused before it is inflated in full", async () => {
  const [small, bomb] = await zlibBlocks(
    [encodeHeaderBlock([["a", "b"]]), encodeHeaderBlock([["a", "x".repeat(longestHeaderBlock)]])],
    9,
    spdyDictionary,
  );
  assert.ok(small !== undefined && bomb !== undefined && bomb.length < 200);
  const inflater = new HeaderInflater();
  inflater.inflate(small);
  refuses(() => inflater.inflate(bomb));
});

const badBlocks: readonly { readonly what: string; readonly block: Buffer }[] = [
  { what: "nothing", block: Buffer.alloc(0) },
  { what: "no zlib", block: Buffer.from("000000000000ffff", "hex") },
  { what: "another dictionary", block: Buffer.from("78f9e3c6a7c3000400fbff00000000000000ffff", "hex") },
  { what: "no sync flush", block: Buffer.from("78f9e3c6a7c2000400fbff00000000", "hex") },
  { what: "a broken deflate block", block: Buffer.from("78f9e3c6a7c2ffffffff0000ffff", "hex") },
  { what: "an empty text", block: Buffer.from("78f9e3c6a7c2000000ffff", "hex") },
];

for (const { what, block } of badBlocks) {
  test(`refused as a block: ${what}`, () => refuses(() => new HeaderInflater().inflate(block)));
}

test("names lose their case, of several values the first counts", () => {
  const text = encodeHeaderBlock([["StreamType", "data\0error"]]);
  assert.deepEqual([...parseHeaderBlock(text)], [["streamtype", "data"]]);
  const upper = Buffer.from("000000010000000150000000013a", "hex");
  assert.deepEqual([...parseHeaderBlock(upper)], [["p", ":"]]);
});

const badTexts: readonly { readonly what: string; readonly hex: string }[] = [
  { what: "cut count", hex: "000000" },
  { what: "too many headers", hex: "000000ff" },
  { what: "a name longer than the text", hex: "00000001ffffffff61" },
  { what: "a header without a value", hex: "000000010000000161" },
  { what: "a header without a name", hex: "000000010000000000000000" },
  { what: "a header twice", hex: "0000000200000001610000000000000001610000 0000".replaceAll(" ", "") },
];

for (const { what, hex } of badTexts) {
  test(`refused as a text: ${what}`, () => refuses(() => parseHeaderBlock(Buffer.from(hex, "hex"))));
}

test("any bytes are headers or refused, and never more than the bound", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      const raw = deflateRawSync(Buffer.from(noise), { finishFlush: constants.Z_SYNC_FLUSH });
      for (const block of [Buffer.from(noise), Buffer.concat([Buffer.from("78f9e3c6a7c2", "hex"), raw])]) {
        try {
          new HeaderInflater().inflate(block);
        } catch (error) {
          assert.ok(isErrorKind(error, "Invalid"));
        }
      }
    }),
  );
});
