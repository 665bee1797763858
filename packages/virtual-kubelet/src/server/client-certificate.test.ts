import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { createAuthority } from "../testing/pki.ts";
import { leadsTo, parseBundle } from "./client-certificate.ts";

const [first, second] = [createAuthority("one name"), createAuthority("one name")];
const leaf = new X509Certificate(first.issue({ commonName: "admin" }).certificate);
const bundle = parseBundle(`words\n${second.certificate}\n${first.certificate}`);
const year = 366 * 24 * 3_600_000;

test("a certificate leads to the authority that signed it, by key and not by name, while both are valid", () => {
  assert.equal(leadsTo(leaf, bundle, Date.now()), true);
  assert.equal(leadsTo(leaf, parseBundle(second.certificate), Date.now()), false);
  assert.equal(leadsTo(leaf, [], Date.now()), false);
  assert.equal(leadsTo(leaf, bundle, Date.now() + year), false);
  assert.equal(leadsTo(leaf, bundle, Date.now() - year), false);
});

test("an issued certificate is no authority", () => {
  const issuer = first.issue({ commonName: "issuer" });
  assert.equal(leadsTo(leaf, parseBundle(issuer.certificate), Date.now()), false);
  assert.equal(leadsTo(leaf, [leaf], Date.now()), false);
});

test("a bundle without certificates, or with what is none, is refused", () => {
  assert.throws(() => parseBundle("nothing"), /has no certificate/);
  const broken = first.certificate.replace(/\n.{20}/, "\n!!!!");
  assert.throws(() => parseBundle(`${second.certificate}${broken}`), /cannot be read/);
});
