// A signed call: action and version in headers, parameters as a form in the body, so that files and secrets are in no URL.
// Signature ACS3-HMAC-SHA256. Pure.
import { createHash, createHmac } from "node:crypto";

export interface Keys {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  /** Of keys for a while. */
  readonly securityToken?: string | undefined;
}

export interface AcsCall {
  /** Host, with a port where it is not the usual one. */
  readonly host: string;
  readonly action: string;
  readonly version: string;
  /** A form, encoded. */
  readonly body: string;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Another one for each call: the cloud takes none twice. */
  readonly nonce: string;
}

const algorithm = "ACS3-HMAC-SHA256";

/** Headers of the POST to `/`, lower-case names. */
export function signedHeaders(call: AcsCall, keys: Keys): Readonly<Record<string, string>> {
  const { host, action, version, body, now, nonce } = call;
  const payload = sha256(body);
  const headers: Readonly<Record<string, string>> = {
    "content-type": "application/x-www-form-urlencoded",
    host,
    "x-acs-action": action,
    "x-acs-content-sha256": payload,
    "x-acs-date": new Date(now).toISOString().replace(/\.\d+Z$/, "Z"),
    "x-acs-signature-nonce": nonce,
    "x-acs-version": version,
    ...(keys.securityToken === undefined
      ? {}
      : { "x-acs-accesskey-id": keys.accessKeyId, "x-acs-security-token": keys.securityToken }),
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    ...["POST", "/", ""],
    ...names.map((name) => `${name}:${headers[name]?.trim()}`),
    ...["", names.join(";"), payload],
  ].join("\n");
  const signature = createHmac("sha256", keys.accessKeySecret)
    .update(`${algorithm}\n${sha256(canonical)}`)
    .digest("hex");
  const authorization = `${algorithm} Credential=${keys.accessKeyId},SignedHeaders=${names.join(";")},Signature=${signature}`;
  return { ...headers, accept: "application/json", authorization };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
