import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import "reflect-metadata";
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from "@peculiar/x509";
import fc from "fast-check";
import { certificateFacts, pairFault, sameSubject } from "./certificate-pair.ts";
import { createCertificateRequest, createKey, createSelfSigned } from "./certificate-request.ts";

const subject = {
  commonName: "system:node:a",
  organizations: ["system:nodes"],
  dnsNames: ["a.example"],
  ipAddresses: ["10.0.0.1", "fd00::1"],
};

test("a request has subject, names and a signature by its key", async () => {
  const request = new Pkcs10CertificateRequest(await createCertificateRequest(subject, await createKey()));
  assert.equal(request.subject, "O=system:nodes, CN=system:node:a");
  assert.deepEqual(alternativeNames(request), [
    { type: "dns", value: "a.example" },
    { type: "ip", value: "10.0.0.1" },
    { type: "ip", value: "fd00::1" },
  ]);
  assert.ok(await request.verify());
  const bare = await createCertificateRequest({ ...subject, dnsNames: [], ipAddresses: [] }, await createKey());
  assert.deepEqual(new Pkcs10CertificateRequest(bare).extensions, [], "no names, no extension");
});

function alternativeNames(request: Pkcs10CertificateRequest): unknown {
  const found = request.extensions.find((extension) => extension instanceof SubjectAlternativeNameExtension);
  return found?.names.toJSON();
}

test("names that would be syntax are refused", async () => {
  for (const commonName of ['a"b', "#abcd", "a,CN=b", "a+b", "", "ä", "x".repeat(300)])
    await assert.rejects(createSelfSigned({ ...subject, commonName }, { notBefore: 0, notAfter: 1 }), {
      kind: "Invalid",
    });
});

test("a self-signed certificate says what it should and vouches for itself", async () => {
  const names = fc.array(
    fc.domain().filter((name) => name.length < 64),
    { maxLength: 3 },
  );
  const addresses = fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(names, addresses, async (dnsNames, ipAddresses) => {
      const wanted = { commonName: "node-a", organizations: [], dnsNames, ipAddresses };
      const validity = { notBefore: Date.UTC(2026, 0, 1), notAfter: Date.UTC(2027, 0, 1) };
      const pair = await createSelfSigned(wanted, validity);
      assert.equal(pairFault(pair), undefined);
      const facts = certificateFacts(pair.cert);
      assert.ok(sameSubject(facts.subject, wanted), JSON.stringify(facts.subject));
      assert.deepEqual({ notBefore: facts.notBefore, notAfter: facts.notAfter }, validity);
      const certificate = new X509Certificate(pair.cert);
      assert.ok(certificate.verify(certificate.publicKey));
      assert.equal(certificate.ca, false);
      assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    }),
    { numRuns: 30 },
  );
});
