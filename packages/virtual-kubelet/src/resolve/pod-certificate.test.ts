// How a pod's certificate is asked for: keys, proofs that they are one's own, and answers.
import assert from "node:assert/strict";
import { constants, createPrivateKey, createPublicKey, verify, webcrypto } from "node:crypto";
import { describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Stored } from "../kube/resource.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import type { PodCertificateRequest } from "./certificates-api.ts";
import { certificateKey, requestCertificate } from "./pod-certificate.ts";
import type { PodCertificateSource } from "./sources.ts";

const source: PodCertificateSource = {
  ...{ namespace: "shop", podName: "web-0", podUid: "pod-uid", serviceAccount: "robot", nodeName: "vk" },
  ...{
    signerName: "example.com/pods",
    keyType: "ED25519",
    maxExpirationSeconds: undefined,
    userAnnotations: undefined,
  },
};
const meta = (uid: string) => ({ metadata: { name: uid, namespace: "shop", uid, resourceVersion: "1" } });
const keyTypes = ["RSA3072", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];

interface Server {
  readonly client: KubeClient;
  readonly created: PodCertificateRequest[];
}

/** Answers with this status. `versions`: which the server has; `old`: it does not know PKCS #10. */
function server(
  status: (sent: PodCertificateRequest) => PodCertificateRequest["status"],
  { versions = ["v1"], old = false }: { readonly versions?: readonly string[]; readonly old?: boolean } = {},
): Server {
  const created: PodCertificateRequest[] = [];
  const copy = <T>(value: unknown): T => {
    const read: T = JSON.parse(JSON.stringify(value));
    return read;
  };
  const client = scriptedClient({
    getRaw: async (path) => {
      const version = path.split("/").at(-1) ?? "";
      if (!versions.includes(version)) throw new VirtualKubeletError("NotFound", path);
      return { resources: [{ name: "podcertificaterequests" }] };
    },
    get: async () => copy(meta("account-uid")),
    create: async (_of, object) => {
      const request: PodCertificateRequest = copy(object);
      if (old && request.spec?.stubPKCS10Request !== undefined)
        throw new VirtualKubeletError("Invalid", "spec: one of");
      created.push(request);
      return copy({ ...request, ...meta("web-0-x") });
    },
    list: async (_of, options) => {
      assert.equal(options?.fieldSelector, "spec.nodeName=vk,metadata.name=web-0-x");
      const [sent = {}] = created;
      const item: Stored<PodCertificateRequest> = { ...sent, ...meta("web-0-x"), ...statusOf(status(sent)) };
      return copy({ items: [item], resourceVersion: "1" });
    },
  });
  return { client, created };
}

function statusOf(status: PodCertificateRequest["status"]): Pick<PodCertificateRequest, "status"> {
  return status === undefined ? {} : { status };
}

const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
const issued = (): PodCertificateRequest["status"] => ({
  certificateChain: "CHAIN\n",
  beginRefreshAt: at(3_600_000),
  notAfter: at(7_200_000),
  conditions: [{ type: "Issued", status: "True" }],
});

const ask = (client: KubeClient, more: Partial<PodCertificateSource> = {}) =>
  requestCertificate(
    { client, clock: systemClock, node: () => meta("node-uid") },
    { ...source, ...more },
    new AbortController().signal,
  );

