// Streams between commands: nothing is lost or held in plenty, and an end is heard on both sides.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { settle } from "../../../testing/fake-clock.ts";
import { copy, Input, inputFrom, outputTo, pipe, print } from "./bytes.ts";

const never = new AbortController().signal;

function inputOf(...chunks: readonly string[]): Input {
  const left = chunks.map((chunk) => Buffer.from(chunk));
  return new Input(async () => left.shift());
}

test("lines and bytes are read as they were written, however they were cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom(..."ab\n") })), async (chunks) => {
      const lines: string[] = [];
      const input = inputOf(...chunks);
      for (let line = await input.readLine(); line !== undefined; line = await input.readLine()) lines.push(line);
      const whole = chunks.join("");
      assert.deepEqual(lines, whole === "" ? [] : whole.replace(/\n$/, "").split("\n"));
      const bytes = inputOf(...chunks);
      assert.equal(Buffer.from(await bytes.take(5)).toString("utf8"), whole.slice(0, 5));
      assert.equal(Buffer.from(await bytes.take(1000)).toString("utf8"), whole.slice(5));
    }),
  );
});

test("a line without an end is cut at the limit", async () => {
  const input = inputOf("abcdef", "gh\ni", "jklmno\np");
  const lines: (string | undefined)[] = [];
  while (lines.at(-1) !== undefined || lines.length === 0) lines.push(await input.readLine(4));
  assert.deepEqual(lines, ["abcd", "efgh", "ijkl", "mno", "p", undefined]);
});

test("a pipe holds one chunk: its writer waits for the reader, and hears when it has left", async () => {
  const { input, output, end } = pipe(never);
  let written = 0;
  const writing = (async () => {
    while (await print(output, "x")) written += 1;
  })();
  await settle();
  assert.equal(written, 1);
  assert.equal((await input.read())?.length, 1);
  await settle();
  assert.equal(written, 2);
  input.close();
  await writing;
  end();
});

test("a pipe that is aborted wakes both sides", async () => {
  const stop = new AbortController();
  const empty = pipe(stop.signal);
  const full = pipe(stop.signal);
  const reading = empty.input.read();
  await print(full.output, "x");
  const writing = print(full.output, "y");
  stop.abort();
  assert.deepEqual([await reading, await writing], [undefined, false]);
});

test("a slow client holds its writer back, and one that is gone ends it", async () => {
  const stream = new PassThrough({ highWaterMark: 10 });
  const output = outputTo(stream, never);
  let written = 0;
  const writing = (async () => {
    while (await print(output, "0123456789")) written += 1;
  })();
  await settle();
  const held = written;
  assert.ok(held <= 3, `${held} chunks were taken`);
  stream.read();
  await settle();
  assert.ok(written > held);
  stream.destroy();
  await writing;
});

test("what a client sends is read to its end; its failure is an end", async () => {
  const stream = new PassThrough();
  const collected = new PassThrough();
  stream.end("all of it");
  assert.equal(await copy(inputFrom(stream, never), outputTo(collected, never)), true);
  assert.equal(String(collected.read()), "all of it");
  const broken = new PassThrough();
  broken.on("error", () => {});
  const reading = inputFrom(broken, never).read();
  broken.destroy(new Error("reset"));
  assert.equal(await reading, undefined);
});
