// Who calls, as whom, and whether they may: what is settled about a request before anything is done.
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { User } from "./access.ts";
import { type AuditEvent, auditor } from "./audit.ts";
import { authenticate, certificateUser, impersonated } from "./authentication.ts";
import type { Authorizer } from "./authorization.ts";
import { attributesOf, refusal, requireImpersonation } from "./request-access.ts";
import type { Route } from "./route.ts";
import type { Tokens } from "./tokens.ts";

export interface CallersParts {
  readonly authorizer: Authorizer;
  readonly tokens: Tokens;
  /** Users by token, beside ServiceAccounts. */
  readonly users: ReadonlyMap<string, User>;
  /** Told of each request. */
  readonly audit: ((event: AuditEvent) => void) | undefined;
}

export interface Admitted {
  readonly route: Route;
  readonly caller: User;
  readonly other: User | undefined;
  /** The one of both who counts. */
  readonly user: User;
  /** To be told the code of the answer, and the name of what was made; the first time counts. */
  readonly audited: (code: number, name?: string) => void;
}

export type CallerRequest = Pick<IncomingMessage, "headers" | "url"> & { readonly socket: Peer };

interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** The port alone names nobody: all of 127.0.0.0/8 are addresses that callers on this machine may have. */
function peerOf({ remoteAddress = "", remotePort = 0 }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}

export class Callers {
  readonly #parts: CallersParts;
  readonly #now: () => number;
  /** By the client's address and port: requests of HTTP/2 do not have their socket itself. */
  readonly #users = new Map<string, User>();

  constructor(parts: CallersParts, now: () => number) {
    this.#parts = parts;
    this.#now = now;
  }

  connected(socket: TLSSocket): void {
    const peer = peerOf(socket);
    const user = certificateUser(socket);
    if (user === undefined) this.#users.delete(peer);
    else this.#users.set(peer, user);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      if (user !== undefined && this.#users.get(peer) === user) this.#users.delete(peer);
    });
  }

  /** Throws ApiError for callers who are nobody known. */
  admit(request: CallerRequest, route: Route): Admitted {
    const { tokens, users, audit } = this.#parts;
    const caller = authenticate(request.headers, this.#users.get(peerOf(request.socket)), tokens, users);
    const other = impersonated(request.headers);
    const about = { route, url: request.url ?? "/", userAgent: request.headers["user-agent"], caller, other };
    return { route, caller, other, user: other ?? caller, audited: auditor(audit, about, this.#now) };
  }

  /** Throws ApiError for callers who may not. */
  authorize({ route, user, caller, other }: Admitted): void {
    const { authorizer } = this.#parts;
    if (other !== undefined) requireImpersonation(authorizer, caller, other);
    const asked = attributesOf(route);
    if (!authorizer.allows(user, asked)) throw refusal(user, asked);
  }
}
