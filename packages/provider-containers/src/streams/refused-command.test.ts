import assert from "node:assert/strict";
import { test } from "node:test";
import { HeldOutput } from "./refused-command.ts";

const podman =
  'Error: runc: exec failed: unable to start container process: exec: "x": executable file not found in $PATH: OCI runtime attempted to invoke a command that was not found\nError: read unixpacket: connection reset by peer\n';
const docker =
  'OCI runtime exec failed: exec failed: unable to start container process: exec: "x": executable file not found in $PATH: unknown\r\n';

/** Chunks of output, exit code: what is passed on, and what is told in its place. */
const table: readonly (readonly [string, readonly string[], number, string, string])[] = [
  [
    "Podman's words",
    [podman],
    127,
    "",
    'unable to start container process: exec: "x": executable file not found in $PATH',
  ],
  ["cut anywhere", [...podman], 127, "", 'exec: "x"'],
  [
    "Docker's words",
    [docker],
    126,
    "",
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "x"',
  ],
  ["with another code they are the command's", [podman], 1, podman, ""],
  ["ordinary output is passed on at once", ["Error: ", "no such user\n"], 127, "Error: no such user\n", ""],
  ["a beginning alone", ["Err"], 127, "Err", ""],
  ["nothing", [], 127, "", ""],
];
for (const [name, chunks, exitCode, passed, refused] of table)
  test(name, () => {
    const held = new HeldOutput();
    const out = chunks.map((chunk) => held.take(Buffer.from(chunk)) ?? Buffer.alloc(0));
    const refusal = held.refusal(exitCode);
    if (refused === "") assert.equal(refusal, undefined);
    else assert.ok(refusal?.message.includes(refused), refusal?.message);
    const rest = refusal === undefined ? (held.rest() ?? Buffer.alloc(0)) : Buffer.alloc(0);
    assert.equal(Buffer.concat([...out, rest]).toString(), passed);
  });

test("no more than a refusal's length is held back", () => {
  const held = new HeldOutput();
  assert.equal(held.take(Buffer.from("OCI runtime exec failed")), undefined);
  assert.equal(held.take(Buffer.alloc(9000))?.length, 9023);
});
