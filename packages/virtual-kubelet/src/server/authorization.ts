// Whether a caller may do what it asks for: the API server is asked by SubjectAccessReview, and its answer is kept for a while.
import { createHash } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";
import { subjectAccessReviews } from "../kube/resource.ts";
import type { SubjectAccessReview, SubjectAccessReviewStatus } from "../kube/types.gen.ts";
import type { AccessAttributes, AccessDecision, Authorizer, UserInfo } from "./access.ts";
import { ExpiringMap } from "./expiring-map.ts";
import { Reviewer, type ReviewOptions } from "./reviewer.ts";

export interface AuthorizationOptions extends ReviewOptions {
  /** Milliseconds for which what was allowed stays allowed. Default 5 min. */
  readonly allowedCacheMs?: number | undefined;
  /** Milliseconds for which what was denied stays denied. Default 30 s. */
  readonly deniedCacheMs?: number | undefined;
  /** Answers remembered of either kind, the allowed and the denied; default 16384. */
  readonly accessCacheSize?: number | undefined;
}

/** Asks for each sub-resource in turn until one is allowed. Throws Unavailable when one cannot be decided. */
export function createAuthorizer(options: AuthorizationOptions): Authorizer {
  return new ReviewAuthorizer(options);
}

/** Allows everything to everybody who is authenticated: for networks where nobody else can reach the port. */
export const insecureEverythingIsAllowed: Authorizer = { authorize: () => Promise.resolve({ allowed: true }) };

class ReviewAuthorizer implements Authorizer {
  readonly #clock: Clock;
  readonly #allowedMs: number;
  readonly #deniedMs: number;
  readonly #allowed: ExpiringMap<AccessDecision>;
  readonly #denied: ExpiringMap<AccessDecision>;
  readonly #reviewer: Reviewer<SubjectAccessReview, AccessDecision>;

  constructor(options: AuthorizationOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#allowedMs = options.allowedCacheMs ?? 300_000;
    this.#deniedMs = options.deniedCacheMs ?? 30_000;
    const size = options.accessCacheSize ?? 16_384;
    this.#allowed = new ExpiringMap(this.#clock, size);
    this.#denied = new ExpiringMap(this.#clock, size);
    this.#reviewer = new Reviewer(subjectAccessReviews, options);
  }

  async authorize(user: UserInfo, attributes: AccessAttributes, signal: AbortSignal): Promise<AccessDecision> {
    const reasons = new Set<string>();
    for (const subresource of attributes.subresources) {
      const { allowed, reason } = await this.#review(user, attributes, subresource, signal);
      if (allowed) return { allowed, reason };
      if (reason !== undefined) reasons.add(reason);
    }
    return { allowed: false, reason: reasons.size === 0 ? undefined : [...reasons].join("; ") };
  }

  async #review(
    user: UserInfo,
    attributes: AccessAttributes,
    subresource: string,
    signal: AbortSignal,
  ): Promise<AccessDecision> {
    const key = accessKey(user, attributes, subresource);
    const known = this.#allowed.get(key) ?? this.#denied.get(key);
    if (known !== undefined) return known;
    return this.#reviewer.ask(key, question(user, attributes, subresource), signal, ({ status }, asked) => {
      const answer = decisionOf(status);
      if (answer.allowed) this.#allowed.set(key, answer, asked + this.#allowedMs);
      else this.#denied.set(key, answer, asked + this.#deniedMs);
      return { answer, outcome: answer.allowed ? "allowed" : "denied" };
    });
  }
}

function question(user: UserInfo, { node, verb }: AccessAttributes, subresource: string): SubjectAccessReview {
  return {
    spec: {
      user: user.username,
      groups: user.groups,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.extra === undefined ? {} : { extra: user.extra }),
      resourceAttributes: { verb, version: "v1", resource: "nodes", subresource, name: node },
    },
  };
}

const longestReason = 500;

function decisionOf(status: SubjectAccessReviewStatus | undefined): AccessDecision {
  const parts = [status?.reason ?? "", status?.evaluationError ?? ""].filter((part) => part !== "");
  return {
    // An answer that says both yes and no says no.
    allowed: status?.allowed === true && status.denied !== true,
    reason: parts.length === 0 ? undefined : parts.join("; ").slice(0, longestReason),
  };
}

/** One question in a fixed length: JSON keeps apart what a separator would run together. */
export function accessKey(user: UserInfo, { node, verb }: AccessAttributes, subresource: string): string {
  const { username, uid = "", groups, extra = {} } = user;
  const parts = [username, uid, groups, Object.entries(extra), node, verb, subresource];
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64");
}
