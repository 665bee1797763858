// Whether a request was signed by credentials that are known and not expired, as AWS checks it (Signature Version 4).
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { refusal } from "./aws-refusal.ts";

export interface FakeCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Epoch milliseconds. */
  readonly expiresAt?: number | undefined;
}

export interface SignedRequest {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

const authorization =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const longestSkewMs = 5 * 60_000;

/** Throws what AWS answers with; returns the key. */
export function checkSignature(request: SignedRequest, known: readonly FakeCredentials[], now: number): string {
  const { headers } = request;
  if (headers.authorization === undefined)
    throw refusal("MissingAuthenticationTokenException", "Missing Authentication Token");
  const [, id = "", day = "", region = "", service = "", signed = "", signature = ""] =
    authorization.exec(headers.authorization) ?? [];
  const credentials = known.find(({ accessKeyId }) => accessKeyId === id);
  const token = header(headers, "x-amz-security-token");
  if (credentials === undefined || (credentials.sessionToken ?? "") !== token)
    throw refusal("UnrecognizedClientException", "The security token included in the request is invalid.");
  if (credentials.expiresAt !== undefined && credentials.expiresAt <= now)
    throw refusal("ExpiredTokenException", "The security token included in the request is expired");
  const stamp = header(headers, "x-amz-date");
  const time = Date.parse(stamp.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!(Math.abs(time - now) <= longestSkewMs))
    throw refusal(
      "InvalidSignatureException",
      `Signature expired: ${stamp} is not within 5 minutes of the server's time`,
    );
  const names = signed.split(";");
  const [path = "/", query = ""] = request.url.split("?");
  const canonical = [
    ...[request.method, path, query.split("&").sort().join("&")],
    ...names.map((name) => `${name}:${header(headers, name).trim().replaceAll(/ +/g, " ")}`),
    ...["", signed, createHash("sha256").update(request.body).digest("hex")],
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", stamp, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  let key: Buffer = Buffer.from(`AWS4${credentials.secretAccessKey}`);
  for (const part of [day, region, service, "aws4_request"]) key = hmac(key, part);
  if (!names.includes("host") || !timingSafeEqual(hmac(key, text), Buffer.from(signature, "hex")))
    throw refusal(
      "InvalidSignatureException",
      "The request signature we calculated does not match the signature you provided.",
    );
  return id;
}

function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : (value ?? "");
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
