import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TerminalSize } from "./remote-command.ts";
import { TerminalSizes } from "./terminal-sizes.ts";

async function rest(sizes: TerminalSizes): Promise<TerminalSize[]> {
  sizes.end();
  return await Array.fromAsync(sizes);
}

for (const { name, text, is } of [
  { name: "as clients write it", text: '{"Width":80,"Height":24}\n', is: { width: 80, height: 24 } },
  { name: "whatever the case", text: '{"height":1,"WIDTH":2}', is: { width: 2, height: 1 } },
  { name: "only the newest", text: '{"Width":1,"Height":1}{"Width":2,"Height":3}', is: { width: 2, height: 3 } },
  {
    name: "the good one among bad ones",
    text: 'x}{"Width":-1,"Height":1}{"Width":5,"Height":6}[]}{"Width":70000,"Height":1}',
    is: { width: 5, height: 6 },
  },
  {
    name: "after one without an end",
    text: `{${"x".repeat(100_000)}}{"Width":5,"Height":6}`,
    is: { width: 5, height: 6 },
  },
  { name: "none", text: '{"Width":5}{}null"}"', is: undefined },
]) {
  test(`a size is read: ${name}`, async () => {
    const sizes = new TerminalSizes();
    sizes.receive(Buffer.from(text));
    assert.deepEqual(await rest(sizes), is === undefined ? [] : [is]);
  });
}

test("sizes are read wherever the stream is cut, and each is given to a reader that waits", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ width: fc.nat(65535), height: fc.nat(65535) }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(200), { maxLength: 5 }),
      async (wanted, cuts) => {
        const sizes = new TerminalSizes();
        const iterator = sizes[Symbol.asyncIterator]();
        for (const { width, height } of wanted) {
          const text = Buffer.from(JSON.stringify({ Width: width, Height: height }));
          const places = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length];
          for (const [index, place] of places.entries()) sizes.receive(text.subarray(places[index - 1] ?? 0, place));
          assert.deepEqual(await iterator.next(), { done: false, value: { width, height } });
        }
        sizes.end();
        assert.deepEqual(await iterator.next(), { done: true, value: undefined });
      },
    ),
  );
});

test("no input makes it throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => new TerminalSizes().receive(bytes)));
});
