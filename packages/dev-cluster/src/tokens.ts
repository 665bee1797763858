// ServiceAccount tokens: JWTs that are bound to an account, and to a pod where they are asked for one.
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

export interface TokenWish {
  readonly namespace: string;
  readonly account: JsonObject;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  /** The object that the token ends with. */
  readonly bound?: { readonly kind: string; readonly name: string; readonly uid: string } | undefined;
  readonly node?: { readonly name: string; readonly uid: string } | undefined;
}

export class Tokens {
  /** PEM, PKCS #8; for the state directory alone. */
  readonly key: string;
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #store: Store;
  readonly #now: () => number;

  constructor(options: { readonly store: Store; readonly now: () => number; readonly key?: string | undefined }) {
    this.#private =
      options.key === undefined
        ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
        : createPrivateKey(options.key);
    this.#public = createPublicKey(this.#private);
    this.key = this.#private.export({ type: "pkcs8", format: "pem" }).toString();
    this.#store = options.store;
    this.#now = options.now;
  }

  issue(wish: TokenWish): { readonly token: string; readonly expires: number } {
    const seconds = Math.floor(this.#now() / 1000);
    const expires = seconds + wish.expirationSeconds;
    const name = text(wish.account, "metadata", "name");
    const { bound, node } = wish;
    const claims = {
      aud: wish.audiences.length > 0 ? wish.audiences : [issuer],
      exp: expires,
      iat: seconds,
      iss: issuer,
      jti: randomUUID(),
      "kubernetes.io": {
        namespace: wish.namespace,
        ...(node === undefined ? {} : { node }),
        ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
        serviceaccount: { name, uid: text(wish.account, "metadata", "uid") },
      },
      nbf: seconds,
      sub: `system:serviceaccount:${wish.namespace}:${name}`,
    };
    const signed = `${encode({ alg: "ES256", kid: "dev-cluster" })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: this.#private, dsaEncoding: "ieee-p1363" });
    return { token: `${signed}.${signature.toString("base64url")}`, expires: expires * 1000 };
  }

  /** Whose token it is; undefined where it is none of ours, is over, or not for any of these audiences. */
  review(
    token: string,
    audiences: readonly string[] = [issuer],
  ): { readonly user: User; readonly audiences: readonly string[] } | undefined {
    const claims = this.#claims(token);
    if (claims === undefined || (number(claims, "exp") ?? 0) * 1000 < this.#now()) return undefined;
    const own = texts(claims, "aud");
    const common = audiences.filter((each) => own.includes(each));
    if (common.length === 0) return undefined;
    const bound = object(claims, "kubernetes.io");
    const namespace = text(bound, "namespace");
    const name = text(bound, "serviceaccount", "name");
    const uid = text(bound, "serviceaccount", "uid");
    const account = this.#store.get("serviceaccounts", namespace, name);
    if (text(account, "metadata", "uid") !== uid) return undefined;
    const podName = text(bound, "pod", "name");
    if (podName !== "") {
      const pod = this.#store.get("pods", namespace, podName);
      if (text(pod, "metadata", "uid") !== text(bound, "pod", "uid")) return undefined;
    }
    return { user: accountUser(namespace, name, uid, bound, text(claims, "jti")), audiences: common };
  }

  /** Whose bootstrap token it is, by the Secrets of kube-system; undefined where it is none, or is over. */
  bootstrapUser(token: string): User | undefined {
    const match = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token);
    const id = match?.[1] ?? "";
    const secret = this.#store.get("secrets", "kube-system", `bootstrap-token-${id}`);
    const said = (field: string): string => Buffer.from(text(secret, "data", field), "base64").toString();
    if (match === null || text(secret, "type") !== "bootstrap.kubernetes.io/token") return undefined;
    const isSame = said("token-id") === id && said("token-secret") === match[2];
    const expires = Date.parse(said("expiration"));
    if (!isSame || said("usage-bootstrap-authentication") !== "true" || expires < this.#now()) return undefined;
    const extra = said("auth-extra-groups").split(",").filter(Boolean);
    return { name: `system:bootstrap:${id}`, groups: ["system:bootstrappers", ...extra, "system:authenticated"] };
  }

  /** What others verify tokens with. */
  keys(): JsonObject {
    const jwk = this.#public.export({ format: "jwk" });
    const key = {
      use: "sig",
      kty: jwk.kty ?? "",
      kid: "dev-cluster",
      alg: "ES256",
      crv: jwk.crv ?? "",
      x: jwk.x ?? "",
      y: jwk.y ?? "",
    };
    return { keys: [key] };
  }

  #claims(token: string): JsonObject | undefined {
    const [header = "", body = "", signature = "", ...rest] = token.split(".");
    if (signature === "" || rest.length > 0) return undefined;
    const signed = Buffer.from(`${header}.${body}`);
    const key = { key: this.#public, dsaEncoding: "ieee-p1363" } as const;
    if (!verify("sha256", signed, key, Buffer.from(signature, "base64url"))) return undefined;
    const claims = parseJson(Buffer.from(body, "base64url").toString());
    return isObject(claims) ? claims : undefined;
  }
}

function accountUser(namespace: string, name: string, uid: string, bound: JsonObject, id: string): User {
  const pod = text(bound, "pod", "name");
  const node = text(bound, "node", "name");
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    extra: {
      "authentication.kubernetes.io/credential-id": [`JTI=${id}`],
      ...(pod === ""
        ? {}
        : {
            "authentication.kubernetes.io/pod-name": [pod],
            "authentication.kubernetes.io/pod-uid": [text(bound, "pod", "uid")],
          }),
      ...(node === ""
        ? {}
        : {
            "authentication.kubernetes.io/node-name": [node],
            "authentication.kubernetes.io/node-uid": [text(bound, "node", "uid")],
          }),
    },
  };
}

function encode(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
