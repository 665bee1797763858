// Whether a request was signed by keys that are known and not expired, as Alibaba Cloud checks it (signature version 3).
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { FakeRefusal } from "./fake-refusal.ts";

export interface FakeKeys {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  /** Of keys that are good for a time. */
  readonly securityToken?: string | undefined;
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

const algorithm = "ACS3-HMAC-SHA256";
const authorization = /^ACS3-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const longestSkewMs = 15 * 60_000;
const mostNonces = 100_000;

export class AcsSignatures {
  readonly #known: readonly FakeKeys[];
  /** In the order of their arrival. */
  readonly #nonces = new Set<string>();

  /** `known` is read at each request. */
  constructor(known: readonly FakeKeys[]) {
    this.#known = known;
  }

  /** Throws what the cloud refuses with. */
  check(request: SignedRequest, now: number): void {
    const { headers } = request;
    if (headers.authorization === undefined)
      throw new FakeRefusal(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.");
    const [, id = "", signed = "", signature = ""] = authorization.exec(headers.authorization) ?? [];
    const keys = this.#known.find(({ accessKeyId }) => accessKeyId === id);
    if (keys === undefined)
      throw new FakeRefusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
    checkToken(keys, header(headers, "x-acs-security-token"), now);
    const time = Date.parse(header(headers, "x-acs-date"));
    if (!(Math.abs(time - now) <= longestSkewMs))
      throw new FakeRefusal(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.");
    checkHash(request);
    const names = signed.split(";");
    const unsigned = Object.keys(headers).filter((name) => /^(host|content-type|x-acs-.*)$/.test(name));
    const missing = [...unsigned, ...mandatory].find((name) => !names.includes(name));
    const expected = hmac(keys.accessKeySecret, stringToSign(request, names));
    if (missing !== undefined || !timingSafeEqual(expected, Buffer.from(signature, "hex")))
      throw new FakeRefusal(
        400,
        "SignatureDoesNotMatch",
        `Specified signature is not matched with our calculation.${missing === undefined ? "" : ` ${missing} is not signed.`}`,
      );
    this.#use(header(headers, "x-acs-signature-nonce"));
  }

  #use(nonce: string): void {
    if (this.#nonces.has(nonce))
      throw new FakeRefusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.");
    this.#nonces.add(nonce);
    for (const oldest of this.#nonces) {
      if (this.#nonces.size <= mostNonces) break;
      this.#nonces.delete(oldest);
    }
  }
}

const mandatory = [
  ...["host", "x-acs-action", "x-acs-version", "x-acs-date"],
  ...["x-acs-content-sha256", "x-acs-signature-nonce"],
];

function checkToken(keys: FakeKeys, token: string, now: number): void {
  if (keys.securityToken !== undefined && token === "")
    throw new FakeRefusal(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.");
  if (token !== (keys.securityToken ?? ""))
    throw new FakeRefusal(
      400,
      "InvalidSecurityToken.MismatchWithAccessKey",
      "Specified SecurityToken mismatch with the AccessKey.",
    );
  if (keys.expiresAt !== undefined && keys.expiresAt <= now)
    throw new FakeRefusal(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.");
}

function checkHash({ headers, body }: SignedRequest): void {
  if (header(headers, "x-acs-content-sha256") !== sha256(body))
    throw new FakeRefusal(400, "SignatureDoesNotMatch", "The hash of the body is not that of x-acs-content-sha256.");
}

function stringToSign({ method, url, headers, body }: SignedRequest, names: readonly string[]): string {
  const { pathname, searchParams } = new URL(url, "http://127.0.0.1");
  const query = [...searchParams]
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .sort()
    .join("&");
  const canonical = [
    ...[method, pathname, query],
    ...names.map((name) => `${name}:${header(headers, name).trim()}`),
    ...["", names.join(";"), sha256(body)],
  ].join("\n");
  return `${algorithm}\n${sha256(Buffer.from(canonical))}`;
}

function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : (value ?? "");
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
