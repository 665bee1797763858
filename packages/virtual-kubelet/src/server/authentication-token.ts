// Users by bearer token: the API server is asked by TokenReview, and its answer is kept for a while.
import { createHmac, randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";
import { tokenReviews } from "../kube/resource.ts";
import type { TokenReview } from "../kube/types.gen.ts";
import type { UserInfo } from "./access.ts";
import { ExpiringMap } from "./expiring-map.ts";
import { Reviewer, type ReviewOptions } from "./reviewer.ts";

export interface TokenOptions extends ReviewOptions {
  /** Milliseconds for which a token is known after it was accepted: so long a revoked one lives on. Default 2 min. */
  readonly tokenCacheMs?: number | undefined;
  /** Milliseconds for which a token stays refused. Default 10 s. */
  readonly refusedTokenCacheMs?: number | undefined;
  /** Tokens remembered of either kind, the accepted and the refused; default 4096. */
  readonly tokenCacheSize?: number | undefined;
}

export class TokenAuthenticator {
  readonly #clock: Clock;
  readonly #acceptedMs: number;
  readonly #refusedMs: number;
  readonly #accepted: ExpiringMap<UserInfo>;
  /** Apart from the accepted ones: whoever tries out tokens pushes only these out. */
  readonly #refused: ExpiringMap<true>;
  readonly #reviewer: Reviewer<TokenReview, UserInfo | undefined>;
  /** Tokens are known by a keyed hash, which is of no use outside of this process. */
  readonly #secret = randomBytes(32);

  constructor(options: TokenOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#acceptedMs = options.tokenCacheMs ?? 120_000;
    this.#refusedMs = options.refusedTokenCacheMs ?? 10_000;
    const size = options.tokenCacheSize ?? 4096;
    this.#accepted = new ExpiringMap(this.#clock, size);
    this.#refused = new ExpiringMap(this.#clock, size);
    this.#reviewer = new Reviewer(tokenReviews, options);
  }

  /**
   * Undefined: the token is nobody's. Throws Unavailable when that could not be found out, Aborted by the signal. A token that is a JWT
   * is refused from its own `exp` on, whatever the cache or the API server (which gives it a minute more) says.
   */
  async authenticate(token: string, signal: AbortSignal): Promise<UserInfo | undefined> {
    const expiry = statedExpiry(token);
    if (expiry <= this.#clock.now()) return undefined;
    const key = createHmac("sha256", this.#secret).update(token).digest("base64");
    const known = this.#accepted.get(key);
    if (known !== undefined) return known;
    if (this.#refused.get(key) === true) return undefined;
    return this.#reviewer.ask(key, { spec: { token } }, signal, ({ status }, asked) => {
      const user = status?.user;
      if (status?.authenticated !== true || user?.username === undefined || user.username === "") {
        this.#refused.set(key, true, asked + this.#refusedMs);
        return { answer: undefined, outcome: "refused" };
      }
      const { username, uid, groups = [], extra } = user;
      const answer = { username, uid, groups, extra };
      this.#accepted.set(key, answer, Math.min(asked + this.#acceptedMs, expiry));
      return { answer, outcome: "authenticated" };
    });
  }
}

/** When a token says that it ends, in epoch milliseconds; never, when it does not say so. Not verified: good for ending it earlier only. */
function statedExpiry(token: string): number {
  const [, payload, signature, ...more] = token.split(".", 4);
  if (payload === undefined || signature === undefined || more.length > 0) return Number.POSITIVE_INFINITY;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    const says = typeof claims === "object" && claims !== null && "exp" in claims ? claims.exp : undefined;
    return typeof says === "number" ? says * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY; // no JWT
  }
}

/** Bytes of an Authorization header that are looked at. */
const longestHeader = 16 * 1024;

/**
 * The token of an Authorization header. Undefined: it has none, being absent or of another scheme. `malformed`: it claims to have
 * one, and that cannot be. Refuses headers of more than 16 KiB.
 */
export function bearerToken(header: string | undefined): { readonly token: string } | "malformed" | undefined {
  if (header === undefined) return undefined;
  if (header.length > longestHeader) return "malformed";
  const [scheme = "", ...rest] = header.trim().split(/[ \t]+/);
  if (scheme.toLowerCase() !== "bearer") return undefined;
  const [token] = rest;
  if (token === undefined || rest.length > 1 || !/^[!-~]+$/.test(token)) return "malformed";
  return { token };
}
