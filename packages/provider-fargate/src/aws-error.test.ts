import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorText } from "@virtual-kubelet/virtual-kubelet";
import { awsError, awsErrorName } from "./aws-error.ts";

function thrown(name: string, status: number | undefined = 400, more: object = {}): Error {
  return Object.assign(new Error(`it says password=swordfish`), {
    name,
    $metadata: { httpStatusCode: status },
    ...more,
  });
}

describe("an error of AWS", () => {
  for (const [name, status, kind] of [
    ["ThrottlingException", 400, "Throttled"],
    ["TooManyRequestsException", 429, "Throttled"],
    ["Unheard", 429, "Throttled"],
    ["ExpiredTokenException", 403, "Unauthorized"],
    ["UnrecognizedClientException", 400, "Unauthorized"],
    ["AccessDeniedException", 400, "Forbidden"],
    ["ClusterNotFoundException", 400, "Unavailable"],
    ["ResourceNotFoundException", 400, "NotFound"],
    ["LimitExceededException", 400, "Quota"],
    ["ClientException", 400, "Invalid"],
    ["ConflictException", 409, "Conflict"],
    ["ServerException", 500, "Unavailable"],
    ["Unheard", 503, "Unavailable"],
  ] as const)
    it(`${name}, ${status}: ${kind}`, () => {
      const error = awsError("RunTask", thrown(name, status), false);
      assert.equal(error.kind, kind);
      assert.equal(awsErrorName(error), name);
    });

  it("says when to try again", () => {
    const error = awsError(
      "RunTask",
      thrown("ThrottlingException", 400, { $response: { headers: { "retry-after": "7" } } }),
      false,
    );
    assert.equal(error.retryAfterMs, 7000);
  });

  it("of the network is one of the region's", () => {
    for (const code of ["ECONNREFUSED", "ENOTFOUND", "ECONNRESET"])
      assert.equal(awsError("RunTask", Object.assign(new Error("x"), { code }), false).kind, "Unavailable");
    assert.equal(awsError("RunTask", new Error("socket hang up"), false).kind, "Unavailable");
  });

  it("about secrets quotes nothing", () => {
    const error = awsError("CreateSecret", thrown("ValidationException"), true);
    assert.ok(!errorText(error).includes("swordfish"));
    assert.ok(!JSON.stringify(error.cause, ["message", "stack"]).includes("swordfish"));
    assert.equal(awsErrorName(error), "ValidationException");
  });
});
