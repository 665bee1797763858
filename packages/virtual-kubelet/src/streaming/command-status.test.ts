import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf, statusOf } from "./command-status.ts";

test("outcomes as a Status, as client libraries take it apart", () => {
  assert.deepEqual(JSON.parse(statusOf({ type: "success" })), { metadata: {}, status: "Success" });
  assert.deepEqual(JSON.parse(statusOf({ type: "exit", exitCode: 3 })), {
    metadata: {},
    status: "Failure",
    message: "command terminated with non-zero exit code: exit status 3",
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: "3" }] },
  });
  assert.deepEqual(JSON.parse(statusOf({ type: "failure", message: "error executing command in container: no" })), {
    metadata: {},
    status: "Failure",
    message: "Internal error occurred: error executing command in container: no",
    reason: "InternalError",
    code: 500,
  });
});

test("outcomes as plain text, nothing for a success", () => {
  assert.equal(messageOf({ type: "success" }), undefined);
  assert.match(messageOf({ type: "exit", exitCode: 137 }) ?? "", /non-zero exit code: exit status 137$/);
  assert.equal(messageOf({ type: "failure", message: "no" }), "Internal error occurred: no");
});
