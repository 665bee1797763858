// Who gives tokens, as the fake has it: Microsoft Entra ID's token endpoint, a metadata service, App Service's endpoint.
// What they gave is what the fake of Azure Resource Manager takes.
import { constants, createPublicKey, randomBytes, type SigningOptions, verify, X509Certificate } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "@virtual-kubelet/virtual-kubelet";
import { FakeRefusal, type FakeReply } from "./fake-refusal.ts";

export interface FakePrincipal {
  readonly tenantId: string;
  readonly clientId: string;
  secret?: string | undefined;
  /** PEM. */
  certificate?: string | undefined;
  /** PEM; in place of the certificate's own. */
  publicKey?: string | undefined;
  /** Tokens of a cluster that are taken for it: one, or those that this is true of. */
  federatedToken?: string | ((token: string) => boolean) | undefined;
}

interface Issued {
  readonly audience: string;
  readonly expiresAt: number;
}

/** Of assertions, by `alg`. */
const schemes: Readonly<Record<string, SigningOptions>> = {
  ES256: { dsaEncoding: "ieee-p1363" },
  PS256: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
  RS256: {},
};

export class FakeTokens {
  readonly principal: FakePrincipal;
  /** Seconds that tokens are good for. */
  lifetime = 3600;
  /** Client ids of the machine's user-assigned identities; "": its own. */
  readonly identities: Set<string> = new Set([""]);
  /** What App Service wants as a proof. */
  readonly identityHeader: string = randomBytes(8).toString("hex");
  /** `<kind of proof>` of each token given, in order. */
  readonly given: string[] = [];
  readonly #issued = new Map<string, Issued>();
  readonly #clock: Clock;

  constructor(clock: Clock, principal: FakePrincipal) {
    this.#clock = clock;
    this.principal = principal;
  }

  mint(audience: string): string {
    const token = `fake-${randomBytes(12).toString("hex")}`;
    this.#issued.set(token, { audience, expiresAt: this.#clock.now() + this.lifetime * 1000 });
    return token;
  }

  /** None of the tokens given so far is good any more. */
  revokeAll(): void {
    this.#issued.clear();
  }

  /** Throws a refusal when the header has no token that is good for the audience. */
  check(authorization: string | undefined, audience: string): void {
    const issued = this.#issued.get(/^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "");
    const challenge = { "www-authenticate": 'Bearer error="invalid_token"' };
    if (issued === undefined)
      throw new FakeRefusal(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge);
    if (issued.expiresAt <= this.#clock.now())
      throw new FakeRefusal(
        401,
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time is earlier than now.",
        challenge,
      );
    if (issued.audience.replace(/\/$/, "") !== audience)
      throw new FakeRefusal(
        401,
        "InvalidAuthenticationTokenAudience",
        "The access token has another audience.",
        challenge,
      );
  }

  /** The token endpoint of a tenant, and where libraries learn of it. */
  login(tenant: string, { origin, pathname }: URL, form: URLSearchParams): FakeReply {
    const place = `${origin}/${tenant}`;
    const endpoint = `${place}/oauth2/v2.0/token`;
    if (!pathname.endsWith("openid-configuration")) return this.#tokenEndpoint(tenant, form, endpoint);
    const body = {
      ...{ issuer: `${place}/v2.0`, token_endpoint: endpoint },
      ...{ authorization_endpoint: `${place}/oauth2/v2.0/authorize`, jwks_uri: `${place}/discovery/v2.0/keys` },
    };
    return { status: 200, body };
  }

  #tokenEndpoint(tenant: string, form: URLSearchParams, endpoint: string): FakeReply {
    if (tenant !== this.principal.tenantId)
      return refused("invalid_request", `AADSTS90002: Tenant '${tenant}' not found.`);
    if (form.get("grant_type") !== "client_credentials") return refused("unsupported_grant_type", "AADSTS70003");
    if (form.get("client_id") !== this.principal.clientId)
      return refused("unauthorized_client", "AADSTS700016: Application was not found.\r\nTrace ID: 1");
    const scope = /^(.+)\/\.default$/.exec(form.get("scope") ?? "");
    if (scope === null) return refused("invalid_scope", "AADSTS1002012: The scope must end with /.default.");
    const proof = this.#proofOf(form, endpoint);
    if (proof === undefined)
      return refused("invalid_client", "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1");
    return this.#give(proof, scope[1] ?? "");
  }

