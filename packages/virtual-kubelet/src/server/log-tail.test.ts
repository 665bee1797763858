import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { logTail, mostHeld } from "./log-tail.ts";

/** The log twice the same, or longer the second time. */
async function tail(pieces: readonly string[], lines: number, withRest: boolean, most?: number, later = "") {
  let readings = 0;
  const data = async function* (more = ""): AsyncGenerator<Uint8Array> {
    readings++;
    if (more === "") for (const piece of pieces) yield Buffer.from(piece, "latin1");
    // Cut elsewhere the second time.
    else yield Buffer.from(pieces.join("") + more, "latin1");
  };
  const again = async (): Promise<AsyncIterable<Uint8Array>> => data(later);
  const got = { rest: "", tail: "", readings: 0 };
  for await (const { bytes, isTail } of logTail(data(), { lines, withRest, again, mostHeld: most })) {
    // Looked at once: the bytes are only lent.
    const text = Buffer.from(bytes).toString("latin1");
    if (isTail) got.tail += text;
    else {
      assert.equal(got.tail, "", "the rest comes before the tail");
      got.rest += text;
    }
  }
  got.readings = readings;
  return got;
}

function model(text: string, lines: number): { readonly rest: string; readonly tail: string } {
  const all = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const from = Math.max(0, all.length - lines);
  return { rest: all.slice(0, from).join(""), tail: all.slice(from).join("") };
}

// Blocks hold 64 KiB, so some lines and pieces must be longer than that.
const piece = fc.oneof(
  fc.array(fc.constantFrom("\n", "a\n", "b", "", "line of words\n"), { maxLength: 6 }).map((parts) => parts.join("")),
  fc.constantFrom("x".repeat(70_000), `${"y".repeat(40_000)}\n`, "z\n".repeat(40_000)),
);

test("the last lines of any log are found, and in one reading when they are few", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 8 }),
      fc.oneof(fc.nat(6), fc.constantFrom(39_999, 40_000, 1_000_000)),
      fc.boolean(),
      fc.constantFrom(undefined, 100_000, 1),
      async (pieces, lines, withRest, most) => {
        const expected = model(pieces.join(""), lines);
        const got = await tail(pieces, lines, withRest, most, "written meanwhile\n");
        assert.equal(got.tail === expected.tail, true, "the tail is right");
        assert.equal(got.rest === (withRest ? expected.rest : ""), true, "the rest is right");
        if (most === undefined) assert.equal(got.readings, 1);
      },
    ),
    { numRuns: 300 },
  );
});

test("lines that are too much to be held are found by a second reading", async () => {
  const line = `${"x".repeat(1023)}\n`;
  const pieces = Array.from({ length: 12_000 }, () => line);
  const got = await tail(pieces, 10_000, true);
  assert.equal(got.readings, 2);
  assert.equal(got.tail.length, 10_000 * 1024);
  assert.equal(got.rest.length, 2000 * 1024);
});

test("what was passed over as no part of the tail is not told again by the second reading", async () => {
  const pieces = ["z\n".repeat(60_000), `${"x".repeat(70_000)}\n`];
  const got = await tail(pieces, 2, true, 100_000);
  assert.equal(got.readings, 2);
  assert.equal(got.tail, `z\n${pieces[1]}`);
  assert.equal(got.rest.length, 120_000 - 2);
});

test("the tail of a log of a gigabyte needs no memory to speak of", async () => {
  const chunk = Buffer.from(`${"x".repeat(127)}\n`.repeat(512));
  const endless = Buffer.alloc(chunk.length, "y");
  for (const [piece, lines, readings] of [
    [chunk, 10, 1],
    [endless, 1, 2],
  ] as const) {
    let read = 0;
    let most = 0;
    const before = process.memoryUsage().arrayBuffers;
    const data = async function* (): AsyncGenerator<Uint8Array> {
      read++;
      for (let left = 1024 ** 3 / readings; left > 0; left -= piece.length) {
        yield piece;
        if (left % (64 * piece.length) === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
    };
    let bytes = 0;
    for await (const part of logTail(data(), { lines, withRest: false, again: async () => data() })) {
      bytes += part.bytes.length;
    }
    assert.equal(read, readings);
    assert.equal(bytes, readings === 1 ? 1280 : 1024 ** 3 / 2);
    assert.ok(most < mostHeld + 1024 * 1024, `${most} bytes were held`);
  }
});
