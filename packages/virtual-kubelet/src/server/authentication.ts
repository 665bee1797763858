// Who calls the kubelet API: by client certificate, then by bearer token, then, where that was asked for, as nobody in particular.
import { type Clock, systemClock } from "../clock.ts";
import type { Authenticator, CallerCredentials, UserInfo } from "./access.ts";
import { bearerToken, TokenAuthenticator, type TokenOptions } from "./authentication-token.ts";
import { certificateUser } from "./authentication-x509.ts";

export interface AuthenticationOptions extends TokenOptions {
  /** Take callers without credentials as system:anonymous, for whom the authoriser then decides. Default: they are refused. */
  readonly allowAnonymous?: boolean | undefined;
}

const anonymous: UserInfo = { username: "system:anonymous", groups: ["system:unauthenticated"] };

/** What a kubelet does. Credentials that are bad are refused and never taken for anonymous. */
export function createAuthenticator(options: AuthenticationOptions): Authenticator {
  return new CredentialsAuthenticator(options);
}

/** Takes everybody for system:anonymous, whatever they show: for networks where nobody else can reach the port. */
export const insecureEverybodyIsAnonymous: Authenticator = { authenticate: () => Promise.resolve(anonymous) };

class CredentialsAuthenticator implements Authenticator {
  readonly #clock: Clock;
  readonly #allowAnonymous: boolean;
  readonly #tokens: TokenAuthenticator;

  constructor(options: AuthenticationOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#allowAnonymous = options.allowAnonymous ?? false;
    this.#tokens = new TokenAuthenticator(options);
  }

  async authenticate(credentials: CallerCredentials, signal: AbortSignal): Promise<UserInfo | undefined> {
    const { verifiedCertificate, authorization } = credentials;
    const byCertificate =
      verifiedCertificate === undefined ? undefined : certificateUser(verifiedCertificate, this.#clock.now());
    if (byCertificate !== undefined && "user" in byCertificate) return authenticated(byCertificate.user);
    const bearer = bearerToken(authorization);
    if (bearer === "malformed") return undefined;
    if (bearer !== undefined) {
      const user = await this.#tokens.authenticate(bearer.token, signal);
      return user === undefined ? undefined : authenticated(user);
    }
    if (credentials.hasBadCertificate === true || (byCertificate && "refused" in byCertificate)) return undefined;
    return this.#allowAnonymous ? anonymous : undefined;
  }
}

/** Everybody who is known is a member of system:authenticated; the API server adds that only where it authenticates itself. */
function authenticated(user: UserInfo): UserInfo {
  const told = user.groups.includes("system:authenticated") || user.groups.includes("system:unauthenticated");
  return told || user.username === anonymous.username
    ? user
    : { ...user, groups: [...user.groups, "system:authenticated"] };
}
