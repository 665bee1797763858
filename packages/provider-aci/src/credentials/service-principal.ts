// Tokens for an application of Microsoft Entra ID: by its secret, by a certificate, or by a token that a cluster signed (workload
// identity). All are one form to one address, with another proof.
import {
  constants,
  createHash,
  createPrivateKey,
  randomUUID,
  type SigningOptions,
  sign,
  X509Certificate,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { Https } from "@virtual-kubelet/virtual-kubelet/cloud";
import { tokenOf } from "./token-answer.ts";
import type { TokenSource } from "./token-source.ts";

export interface ServicePrincipal {
  /** Without a slash at its end. */
  readonly authority: string;
  readonly tenantId: string;
  readonly clientId: string;
}

export interface TokenTools {
  readonly https: Https;
  readonly clock: Clock;
}

type Proof = Readonly<Record<string, string>>;

/** A file is read for each token: it may be renewed. */
export function clientSecret(
  principal: ServicePrincipal,
  secret: string | { readonly file: string },
  tools: TokenTools,
): TokenSource {
  const proof = async (): Promise<Proof> => ({
    client_secret: typeof secret === "string" ? secret : (await fileText(secret.file, "client secret")).trim(),
  });
  return source("client secret", principal, proof, tools);
}

/** The file holds certificate and private key as PEM, and is read for each token: it may be renewed. */
export function clientCertificate(
  principal: ServicePrincipal,
  file: string,
  options: { readonly password?: string | undefined; readonly sendChain?: boolean | undefined },
  tools: TokenTools,
): TokenSource {
  const proof = async (): Promise<Proof> =>
    assertionProof(certificateAssertion(principal, await fileText(file, "client certificate"), options, tools.clock));
  return source("client certificate", principal, proof, tools);
}

/** The file holds a token of a ServiceAccount (or of another federated giver), and is read for each token: it is renewed. */
export function workloadIdentity(principal: ServicePrincipal, tokenFile: string, tools: TokenTools): TokenSource {
  const proof = async (): Promise<Proof> => assertionProof((await fileText(tokenFile, "federated token")).trim());
  return source("workload identity", principal, proof, tools);
}

function source(
  kind: string,
  principal: ServicePrincipal,
  proof: () => Promise<Proof>,
  tools: TokenTools,
): TokenSource {
  const url = tokenEndpoint(principal);
  return {
    kind,
    async fetch(audience, signal) {
      const form = new URLSearchParams({
        grant_type: "client_credentials",
        client_id: principal.clientId,
        scope: `${audience}/.default`,
        ...(await proof()),
      });
      const answer = await tools.https.call({
        method: "POST",
        url,
        headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
        body: form.toString(),
        signal,
        timeoutMs: 30_000,
      });
      return tokenOf(answer, `${new URL(url).host} (${kind} of ${principal.clientId})`, tools.clock.now());
    },
  };
}

function tokenEndpoint({ authority, tenantId }: ServicePrincipal): string {
  return `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
}

function assertionProof(assertion: string): Proof {
  return {
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
  };
}

/** A JWT that says who asks, signed by the certificate's key. */
function certificateAssertion(
  principal: ServicePrincipal,
  pem: string,
  options: { readonly password?: string | undefined; readonly sendChain?: boolean | undefined },
  clock: Clock,
): string {
  const chain = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const key = /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----[^-]+-----END ([A-Z]+ )?PRIVATE KEY-----/.exec(pem)?.[0];
  const [first] = chain;
  if (first === undefined || key === undefined)
    throw new VirtualKubeletError(
      "Invalid",
      "the client certificate's file must hold a certificate and its private key, as PEM",
    );
  const privateKey = createPrivateKey({
    key,
    ...(options.password === undefined ? {} : { passphrase: options.password }),
  });
  const raw = chain.map((each) => new X509Certificate(each).raw);
  const isElliptic = privateKey.asymmetricKeyType === "ec";
  const header = {
    alg: isElliptic ? "ES256" : "PS256",
    typ: "JWT",
    "x5t#S256": createHash("sha256")
      .update(raw[0] ?? "")
      .digest("base64url"),
    ...(options.sendChain === true ? { x5c: raw.map((each) => each.toString("base64")) } : {}),
  };
  const now = Math.floor(clock.now() / 1000);
  const claims = {
    aud: tokenEndpoint(principal),
    iss: principal.clientId,
    sub: principal.clientId,
    jti: randomUUID(),
    nbf: now - 60,
    exp: now + 600,
  };
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part(header)}.${part(claims)}`;
  const scheme: SigningOptions = isElliptic
    ? { dsaEncoding: "ieee-p1363" }
    : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const signature = sign("sha256", Buffer.from(text), { key: privateKey, ...scheme });
  return `${text}.${signature.toString("base64url")}`;
}

async function fileText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new VirtualKubeletError("Unauthorized", `the ${what} ${file} cannot be read`, { cause });
  }
}
