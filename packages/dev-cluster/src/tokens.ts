// ServiceAccount tokens: JWTs that are bound to an account, and to a pod where they are asked for one; and bootstrap tokens.
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
  verify,
} from "node:crypto";
import type { User } from "./access.ts";
import { isObject, type JsonObject, number, object, parseJson, text, texts } from "./json.ts";
import type { Store } from "./store.ts";

export const issuer = "https://kubernetes.default.svc.cluster.local";

const dsaEncoding = "ieee-p1363";
const header = encode({ alg: "ES256", kid: "dev-cluster" });

export interface TokenWish {
  readonly account: JsonObject;
  /** None: the API itself. */
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  /** The token ends with it. */
  readonly pod?: JsonObject | undefined;
  /** Where the pod is. */
  readonly node?: JsonObject | undefined;
}

export class Tokens {
  /** PEM, PKCS #8; for the state directory alone. */
  readonly key: string;
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #store: Store;
  readonly #now: () => number;

  /** `key`: the one that was used before. */
  constructor(store: Store, now: () => number, key: string | undefined) {
    this.#private =
      key === undefined ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey : createPrivateKey(key);
    this.#public = createPublicKey(this.#private);
    this.key = this.#private.export({ type: "pkcs8", format: "pem" }).toString();
    this.#store = store;
    this.#now = now;
  }

  /** `expires`: epoch milliseconds. */
  issue({ account, pod, node, ...wish }: TokenWish): { readonly token: string; readonly expires: number } {
    const seconds = Math.floor(this.#now() / 1000);
    const expires = seconds + wish.expirationSeconds;
    const namespace = text(account, "metadata", "namespace");
    const reference = (to: JsonObject | undefined): JsonObject | undefined =>
      to && { name: text(to, "metadata", "name"), uid: text(to, "metadata", "uid") };
    const claims = {
      aud: wish.audiences.length > 0 ? wish.audiences : [issuer],
      exp: expires,
      iat: seconds,
      iss: issuer,
      jti: randomUUID(),
      "kubernetes.io": { namespace, node: reference(node), pod: reference(pod), serviceaccount: reference(account) },
      nbf: seconds,
      sub: `system:serviceaccount:${namespace}:${text(account, "metadata", "name")}`,
    };
    const signed = `${header}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: this.#private, dsaEncoding });
    return { token: `${signed}.${signature.toString("base64url")}`, expires: expires * 1000 };
  }

  /** Whose token it is; undefined where it is none of ours, is over, or not for any of these audiences. */
  review(
    token: string,
    audiences: readonly string[] = [issuer],
  ): { readonly user: User; readonly audiences: readonly string[] } | undefined {
    const claims = this.#claims(token);
    const common = audiences.filter((each) => texts(claims, "aud").includes(each));
    if ((number(claims, "exp") ?? 0) * 1000 < this.#now() || common.length === 0) return undefined;
    const about = object(claims, "kubernetes.io");
    const namespace = text(about, "namespace");
    const isThere = (resource: string, what: string): boolean => {
      const found = this.#store.get(resource, namespace, text(about, what, "name"));
      return found !== undefined && text(found, "metadata", "uid") === text(about, what, "uid");
    };
    if (!isThere("serviceaccounts", "serviceaccount") || (about["pod"] !== undefined && !isThere("pods", "pod")))
      return undefined;
    return { user: accountUser(about, text(claims, "jti")), audiences: common };
  }

  /** Whose bootstrap token it is, by the Secrets of kube-system; undefined where it is none, or is over. */
  bootstrapUser(token: string): User | undefined {
    const [, id = "", secretOf] = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token) ?? [];
    const secret = this.#store.get("secrets", "kube-system", `bootstrap-token-${id}`);
    const said = (field: string): string => Buffer.from(text(secret, "data", field), "base64").toString();
    const isGood =
      text(secret, "type") === "bootstrap.kubernetes.io/token" &&
      said("token-id") === id &&
      said("token-secret") === secretOf &&
      said("usage-bootstrap-authentication") === "true" &&
      !(Date.parse(said("expiration")) < this.#now());
    if (!isGood) return undefined;
    const extra = said("auth-extra-groups").split(",").filter(Boolean);
    return { name: `system:bootstrap:${id}`, groups: ["system:bootstrappers", ...extra, "system:authenticated"] };
  }

  /** What others verify tokens with. */
  keys(): JsonObject {
    const { kty, crv, x, y } = this.#public.export({ format: "jwk" });
    return { keys: [{ use: "sig", kty, kid: "dev-cluster", alg: "ES256", crv, x, y }] };
  }

  #claims(token: string): JsonObject | undefined {
    const [header = "", body = "", signature = "", ...rest] = token.split(".");
    if (signature === "" || rest.length > 0) return undefined;
    const signed = Buffer.from(`${header}.${body}`);
    if (!verify("sha256", signed, { key: this.#public, dsaEncoding }, Buffer.from(signature, "base64url")))
      return undefined;
    const claims = parseJson(Buffer.from(body, "base64url").toString());
    return isObject(claims) ? claims : undefined;
  }
}

/** `about`: what a token says of its account, and of the pod that it is for. */
function accountUser(about: JsonObject, id: string): User {
  const namespace = text(about, "namespace");
  const prefix = "authentication.kubernetes.io";
  const bound = ["pod", "node"]
    .filter((what) => about[what] !== undefined)
    .flatMap((what) => ["name", "uid"].map((field) => [`${prefix}/${what}-${field}`, [text(about, what, field)]]));
  return {
    name: `system:serviceaccount:${namespace}:${text(about, "serviceaccount", "name")}`,
    uid: text(about, "serviceaccount", "uid"),
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    extra: { [`${prefix}/credential-id`]: [`JTI=${id}`], ...Object.fromEntries(bound) },
  };
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
