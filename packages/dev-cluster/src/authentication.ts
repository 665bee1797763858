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
  const { subject } = socket.getPeerCertificate();
  const name = first(subject?.CN);
  if (name === undefined) return undefined;
  const organizations: string | string[] | undefined = subject.O;
  const groups = organizations === undefined ? [] : [organizations].flat();
  return { name, groups: [...groups, "system:authenticated"] };
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
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
  const user = fixed.get(token) ?? tokens.review(token)?.user;
  if (user === undefined) throw new ApiError(401, "Unauthorized", "Unauthorized");
  return user;
}
