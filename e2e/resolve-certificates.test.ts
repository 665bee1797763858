// Trust bundles and certificates of pods, on an API server that has them, as a node's own user and as a ServiceAccount.
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, webcrypto, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import {
  type KubeObject,
  pods,
  type Resource,
  resource,
  type Stored,
} from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { VolumeProjection } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { PodCertificateRequest } from "../packages/virtual-kubelet/src/resolve/certificates-api.ts";
import { createAuthority } from "../packages/virtual-kubelet/src/testing/pki.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { resolvingNode } from "./resolving-node.ts";

const signerName = "example.com/pods";
const requests: Resource<PodCertificateRequest> = resource(
  "certificates.k8s.io/v1beta1",
  "PodCertificateRequest",
  "podcertificaterequests",
  true,
);
interface TrustBundle extends KubeObject {
  readonly spec: { readonly signerName?: string; readonly trustBundle: string };
}
const bundles: Resource<TrustBundle> = resource(
  "certificates.k8s.io/v1beta1",
  "ClusterTrustBundle",
  "clustertrustbundles",
  false,
);

let harness: Harness;
before(async () => {
  harness = await startHarness({
    apiServerArgs: [
      "--feature-gates=ClusterTrustBundle=true,ClusterTrustBundleProjection=true,PodCertificateRequest=true",
      "--runtime-config=certificates.k8s.io/v1beta1/clustertrustbundles=true,certificates.k8s.io/v1beta1/podcertificaterequests=true",
    ],
  });
  await harness.apply(await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"));
});
after(() => harness?.[Symbol.asyncDispose]());

const projecting = (node: string, ...sources: readonly VolumeProjection[]) => ({
  nodeName: node,
  volumes: [{ name: "certificates", projected: { sources } }],
});

describe("certificates of pods", { concurrency: true, timeout: 900_000 }, () => {
  it("merges trust bundles, once each, and follows them", async () => {
    const node = await resolvingNode("trusts");
    const kubeconfig = await harness.cluster.kubeconfigFor("system:node:trusts", ["system:nodes"]);
    await using _kubelet = await harness.kubelet([node], { kubeconfig });
    const [one, two, three] = ["one", "two", "three"].map((name) => createAuthority(name).certificate.trim());
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    const spec = projecting(
      "trusts",
      { clusterTrustBundle: { name: "named", path: "named.pem" } },
      { clusterTrustBundle: { signerName, labelSelector: { matchLabels: { use: "yes" } }, path: "signed.pem" } },
      { clusterTrustBundle: { name: "nowhere", optional: true, path: "empty.pem" } },
    );
    await harness.client.create(pods, podObject("trusts", { spec }));
    await eventually("it waits", 15_000, async () =>
      /FailedMount.*clustertrustbundle/s.test(await harness.kubectl("describe", "pod", "trusts")),
    );
    await harness.client.create(bundles, {
      metadata: { name: "named" },
      spec: { trustBundle: `text\n${one}\n${two}` },
    });
    const signed = (name: string, labels: Readonly<Record<string, string>>, trustBundle: string): Promise<unknown> =>
      harness.client.create(bundles, {
        metadata: { name: `example.com:pods:${name}`, labels },
        spec: { signerName, trustBundle },
      });
    await signed("first", { use: "yes" }, `${one}\n${two}`);
    await signed("second", { use: "yes" }, `${two}\n`);
    await signed("third", { use: "no" }, `${three}\n`);
    await node.resolved("trusts");
    const file = (path: string): string => node.file("trusts", "certificates", path) ?? "absent";
    const subjects = (text: string): readonly string[] =>
      [...text.matchAll(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g)]
        .map(([pem]) => new X509Certificate(pem).subject)
        .sort();
    assert.deepEqual(subjects(file("named.pem")), ["CN=one", "CN=two"]);
    await eventually("all of the signer's", 10_000, () => subjects(file("signed.pem")).join() === "CN=one,CN=two");
    assert.equal(file("empty.pem"), "");
    await harness.kubectl("label", "clustertrustbundle", "example.com:pods:third", "use=yes", "--overwrite");
    await eventually("a third", 10_000, () => subjects(file("signed.pem")).join() === "CN=one,CN=three,CN=two");
  });

  for (const keyType of ["ECDSAP256", "ECDSAP384", "ED25519", "RSA3072"]) {
    it(`has a certificate issued: ${keyType}`, async () => {
      const name = `certified-${keyType.toLowerCase()}`;
      const node = await resolvingNode(name);
      // One of them as a ServiceAccount.
      const kubeconfig =
        keyType === "ECDSAP384"
          ? await harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet")
          : await harness.cluster.kubeconfigFor(`system:node:${name}`, ["system:nodes"]);
      await using _kubelet = await harness.kubelet([node], { kubeconfig });
      await using _signing = signAll(name);
      const podCertificate = {
        ...{ signerName, keyType, credentialBundlePath: "bundle.pem", keyPath: "key.pem" },
        ...{ certificateChainPath: "chain.pem", userAnnotations: { "example.com/for": "tests" } },
      };
      const clusterTrustBundle = { signerName, labelSelector: {}, optional: true, path: "trust.pem" };
      const spec = projecting(name, { podCertificate }, { clusterTrustBundle });
      const pod = await harness.client.create(pods, podObject(name, { spec }));
      const resolved = await node.resolved(name, 30_000);
      const file = (path: string): string => node.file(name, "certificates", path) ?? "absent";
      const certificate = new X509Certificate(file("chain.pem"));
      assert.equal(certificate.subject, `CN=${pod.metadata.uid}`);
      assert.ok(certificate.checkPrivateKey(createPrivateKey(file("key.pem"))));
      assert.equal(file("bundle.pem"), file("key.pem") + file("chain.pem"));
      const [volume] = resolved.volumes;
      assert.ok(volume?.type === "files");
      assert.deepEqual(
        volume.files.map(({ path, secret }) => [path, secret]),
        [
          ["bundle.pem", true],
          ["chain.pem", false],
          ["key.pem", true],
          ["trust.pem", false],
        ],
      );
      await harness.untilPod("runs", name, 15_000, isRunning);
    });
  }

  it("says why there is none", async () => {
    const node = await resolvingNode("denied");
    const kubeconfig = await harness.cluster.kubeconfigFor("system:node:denied", ["system:nodes"]);
    await using _kubelet = await harness.kubelet([node], { kubeconfig });
    await using _denying = signAll("denied", true);
    const podCertificate = { signerName, keyType: "ED25519", credentialBundlePath: "bundle.pem" };
    await harness.client.create(pods, podObject("denied", { spec: projecting("denied", { podCertificate }) }));
    await eventually("told", 20_000, async () =>
      /FailedMount.*certificate request denied: NotToday: come back later/s.test(
        await harness.kubectl("describe", "pod", "denied"),
      ),
    );
    assert.equal(node.created.size, 0);
    const { items } = await harness.client.list(requests, { fieldSelector: "spec.nodeName=denied" });
    assert.equal(items.length, 1, "a signer that refused is not pestered");
  });
});

/** Issues, or denies, what pods of the node ask for, until it is disposed of. */
function signAll(nodeName: string, deny = false): AsyncDisposable {
  let over = false;
  const signing = (async () => {
    for (; !over; await sleep(200)) {
      const { items } = await harness.client.list(requests, { fieldSelector: `spec.nodeName=${nodeName}` });
      for (const item of items) if ((item.status?.conditions ?? []).length === 0) await answer(item, deny);
    }
  })();
  // Told when it is disposed of.
  signing.catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      over = true;
      await signing;
    },
  };
}

