// Who calls: by client certificate, by token, or nobody known.
import type { IncomingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { User } from "./access.ts";
import { ApiError } from "./api-error.ts";
import type { Tokens } from "./tokens.ts";

export const anonymous: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

/** The user that a verified client certificate names; undefined where there is none. */
export function certificateUser(socket: Duplex): User | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { subject, fingerprint256 } = socket.getPeerCertificate();
  const name = first(subject?.CN);
  if (name === undefined) return undefined;
  const organizations: string | string[] | undefined = subject.O;
  const groups = organizations === undefined ? [] : [organizations].flat();
  const credential = `X509SHA256=${(fingerprint256 ?? "").replaceAll(":", "").toLowerCase()}`;
  const extra = { "authentication.kubernetes.io/credential-id": [credential] };
  return { name, groups: [...groups, "system:authenticated"], extra };
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Who a caller wants to be instead; undefined where nobody else. */
export function impersonated(headers: IncomingHttpHeaders): User | undefined {
  const name = one(headers["impersonate-user"]);
  if (name === undefined) return undefined;
  const asked = headers["impersonate-group"];
  const groups = asked === undefined ? [] : [asked].flat().flatMap((each) => each.split(", "));
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name);
  const own = account === null ? [] : ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`];
  const uid = one(headers["impersonate-uid"]);
  const all = name === anonymous.name ? anonymous.groups : [...groups, ...own, "system:authenticated"];
  return { name, groups: [...new Set(all)], ...(uid === undefined ? {} : { uid }) };
}

function one(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}

/** Throws Unauthorized for a token that is none of ours. */
export function authenticate(
  headers: IncomingHttpHeaders,
  byCertificate: User | undefined,
  tokens: Tokens,
  fixed: ReadonlyMap<string, User>,
): User {
  const match = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "");
  if (match === null) return byCertificate ?? anonymous;
  const token = match[1] ?? "";
  const user = fixed.get(token) ?? tokens.review(token)?.user ?? tokens.bootstrapUser(token);
  if (user === undefined) throw new ApiError(401, "Unauthorized", "Unauthorized");
  return user;
}
