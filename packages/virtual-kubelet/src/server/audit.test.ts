import assert from "node:assert/strict";
import { test } from "node:test";
import { LogRecorder } from "../testing/log-recorder.ts";
import { type AuditSubject, audit, commandFields, forwardedFor } from "./audit.ts";

test("a command: its program and how many arguments it has, or all of them, of bounded size", () => {
  const command = ["mysql", "-psecret", "x".repeat(1000)];
  assert.deepEqual(commandFields(command, false), { command: ["mysql"], arguments: 2 });
  assert.deepEqual(commandFields(command, true), {
    command: ["mysql", "-psecret", `${"x".repeat(256)}…`],
    arguments: 2,
  });
  const many = commandFields(Array<string>(1000).fill("a"), true);
  assert.equal(JSON.stringify(many).length < 1000, true);
  assert.deepEqual(commandFields([], false), { command: [""], arguments: 0 });
});

test("lines that a caller cannot make long", () => {
  const log = new LogRecorder();
  const subject: AuditSubject = {
    action: "exec",
    user: { username: "admin", groups: Array<string>(1000).fill("group") },
    uid: "uid",
    remoteAddress: "192.0.2.1:1",
    protocol: "WebSocket",
    ...forwardedFor({ "x-forwarded-for": "1".repeat(10_000) }),
  };
  const ended = audit(log, subject, false);
  ended({ outcome: "no".repeat(10_000), bytesIn: 1, bytesOut: 2 });
  assert.deepEqual(
    log.flat.map(({ message, outcome, bytesIn, bytesOut }) => [message, outcome, bytesIn, bytesOut]),
    [
      ["exec begins", undefined, undefined, undefined],
      ["exec ended", `${"no".repeat(512)}…`, 1, 2],
    ],
  );
  for (const line of log.flat) assert(JSON.stringify(line).length < 2500);
});