  /** http: the machine's metadata service, and App Service's endpoint. */
  metadata(url: URL, headers: IncomingHttpHeaders): FakeReply {
    if (url.pathname === "/metadata/identity/oauth2/token") {
      if (headers["metadata"] !== "true") return { status: 400, body: { error: "invalid_request" } };
      return this.#identity("imds", url.searchParams);
    }
    if (url.pathname === "/msi/token") {
      if (headers["x-identity-header"] !== this.identityHeader) return { status: 403, body: { error: "denied" } };
      return this.#identity("app-service", url.searchParams);
    }
    return { status: 404, body: { error: "not_found" } };
  }

  #identity(kind: string, query: URLSearchParams): FakeReply {
    const identity = query.get("client_id") ?? "";
    if (!this.identities.has(identity))
      return { status: 400, body: { error: "invalid_request", error_description: "Identity not found" } };
    return this.#give(kind, query.get("resource") ?? "");
  }

  #give(kind: string, audience: string): FakeReply {
    this.given.push(kind);
    return {
      status: 200,
      body: { token_type: "Bearer", expires_in: this.lifetime, access_token: this.mint(audience) },
    };
  }

  #proofOf(form: URLSearchParams, endpoint: string): string | undefined {
    const { secret, certificate, federatedToken } = this.principal;
    if (secret !== undefined && form.get("client_secret") === secret) return "secret";
    const assertion = form.get("client_assertion");
    if (assertion === null || !/jwt-bearer$/.test(form.get("client_assertion_type") ?? "")) return undefined;
    if (typeof federatedToken === "function" ? federatedToken(assertion) : assertion === federatedToken)
      return "federated";
    if (certificate !== undefined && this.#isSigned(assertion, certificate, endpoint)) return "certificate";
    return undefined;
  }

  #isSigned(assertion: string, certificate: string, endpoint: string): boolean {
    const [header = "", claims = "", signature = ""] = assertion.split(".");
    const key = createPublicKey(this.principal.publicKey ?? certificate);
    const decoded: unknown = JSON.parse(Buffer.from(claims, "base64url").toString());
    const head: unknown = JSON.parse(Buffer.from(header, "base64url").toString());
    const has = (value: unknown, name: string): unknown =>
      Object.entries(value ?? {}).find(([each]) => each === name)?.[1];
    const scheme = schemes[String(has(head, "alg"))];
    const text = Buffer.from(`${header}.${claims}`);
    if (scheme === undefined || !verify("sha256", text, { key, ...scheme }, Buffer.from(signature, "base64url")))
      return false;
    const { fingerprint, fingerprint256 } = new X509Certificate(certificate);
    const print = (hex: string): string => Buffer.from(hex.replaceAll(":", ""), "hex").toString("base64url");
    const given = String(has(head, "x5t#S256") ?? has(head, "x5t"));
    return (
      has(decoded, "aud") === endpoint &&
      has(decoded, "iss") === this.principal.clientId &&
      has(decoded, "sub") === this.principal.clientId &&
      Number(has(decoded, "exp")) * 1000 > this.#clock.now() &&
      [print(fingerprint256), print(fingerprint)].includes(given.replace(/=+$/, ""))
    );
  }
}

function refused(error: string, error_description: string): FakeReply {
  return { status: error === "invalid_client" ? 401 : 400, body: { error, error_description } };
}
