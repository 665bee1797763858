import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createAuthority } from "../testing/pki.ts";
import {
  type CertificateSubject,
  canonicalIp,
  certificateFacts,
  pairFault,
  renewalTime,
  sameSubject,
} from "./certificate-pair.ts";

const authority = createAuthority("ca");

test("reads subject, names and times", () => {
  const issued = authority.issue({
    commonName: "system:node:a",
    organizations: ["system:nodes"],
    dnsNames: ["a.example", "b"],
    ipAddresses: ["10.0.0.1", "2001:db8::ff:1"],
  });
  const facts = certificateFacts(`${issued.key}\n${issued.certificate}\n${authority.certificate}`);
  assert.deepEqual(facts.subject, {
    commonName: "system:node:a",
    organizations: ["system:nodes"],
    dnsNames: ["a.example", "b"],
    ipAddresses: ["10.0.0.1", "2001:db8::ff:1"],
  });
  assert.ok(facts.notBefore < Date.now() && facts.notAfter > Date.now());
  assert.deepEqual(certificateFacts(createAuthority("x").certificate).subject, {
    commonName: "x",
    organizations: [],
    dnsNames: [],
    ipAddresses: [],
  });
  assert.throws(() => certificateFacts("nothing"), { kind: "Invalid" });
});

test("says why certificate and key cannot be used, and never what the key is", () => {
  const [a, b] = [authority.issue({ commonName: "a" }), authority.issue({ commonName: "b" })];
  assert.equal(pairFault({ cert: a.certificate, key: a.key }), undefined);
  assert.match(pairFault({ cert: a.certificate, key: b.key }) ?? "", /do not belong together/);
  const secret = a.key.split("\n")[1] ?? "";
  for (const key of ["", "x", a.certificate, a.key.slice(0, 100), a.key.replace("MIG", "XXX")]) {
    const fault = pairFault({ cert: a.certificate, key });
    assert.ok(fault !== undefined && !fault.includes(secret.slice(0, 20)), fault);
  }
  assert.match(pairFault({ cert: a.certificate.slice(0, 200), key: a.key }) ?? "", /no certificate and key/);
});

test("one spelling for each address", () => {
  for (const [address, canonical] of [
    ["10.0.0.1", "10.0.0.1"],
    ["FD00:0:0:0:0:0:0:7", "fd00::7"],
    ["fe80::1%eth0", "fe80::1"],
    ["::1", "::1"],
  ] as const)
    assert.equal(canonicalIp(address), canonical);
});

test("subjects are the same whatever the order and spelling of names", () => {
  const subject: CertificateSubject = {
    commonName: "system:node:a",
    organizations: ["system:nodes"],
    dnsNames: ["b", "A"],
    ipAddresses: ["10.0.0.1", "fd00::1"],
  };
  const like = { ...subject, dnsNames: ["a", "B", "b"], ipAddresses: ["FD00:0:0:0:0:0:0:1", "10.0.0.1"] };
  assert.ok(sameSubject(subject, like));
  for (const other of [
    { commonName: "system:node:b" },
    { organizations: [] },
    { dnsNames: ["b"] },
    { ipAddresses: ["10.0.0.1"] },
    { ipAddresses: ["10.0.0.1", "fd00::1", "fd00::2"] },
  ])
    assert.equal(sameSubject(subject, { ...subject, ...other }), false, JSON.stringify(other));
});

test("a certificate is replaced after 70 to 90 % of its life", () => {
  assert.equal(
    renewalTime({ notBefore: 1000, notAfter: 2000 }, () => 0),
    1700,
  );
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1 }), (notBefore, life) => {
      const share = (renewalTime({ notBefore, notAfter: notBefore + life }) - notBefore) / life;
      assert.ok(share > 0.699 && share < 0.901);
    }),
  );
});
