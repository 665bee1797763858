import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ShellOutput } from "./shell-output.ts";

const mark = "VK-0123456789abcdef";

function shown(
  text: string,
  cuts: readonly number[],
  tty = false,
): { stdout: string; stderr: string; code: number | undefined } {
  const output = new ShellOutput(mark, { tty });
  const found = { stdout: "", stderr: "" };
  const bytes = Buffer.from(text, "latin1");
  let from = 0;
  for (const to of [...cuts].sort((one, other) => one - other).concat(bytes.length)) {
    for (const { stream, data } of output.feed(bytes.subarray(from, to)))
      found[stream] += Buffer.from(data).toString("latin1");
    from = Math.max(from, Math.min(to, bytes.length));
  }
  for (const { stream, data } of output.end()) found[stream] += Buffer.from(data).toString("latin1");
  return { ...found, code: output.exitCode };
}

test("output comes whole, without what tells its ends, however it is cut", () => {
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom("a", "\n", "V", "VK-", "VK-0123", "[", "]0;", "|", "\r") }),
    fc.string({ unit: "binary-ascii" }),
  );
  fc.assert(
    fc.property(
      text,
      text,
      text,
      fc.nat(255),
      fc.array(fc.nat(200)),
      fc.boolean(),
      (before, out, err, code, cuts, hasErr) => {
        fc.pre(![before, out, err].some((each) => each.includes(mark)));
        const errors = hasErr ? `${mark}|${err}` : "";
        const whole = `${before}${mark}[\n${out}${errors}${mark}]${code};$ exit\r\n`;
        assert.deepEqual(shown(whole, cuts), { stdout: out, stderr: hasErr ? err : "", code });
      },
    ),
  );
});

test("a terminal that puts carriage returns before line feeds is read as if it did not", () => {
  const whole = `$ \r\n${mark}[\r\na\r\nb\r\r\nc\r${mark}|e\r\n${mark}]3;`;
  for (let cut = 0; cut < whole.length; cut++)
    assert.deepEqual(shown(whole, [cut]), { stdout: "a\nb\r\nc", stderr: "e\n", code: 3 });
  assert.equal(shown(whole, [], true).stdout, "a\r\nb\r\r\nc\r");
});

test("a terminal that ends before the command does says no code", () => {
  assert.deepEqual(shown(`${mark}[\nabc VK-01`, [5]), { stdout: "abc VK-01", stderr: "", code: undefined });
  const output = new ShellOutput(mark, { tty: false });
  output.feed(Buffer.from("exec /bin/sh: no such file"));
  assert.deepEqual([output.hasBegun, output.before], [false, "exec /bin/sh: no such file"]);
});
