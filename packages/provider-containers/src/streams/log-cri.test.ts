import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CriLines } from "./log-cri.ts";

const time = "2026-01-02T03:04:05.678901234Z";

function lines(pieces: readonly (readonly ["stdout" | "stderr", string])[]): string {
  const codec = new CriLines();
  const out = pieces.map(([stream, text]) => codec.feed({ stream, data: Buffer.from(text) }));
  return Buffer.concat([...out, codec.end()]).toString();
}

const table: readonly (readonly [string, Parameters<typeof lines>[0], string])[] = [
  ["one line", [["stdout", `${time} hello\n`]], `${time} stdout F hello\n`],
  ["an empty line", [["stderr", `${time} \n`]], `${time} stderr F \n`],
  [
    "cut in its time",
    [
      ["stdout", time.slice(0, 9)],
      ["stdout", `${time.slice(9)} a\n`],
    ],
    `${time} stdout F a\n`,
  ],
  [
    "streams in turns",
    [
      ["stdout", `${time} a`],
      ["stderr", `${time} b\n`],
      ["stdout", "c\n"],
    ],
    `${time} stderr F b\n${time} stdout F ac\n`,
  ],
  ["without its end", [["stdout", `${time} a`]], `${time} stdout P a\n`],
  ["seconds and an offset", [["stdout", "2026-01-02T03:04:05+01:00 a\n"]], "2026-01-02T03:04:05+01:00 stdout F a\n"],
  ["without a time", [["stdout", "a b\n"]], "1970-01-01T00:00:00.000000000Z stdout F a b\n"],
];
for (const [name, pieces, expected] of table) test(name, () => assert.equal(lines(pieces), expected));

test("a line longer than is kept goes on in parts of one time", () => {
  const text = "x".repeat(200_000);
  const chunks = `${time} ${text}\n`.match(/.{1,1000}\n?/gs) ?? [];
  const got = lines(chunks.map((chunk) => ["stdout", chunk] as const))
    .trimEnd()
    .split("\n");
  assert.ok(got.length > 2);
  for (const [index, line] of got.entries())
    assert.ok(line.startsWith(`${time} stdout ${index === got.length - 1 ? "F" : "P"} `));
  assert.equal(got.map((line) => line.slice(time.length + " stdout F ".length)).join(""), text);
});

test("however they are cut, each stream's lines are the same", () => {
  const line = fc.record({ stream: fc.constantFrom("stdout" as const, "stderr" as const), text: fc.string() });
  fc.assert(
    fc.property(fc.array(line), fc.integer({ min: 1, max: 30 }), (all, size) => {
      const wanted = all.map(({ stream, text }) => ({ stream, text: text.replaceAll("\n", "") }));
      const pieces = wanted.flatMap(({ stream, text }) => {
        const bytes = Buffer.from(`${time} ${text}\n`);
        return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => ({
          ...{ stream, data: bytes.subarray(index * size, (index + 1) * size) },
        }));
      });
      const codec = new CriLines();
      const got = Buffer.concat(pieces.map((piece) => Buffer.from(codec.feed(piece)))).toString();
      assert.equal(got, wanted.map(({ stream, text }) => `${time} ${stream} F ${text}\n`).join(""));
      assert.equal(codec.end().length, 0);
    }),
  );
});
