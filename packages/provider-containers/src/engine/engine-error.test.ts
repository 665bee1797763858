import assert from "node:assert/strict";
import { test } from "node:test";
import { engineError, pullError, startError } from "./engine-error.ts";

const answers: readonly (readonly [number, string, string, string])[] = [
  [404, '{"message":"no such container: a"}', "NotFound", "no such container: a"],
  [409, '{"message":"is in use","cause":"x"}', "Conflict", "is in use"],
  [400, '{"message":"bad parameter"}', "Invalid", "bad parameter"],
  [
    500,
    '{"message":"normalizing image: invalid reference format"}',
    "Invalid",
    "normalizing image: invalid reference format",
  ],
  [
    500,
    '{"message":"can only create exec sessions on running containers: container state improper"}',
    "Conflict",
    "can only create exec sessions on running containers: container state improper",
  ],
  [500, '{"message":"out of disk"}', "Unavailable", "out of disk"],
  [502, "<html>\n", "Unavailable", "<html>"],
  [503, "", "Unavailable", "the engine answered 503"],
  [501, '{"message":7}', "Unsupported", '{"message":7}'],
  [500, `{"message":"${"x".repeat(5000)}"}`, "Unavailable", "x".repeat(2000)],
];
for (const [status, text, kind, message] of answers)
  test(`${status} ${text.slice(0, 60)}`, () => {
    const error = engineError(status, text);
    assert.deepEqual([error.kind, error.message, error.httpStatus], [kind, message, status]);
  });

const starts: readonly (readonly [number, string, string])[] = [
  [
    500,
    'runc: runc create failed: unable to start container process: exec: "x": executable file not found in $PATH: OCI runtime attempted to invoke a command that was not found',
    'OCI runtime create failed: runc create failed: unable to start container process: exec: "x": executable file not found in $PATH',
  ],
  [
    400,
    'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "x": permission denied: unknown',
    'OCI runtime create failed: runc create failed: unable to start container process: exec: "x": permission denied',
  ],
];
for (const [status, said, told] of starts)
  test(`a start that can never succeed: ${said.slice(0, 40)}`, () => {
    const error = startError(engineError(status, JSON.stringify({ message: said })));
    assert.deepEqual([error.kind, error.reason, error.message], ["Invalid", "StartError", told]);
  });

test("a start that may succeed later is no StartError", () => {
  for (const [status, message] of [
    [500, "database is locked"],
    [404, "no such container"],
  ] as const)
    assert.equal(startError(engineError(status, JSON.stringify({ message }))).reason, undefined);
});

const pulls: readonly (readonly [string, string])[] = [
  ["initializing source docker://r/x:1: reading manifest 1 in r/x: manifest unknown", "NotFound"],
  ["Error response from daemon: manifest for r/x:1 not found: manifest unknown", "NotFound"],
  ["reading manifest 1 in r/x: unauthorized: authentication required", "Unauthorized"],
  ["pull access denied for x, repository does not exist or may require 'docker login'", "Unauthorized"],
  ['pinging container registry r: Get "http://r/v2/": dial tcp: connect: connection refused', "Unavailable"],
  ["invalid reference format: repository name must be lowercase", "Invalid"],
];
for (const [message, kind] of pulls) test(`a pull: ${message}`, () => assert.equal(pullError(message).kind, kind));
