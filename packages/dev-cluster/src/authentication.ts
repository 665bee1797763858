// Who calls, by client certificate, by token, or nobody known; and who that wants to be instead.
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { User } from "./access.ts";
import { ApiError, badRequest } from "./api-error.ts";
import type { Tokens } from "./tokens.ts";

export interface Callers {
  readonly caller: User;
  /** Whom the caller wants to be; undefined: nobody else. */
  readonly other: User | undefined;
  /** The one of both who counts. */
  readonly user: User;
}

const anonymous: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

export type Request = Http2ServerRequest | IncomingMessage;

/** Throws Unauthorized for a token or a certificate that is none of ours. */
export function callersOf(request: Request, tokens: Tokens): Callers {
  const { headers } = request;
  const [, token] = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "") ?? [];
  const caller =
    token === undefined ? connectedUser(request) : (tokens.review(token)?.user ?? tokens.bootstrapUser(token));
  if (caller === undefined) throw new ApiError(401, "Unauthorized", "Unauthorized");
  const other = impersonated(headers);
  return { caller, other, user: other ?? caller };
}

/** By connection: to look at a certificate takes longer than many an answer. */
const connected = new WeakMap<object, User>();

function connectedUser(request: Request): User | undefined {
  const connection = ("stream" in request ? request.stream.session : undefined) ?? request.socket;
  const user = connected.get(connection) ?? certificateUser(request.socket);
  if (user !== undefined) connected.set(connection, user);
  return user;
}

/** The user that a client certificate names; undefined for one that is not verified: expired, or of another authority. */
function certificateUser(socket: Duplex): User | undefined {
  if (!(socket instanceof TLSSocket)) return anonymous;
  const certificate = socket.getPeerCertificate();
  if (Object.keys(certificate).length === 0) return anonymous;
  if (!socket.authorized) return undefined;
  const { subject, fingerprint256 } = certificate;
  const [name] = [subject?.CN ?? []].flat();
  if (name === undefined) return anonymous;
  const credential = `X509SHA256=${(fingerprint256 ?? "").replaceAll(":", "").toLowerCase()}`;
  const extra = { "authentication.kubernetes.io/credential-id": [credential] };
  return { name, groups: [...[subject.O ?? []].flat(), "system:authenticated"], extra };
}

function impersonated(headers: IncomingHttpHeaders): User | undefined {
  const valuesOf = (header: string): readonly string[] =>
    [headers[`impersonate-${header}`] ?? []].flat().flatMap((each) => each.split(", "));
  const [name] = valuesOf("user");
  // Nobody is to believe that they act as somebody whom they do not act as.
  const known = name === undefined ? [] : ["impersonate-user", "impersonate-group", "impersonate-uid"];
  const other = Object.keys(headers).find((each) => each.startsWith("impersonate-") && !known.includes(each));
  if (other !== undefined)
    throw badRequest(`${other} is not served: Impersonate-User is, and Impersonate-Group and Impersonate-Uid with it`);
  if (name === undefined) return undefined;
  const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/.exec(name) ?? [];
  const own = namespace === undefined ? [] : ["system:serviceaccounts", `system:serviceaccounts:${namespace}`];
  const groups = name === anonymous.name ? anonymous.groups : [...valuesOf("group"), ...own, "system:authenticated"];
  return { name, groups: [...new Set(groups)], uid: valuesOf("uid")[0] };
}
