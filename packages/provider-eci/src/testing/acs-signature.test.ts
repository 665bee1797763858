// What is signed is taken once, in its time, and as it was signed: by our signer, which the vendor's own do not share code with.
import assert from "node:assert/strict";
import { test } from "node:test";
import { signedHeaders } from "../api/acs-request.ts";
import { AcsSignatures, type SignedRequest } from "./acs-signature.ts";
import { FakeRefusal } from "./fake-refusal.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const keys = { accessKeyId: "LTAI", accessKeySecret: "secret" };
const signed = (nonce: string, at = now): SignedRequest & { readonly headers: Record<string, string> } => {
  const body = "RegionId=cn-hangzhou";
  const call = { host: "eci.test", action: "ListUsage", version: "2018-08-08", body, now: at, nonce };
  return { method: "POST", url: "/", headers: { ...signedHeaders(call, keys) }, body: Buffer.from(body) };
};

/** The code of the refusal. */
function refusal(signatures: AcsSignatures, request: SignedRequest): string {
  try {
    signatures.check(request, now);
    return "none";
  } catch (error) {
    if (error instanceof FakeRefusal) return error.code;
    throw error;
  }
}

test("a nonce is taken once, a time within a quarter of an hour", () => {
  const signatures = new AcsSignatures([keys]);
  assert.equal(refusal(signatures, signed("one")), "none");
  assert.equal(refusal(signatures, signed("one")), "SignatureNonceUsed");
  assert.equal(refusal(signatures, signed("two", now - 14 * 60_000)), "none");
  assert.equal(refusal(signatures, signed("three", now - 16 * 60_000)), "InvalidTimeStamp.Expired");
});

test("what was changed on the way, or is not signed, is refused", () => {
  const signatures = new AcsSignatures([keys]);
  const request = signed("one");
  const { headers } = request;
  const changed: readonly (readonly [string, SignedRequest])[] = [
    ["SignatureDoesNotMatch", { ...request, body: Buffer.from("RegionId=cn-beijing") }],
    ["SignatureDoesNotMatch", { ...request, url: "/?Limit=1" }],
    ["SignatureDoesNotMatch", { ...request, headers: { ...headers, "x-acs-action": "DeleteContainerGroup" } }],
    ["SignatureDoesNotMatch", { ...request, headers: { ...headers, "x-acs-more": "unsigned" } }],
    ["MissingAccessKeyId", { ...request, headers: { host: "eci.test" } }],
    [
      "InvalidSecurityToken.MismatchWithAccessKey",
      { ...request, headers: { ...headers, "x-acs-security-token": "t" } },
    ],
  ];
  for (const [code, each] of changed) assert.equal(refusal(signatures, each), code, JSON.stringify(each.headers));
  assert.equal(refusal(new AcsSignatures([]), request), "InvalidAccessKeyId.NotFound");
  assert.equal(refusal(signatures, request), "none", "as it was");
});
