// Who calls the kubelet API and whether they may: the contracts between the server and what decides. Types only.

/** A caller that is known, as in authentication.k8s.io/v1 UserInfo. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** What a request shows of its sender. */
export interface CallerCredentials {
  /** DER of the client certificate, when TLS has verified it against the client CA; else absent. */
  readonly verifiedCertificate?: Uint8Array | undefined;
  /** A client certificate was shown that is not good: another CA's, for another purpose, expired. Nobody becomes anonymous by it. */
  readonly hasBadCertificate?: boolean | undefined;
  /** The Authorization header as it came. */
  readonly authorization?: string | undefined;
}

export interface Authenticator {
  /** Undefined: nobody we know (401). Throws Unavailable when that could not be found out: 401 as well, and logged. */
  authenticate(credentials: CallerCredentials, signal: AbortSignal): Promise<UserInfo | undefined>;
}

/** What a caller wants to do, in the terms of a SubjectAccessReview on `nodes`. */
export interface AccessAttributes {
  /** Name of the virtual node. */
  readonly node: string;
  /** Of the HTTP method: create, get, update, patch, delete; "" for others. */
  readonly verb: string;
  /** Any of them is enough, tried in this order: e.g. ["pods", "proxy"]. */
  readonly subresources: readonly string[];
}

export interface AccessDecision {
  readonly allowed: boolean;
  /** For the log; no secrets. */
  readonly reason?: string | undefined;
}

export interface Authorizer {
  /** Throws when no decision can be had: 500. */
  authorize(user: UserInfo, attributes: AccessAttributes, signal: AbortSignal): Promise<AccessDecision>;
}
