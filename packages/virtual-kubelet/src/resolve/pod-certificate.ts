// Asks for a certificate of a pod: makes a key, has the request made by the API server's signers, waits for the chain.
import { constants, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import { type Clock, pause } from "../clock.ts";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import { createStubRequest } from "../kube/certificate-request.ts";
import type { KubeClient } from "../kube/client.ts";
import { type Resource, type Stored, serviceAccounts } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import { type PodCertificateRequest, podCertificateRequestsOf } from "./certificates-api.ts";
import type { Credential } from "./renewed-credentials.ts";
import type { IssuedCertificate, PodCertificateSource } from "./sources.ts";

export interface PodCertificateContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly node: (name: string) => Stored<Node> | undefined;
}

/** What the API server fills in. */
const defaultSeconds = 86_400;
const pollMs = 1000;
const longestWaitMs = 300_000;
/** A signer that refused is asked again after so long. */
const refusedAgainMs = 60_000;

export function certificateKey(source: PodCertificateSource): string {
  const { podUid, signerName, keyType, maxExpirationSeconds, userAnnotations } = source;
  return `${podUid}/${signerName}/${keyType}/${maxExpirationSeconds ?? ""}/${JSON.stringify(userAnnotations ?? {})}`;
}

export async function requestCertificate(
  context: PodCertificateContext,
  source: PodCertificateSource,
  signal: AbortSignal,
): Promise<Credential<IssuedCertificate>> {
  const { client, clock } = context;
  const requests = await podCertificateRequestsOf(client, signal);
  if (requests === undefined)
    throw new VirtualKubeletError("Unavailable", "the API server has no PodCertificateRequests");
  const key = await newKey(source.keyType);
  const begun = clock.now();
  const created = await create(context, requests, source, key, signal);
  const { certificateChain = "", beginRefreshAt, notAfter } = await issued(context, requests, created, source, signal);
  const until = (time: string | undefined, otherwise: number): number => {
    const at = time === undefined ? Number.NaN : Date.parse(time);
    return Number.isFinite(at) ? at - begun : otherwise;
  };
  const lifeMs = until(notAfter, (source.maxExpirationSeconds ?? defaultSeconds) * 1000);
  return {
    value: { key: key.export({ type: "pkcs8", format: "pem" }).toString(), chain: certificateChain },
    lifeMs,
    renewAfterMs: until(beginRefreshAt, lifeMs * 0.8),
  };
}

async function create(
  { client, node }: PodCertificateContext,
  requests: Resource<PodCertificateRequest>,
  source: PodCertificateSource,
  key: KeyObject,
  signal: AbortSignal,
): Promise<Stored<PodCertificateRequest>> {
  const { namespace, podName, podUid, serviceAccount, nodeName, signerName } = source;
  const account = await client.get(serviceAccounts, { namespace, name: serviceAccount }, { signal });
  const nodeUid = node(nodeName)?.metadata.uid;
  if (nodeUid === undefined) throw new VirtualKubeletError("Unavailable", `node ${nodeName} is not registered yet`);
  const request = (proof: object): PodCertificateRequest => ({
    apiVersion: `${requests.group}/${requests.version}`,
    kind: requests.kind,
    metadata: { generateName: `${podName.slice(0, 50)}-`, namespace },
    spec: {
      ...{ signerName, podName, podUID: podUid, nodeName, nodeUID: nodeUid },
      serviceAccountName: serviceAccount,
      serviceAccountUID: account.metadata.uid,
      maxExpirationSeconds: source.maxExpirationSeconds ?? defaultSeconds,
      ...(source.userAnnotations === undefined ? {} : { unverifiedUserAnnotations: source.userAnnotations }),
      ...proof,
    },
  });
  try {
    return await client.create(requests, request({ stubPKCS10Request: await createStubRequest(key) }), { signal });
  } catch (error) {
    // Servers of before 1.36 know the older form alone.
    if (requests.version === "v1" || !isErrorKind(error, "Invalid")) throw error;
    return await client.create(requests, request(possession(key, podUid)), { signal });
  }
}

async function issued(
  { client, clock }: PodCertificateContext,
  requests: Resource<PodCertificateRequest>,
  { metadata }: Stored<PodCertificateRequest>,
  { nodeName, namespace }: PodCertificateSource,
  signal: AbortSignal,
): Promise<NonNullable<PodCertificateRequest["status"]>> {
  const fieldSelector = `spec.nodeName=${nodeName},metadata.name=${metadata.name}`;
  for (const end = clock.now() + longestWaitMs; clock.now() < end; await pause(clock, pollMs, signal)) {
    signal.throwIfAborted();
    const { items } = await client.list(requests, { namespace, fieldSelector, signal });
    const [found] = items;
    if (found === undefined) throw new VirtualKubeletError("NotFound", "the certificate request was deleted");
    for (const { type, status, reason = "", message = "" } of found.status?.conditions ?? []) {
      if (status !== "True") continue;
      if (type === "Issued" && found.status?.certificateChain) return found.status;
      if (type !== "Denied" && type !== "Failed") continue;
      const text = `certificate request ${type.toLowerCase()}: ${reason}: ${message}`;
      throw new VirtualKubeletError("Invalid", text, { retryAfterMs: refusedAgainMs });
    }
  }
  throw new VirtualKubeletError("Unavailable", `no certificate of ${metadata.name} within ${longestWaitMs / 1000} s`);
}

async function newKey(keyType: string): Promise<KeyObject> {
  const generate = promisify(generateKeyPair);
  switch (keyType) {
    case "RSA3072":
    case "RSA4096":
      return (await generate("rsa", { modulusLength: Number(keyType.slice(3)) })).privateKey;
    case "ECDSAP256":
    case "ECDSAP384":
    case "ECDSAP521":
      return (await generate("ec", { namedCurve: `P-${keyType.slice(6)}` })).privateKey;
    case "ED25519":
      return (await generate("ed25519")).privateKey;
    default:
      throw new VirtualKubeletError("Unsupported", `no such key type: ${keyType}`);
  }
}

/** The form of before 1.36: the public key, and the pod's UID signed with it. */
function possession(
  key: KeyObject,
  podUid: string,
): { readonly pkixPublicKey: string; readonly proofOfPossession: string } {
  const publicKey = createPublicKey(createPrivateKey(key.export({ type: "pkcs8", format: "pem" })));
  const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN };
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const signature = sign(digest, Buffer.from(podUid), key.asymmetricKeyType === "rsa" ? pss : key);
  return {
    pkixPublicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    proofOfPossession: signature.toString("base64"),
  };
}
