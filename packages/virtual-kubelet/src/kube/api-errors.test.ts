// Status objects and HTTP codes in our vocabulary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerError, retryAfterMs } from "./api-errors.ts";

test("every code has its kind", () => {
  for (const [status, reason, kind] of [
    [400, "BadRequest", "Invalid"],
    [401, "Unauthorized", "Unauthorized"],
    [403, "Forbidden", "Forbidden"],
    [404, "NotFound", "NotFound"],
    [405, "MethodNotAllowed", "Unsupported"],
    [409, "AlreadyExists", "Conflict"],
    [409, "Conflict", "Conflict"],
    [410, "Expired", "Expired"],
    [410, "Gone", "Expired"],
    [413, "RequestEntityTooLarge", "Invalid"],
    [422, "Invalid", "Invalid"],
    [429, "TooManyRequests", "Throttled"],
    [500, "InternalError", "Unavailable"],
    [503, "ServiceUnavailable", "Unavailable"],
    [504, "Timeout", "Unavailable"],
    [302, "", "Internal"],
  ] as const) {
    const body = Buffer.from(JSON.stringify({ kind: "Status", message: "because", reason }));
    const error = answerError({ status, retryAfter: undefined, body }, "get pods a/b", 0);
    assert.equal(error.kind, kind, String(status));
    assert.equal(error.httpStatus, status);
    assert.equal(error.reason, reason === "" ? undefined : reason);
    assert.equal(error.message, "get pods a/b: because");
  }
});

test("a Status' field and waiting time are kept", () => {
  const status = {
    kind: "Status",
    message: "Pod is invalid: spec.x: Required value",
    reason: "Invalid",
    details: { causes: [{ field: "spec.x", reason: "FieldValueRequired" }], retryAfterSeconds: 3 },
  };
  const body = Buffer.from(JSON.stringify(status));
  const error = answerError({ status: 422, retryAfter: undefined, body }, "create pods", 0);
  assert.equal(error.field, "spec.x");
  assert.equal(error.retryAfterMs, 3000);
  assert.match(error.message, /spec\.x: Required value/);
  assert.equal(answerError({ status: 429, retryAfter: "7", body }, "create pods", 0).retryAfterMs, 7000);
});

test("answers that are no Status", () => {
  for (const [text, message] of [
    ["404 page not found\n", "x: 404 page not found"],
    ["", "x: HTTP status 404"],
    ['{"kind":"Other","message":"secret"}', "x: HTTP status 404"],
    ["null", "x: HTTP status 404"],
  ] as const)
    assert.equal(answerError({ status: 404, retryAfter: undefined, body: Buffer.from(text) }, "x", 0).message, message);
});

test("Retry-After in seconds or as a date", () => {
  const now = Date.UTC(2026, 0, 1);
  for (const [value, expected] of [
    [undefined, undefined],
    ["", undefined],
    ["0", 0],
    ["12", 12_000],
    ["soon", undefined],
    ["Thu, 01 Jan 2026 00:00:05 GMT", 5000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
  ] as const)
    assert.equal(retryAfterMs(value, now), expected, String(value));
});
