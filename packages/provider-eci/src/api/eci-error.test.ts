// What the cloud's refusals mean here.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eciError, isDryRunSuccess } from "./eci-error.ts";

const refusal = (status: number, Code: string, Message = "words"): Parameters<typeof eciError>[0] => ({
  ...{ status, headers: {}, text: JSON.stringify({ Code, Message, RequestId: "R-1" }) },
});

describe("a refusal", () => {
  const kinds: readonly (readonly [number, string, string])[] = [
    [400, "Throttling", "Throttled"],
    [503, "Throttling.User", "Throttled"],
    [400, "Throttling.Api", "Throttled"],
    [400, "Degrade.Api", "Throttled"],
    [404, "InvalidAccessKeyId.NotFound", "Unauthorized"],
    [400, "InvalidAccessKeyId.Inactive", "Unauthorized"],
    [400, "SignatureDoesNotMatch", "Unauthorized"],
    [400, "InvalidSecurityToken.Expired", "Unauthorized"],
    [400, "SignatureNonceUsed", "Unavailable"],
    [400, "InvalidTimeStamp.Expired", "Unavailable"],
    [403, "Forbidden.RAM", "Forbidden"],
    [403, "NoPermission", "Forbidden"],
    [403, "CreateServiceLinkedRole.Denied", "Forbidden"],
    [400, "Account.Arrearage", "Quota"],
    [403, "QuotaExceeded.ElasticQuota", "Quota"],
    [400, "DedicatedHostQuotaExceeded", "Quota"],
    [403, "OperationDenied.NoStock", "Quota"],
    [403, "InsufficientBalance", "Quota"],
    [400, "IncorrectStatus", "Conflict"],
    [400, "IdempotentParameterMismatch", "Conflict"],
    [404, "ContainerGroupNotFound", "NotFound"],
    [400, "InvalidContainerGroupId.NotFound", "NotFound"],
    [404, "InvalidVSwitchId.NotFound", "Forbidden"],
    [400, "InvalidParameter.ValueExceeded", "Invalid"],
    [400, "DiskNumber.LimitExceed", "Invalid"],
    [404, "SomethingElse.NotFound", "Invalid"],
    [503, "ServiceUnavailable", "Unavailable"],
    [503, "containerRepositoryAuthorizationFailed", "Unavailable"],
    [500, "InternalError", "Unavailable"],
  ];
  for (const [status, code, kind] of kinds)
    it(`${status} ${code} is ${kind}`, () => {
      const error = eciError(refusal(status, code), "Create");
      assert.deepEqual([error.kind, error.reason, error.httpStatus], [kind, code, status]);
      assert.equal(error.message, `Create: ${code}: words (request R-1)`);
    });

  it("that is not the cloud's is an outage, whatever its status", () => {
    for (const status of [400, 404, 502]) {
      const error = eciError({ status, headers: {}, text: "<html>gateway</html>" }, "Describe");
      assert.deepEqual([error.kind, error.message], ["Unavailable", `Describe: HTTP ${status}: <html>gateway</html>`]);
    }
  });

  it("says when to come again", () => {
    assert.equal(eciError({ ...refusal(400, "Throttling"), headers: { "retry-after": "7" } }, "x").retryAfterMs, 7_000);
  });

  it("holds none of the request's secrets", () => {
    const error = eciError(refusal(400, "InvalidParameter", "swordfish is no value"), "Create", ["swordfish", "no"]);
    assert.equal(error.message, "Create: InvalidParameter: *** is no value (request R-1)");
  });

  it("of a try that went well is none", () => {
    for (const code of ["DryRun.Success", "DryRunOperation"])
      assert.equal(isDryRunSuccess(eciError(refusal(400, code), "Create")), true);
    assert.equal(isDryRunSuccess(eciError(refusal(400, "InvalidParameter"), "Create")), false);
  });
});