describe("requestCertificate", () => {
  for (const keyType of keyTypes) {
    it(`proves by PKCS #10 that the key is its own: ${keyType}`, async () => {
      const { client, created } = server(issued);
      const { value } = await ask(client, { keyType });
      await import("reflect-metadata");
      const x509 = await import("@peculiar/x509");
      x509.cryptoProvider.set(webcrypto);
      const request = new x509.Pkcs10CertificateRequest(
        Buffer.from(created[0]?.spec?.stubPKCS10Request ?? "", "base64"),
      );
      assert.ok(await request.verify());
      const mine = createPublicKey(value.key).export({ type: "spki", format: "der" });
      assert.ok(mine.equals(Buffer.from(request.publicKey.rawData)));
    });

    it(`proves by the pod's UID that the key is its own, to a server of before 1.36: ${keyType}`, async () => {
      const { client, created } = server(issued, { versions: ["v1beta1"], old: true });
      const { value } = await ask(client, { keyType });
      const { pkixPublicKey = "", proofOfPossession = "", stubPKCS10Request } = created[0]?.spec ?? {};
      assert.equal(stubPKCS10Request, undefined);
      const key = createPublicKey({ key: Buffer.from(pkixPublicKey, "base64"), format: "der", type: "spki" });
      assert.ok(key.equals(createPublicKey(createPrivateKey(value.key))));
      const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
      const digest = keyType === "ED25519" ? null : "sha256";
      const signature = Buffer.from(proofOfPossession, "base64");
      assert.ok(verify(digest, Buffer.from("pod-uid"), keyType.startsWith("RSA") ? pss : key, signature));
    });
  }

  it("says for whom", async () => {
    const { client, created } = server(issued, { versions: ["v1beta1", "v1"] });
    const userAnnotations = { "example.com/a": "b" };
    const { value, lifeMs, renewAfterMs } = await ask(client, { maxExpirationSeconds: 7200, userAnnotations });
    assert.equal(created[0]?.apiVersion, "certificates.k8s.io/v1");
    const { stubPKCS10Request: _, ...spec } = created[0]?.spec ?? {};
    assert.deepEqual(spec, {
      ...{ signerName: "example.com/pods", podName: "web-0", podUID: "pod-uid", nodeName: "vk", nodeUID: "node-uid" },
      ...{ serviceAccountName: "robot", serviceAccountUID: "account-uid", maxExpirationSeconds: 7200 },
      unverifiedUserAnnotations: userAnnotations,
    });
    assert.equal(value.chain, "CHAIN\n");
    assert.ok(Math.abs(lifeMs - 7_200_000) < 60_000 && Math.abs(renewAfterMs - 3_600_000) < 60_000);
  });

  it("has a day where nothing is said", async () => {
    const { client, created } = server(() => ({
      certificateChain: "C",
      conditions: [{ type: "Issued", status: "True" }],
    }));
    const { lifeMs, renewAfterMs } = await ask(client);
    assert.equal(created[0]?.spec?.maxExpirationSeconds, 86_400);
    assert.deepEqual([lifeMs, renewAfterMs], [86_400_000, 69_120_000]);
  });

  for (const type of ["Denied", "Failed"]) {
    it(`is told why there is none: ${type}`, async () => {
      const { client } = server(() => ({ conditions: [{ type, status: "True", reason: "R", message: "m" }] }));
      await assert.rejects(ask(client), (error: unknown) => {
        assert.ok(error instanceof VirtualKubeletError);
        assert.equal(error.message, `certificate request ${type.toLowerCase()}: R: m`);
        assert.deepEqual([error.kind, error.retryAfterMs], ["Invalid", 60_000]);
        return true;
      });
    });
  }

  it("fails without the API, or with a key that nobody knows", async () => {
    await assert.rejects(ask(server(issued, { versions: [] }).client), /has no PodCertificateRequests/);
    await assert.rejects(ask(server(issued).client, { keyType: "DSA" }), (error) => isErrorKind(error, "Unsupported"));
  });
});

describe("certificateKey", () => {
  it("tells apart whatever makes another certificate", () => {
    const others: readonly Partial<PodCertificateSource>[] = [
      {},
      { podUid: "other" },
      { signerName: "example.com/others" },
      { keyType: "RSA4096" },
      { maxExpirationSeconds: 3600 },
      { userAnnotations: { a: "b" } },
    ];
    assert.equal(new Set(others.map((more) => certificateKey({ ...source, ...more }))).size, others.length);
  });
});