async function answer(item: Stored<PodCertificateRequest>, deny: boolean): Promise<void> {
  const lastTransitionTime = `${new Date().toISOString().slice(0, 19)}Z`;
  const denied = { type: "Denied", status: "True", reason: "NotToday", message: "come back later", lastTransitionTime };
  const issued = { type: "Issued", status: "True", reason: "Tests", message: "issued", lastTransitionTime };
  const status = deny ? { conditions: [denied] } : { conditions: [issued], ...(await certify(item)) };
  const ref = { namespace: item.metadata.namespace, name: item.metadata.name };
  await harness.client.patchMeta(requests, ref, "merge", { status }, { subresource: "status" });
}

async function certify({ spec }: Stored<PodCertificateRequest>): Promise<object> {
  assert.ok(spec !== undefined);
  assert.deepEqual(spec.unverifiedUserAnnotations, { "example.com/for": "tests" });
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const authority = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = new x509.Pkcs10CertificateRequest(Buffer.from(spec.stubPKCS10Request ?? "", "base64"));
  assert.ok(await request.verify());
  const second = Math.floor(Date.now() / 1000) * 1000;
  const [notBefore, notAfter] = [new Date(second), new Date(second + spec.maxExpirationSeconds * 1000)];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${spec.podUID}`,
    issuer: "CN=tests",
    notBefore,
    notAfter,
    signingKey: authority.privateKey,
    publicKey: createPublicKey({
      key: Buffer.from(request.publicKey.rawData),
      format: "der",
      type: "spki",
    }).export({ type: "spki", format: "der" }),
    signingAlgorithm: algorithm,
  });
  const text = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
  return {
    certificateChain: `${certificate.toString("pem")}\n`,
    notBefore: text(notBefore),
    notAfter: text(notAfter),
    beginRefreshAt: text(new Date(second + spec.maxExpirationSeconds * 500)),
  };
}
