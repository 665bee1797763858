// Whose certificate it is: real ones, and some that try to be somebody else's.
import "reflect-metadata";
import assert from "node:assert/strict";
import { createHash, type webcrypto, X509Certificate } from "node:crypto";
import { before, describe, it } from "node:test";
import { type JsonName, Name, X509CertificateGenerator } from "@peculiar/x509";
import { createAuthority } from "../testing/pki.ts";
import { type CertificateOutcome, certificateUser } from "./authentication-x509.ts";

const der = (pem: string): Uint8Array => new X509Certificate(pem).raw;
const year = 365 * 24 * 3_600_000;

/** An attribute's value by its DER, of up to 127 bytes. */
const value = (tag: number, text: string, encoding: BufferEncoding): string => {
  const bytes = Buffer.from(text, encoding);
  if (tag === 0x1e) bytes.swap16();
  return `#${Buffer.concat([Buffer.from([tag, bytes.length]), bytes]).toString("hex")}`;
};
const utf8 = (text: string): string => value(0x0c, text, "utf8");

let keys: webcrypto.CryptoKeyPair;
before(async () => {
  keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
});

async function certificateOf(
  subject: JsonName,
  notBefore: Date = new Date(Date.now() - 60_000),
  notAfter: Date = new Date(Date.now() + 3_600_000),
): Promise<Uint8Array> {
  const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
  const name = new Name(subject);
  const made = await X509CertificateGenerator.createSelfSigned({ keys, name, notBefore, notAfter, signingAlgorithm });
  return new Uint8Array(made.rawData);
}

/** Without the fingerprint, which every certificate has of its own. */
function told(outcome: CertificateOutcome): object {
  if (!("user" in outcome)) return outcome;
  const { extra: _, ...user } = outcome.user;
  return user;
}

describe("a certificate stands for", () => {
  it("the user of its common name, in the groups of its organizations, with its fingerprint", () => {
    const authority = createAuthority("ca");
    const { certificate } = authority.issue({ commonName: "system:node:a", organizations: ["system:nodes", "b", "c"] });
    const fingerprint = createHash("sha256").update(der(certificate)).digest("hex");
    assert.deepEqual(certificateUser(der(certificate), Date.now()), {
      user: {
        username: "system:node:a",
        groups: ["system:nodes", "b", "c"],
        extra: { "authentication.kubernetes.io/credential-id": [`X509SHA256=${fingerprint}`] },
      },
    });
  });

  const subjects: readonly (readonly [string, JsonName, object])[] = [
    ["no groups", [{ CN: ["a"] }], { username: "a", groups: [] }],
    [
      "a line break in a value",
      [{ O: ["a\nO=system:masters"] }, { CN: ["x\nO=system:masters"] }],
      { username: "x\nO=system:masters", groups: ["a\nO=system:masters"] },
    ],
    [
      "separators in a value",
      [{ O: [utf8("a,O=b+O=c/O=d\\,O=e")] }, { CN: ["x,O=system:masters"] }],
      { username: "x,O=system:masters", groups: ["a,O=b+O=c/O=d\\,O=e"] },
    ],
    [
      "several values in one part of the name",
      [{ O: ["a", "b"], CN: ["x"] }, { O: ["c"] }],
      { username: "x", groups: ["a", "b", "c"] },
    ],
    [
      "other parts of the name beside",
      [{ C: ["DE"] }, { OU: ["system:masters"] }, { CN: ["x"] }, { O: ["a"] }, { L: ["O"] }],
      { username: "x", groups: ["a"] },
    ],
    [
      "other string types",
      [{ O: [value(0x14, "é", "latin1"), value(0x13, "p", "ascii")] }, { CN: [value(0x1e, "é-ü", "utf16le")] }],
      { username: "é-ü", groups: ["é", "p"] },
    ],
    ["a value that is cut at NUL elsewhere", [{ CN: ["admin\0x"] }], { username: "admin\0x", groups: [] }],
    ["an empty group", [{ O: [""] }, { CN: ["x"] }, { O: ["a"] }], { username: "x", groups: ["a"] }],
    ["a UID", [{ CN: ["x"] }, { "1.3.6.1.4.1.57683.2": [utf8("u-1")] }], { username: "x", uid: "u-1", groups: [] }],
    [
      "two UIDs",
      [{ CN: ["x"] }, { "1.3.6.1.4.1.57683.2": [utf8("u-1"), utf8("u-2")] }],
      { refused: "the client certificate has more than one UID" },
    ],
    ["no common name", [{ O: ["system:masters"] }], { nobody: "the client certificate has no common name" }],
    ["an empty common name", [{ CN: [""] }], { nobody: "the client certificate has no common name" }],
    ["no name at all", [], { nobody: "the client certificate has no common name" }],
    [
      "two common names",
      [{ CN: ["x"] }, { CN: ["system:admin"] }],
      { refused: "the client certificate has more than one common name" },
    ],
    [
      "two common names in one part",
      [{ CN: ["x", "system:admin"] }],
      { refused: "the client certificate has more than one common name" },
    ],
  ];
  for (const [title, subject, expected] of subjects) {
    it(`what it says, with ${title}`, async () => {
      assert.deepEqual(told(certificateUser(await certificateOf(subject), Date.now())), expected);
    });
  }
});

describe("a certificate is refused", () => {
  it("after its end, and before it begins", async () => {
    const begin = Date.UTC(2026, 0, 1);
    const end = begin + year;
    const certificate = await certificateOf([{ CN: ["x"] }], new Date(begin), new Date(end));
    const at = (now: number): object => told(certificateUser(certificate, now));
    assert.deepEqual(at(begin - 1), { refused: "the client certificate is not valid yet" });
    assert.deepEqual(at(begin), { username: "x", groups: [] });
    assert.deepEqual(at(end), { username: "x", groups: [] });
    assert.deepEqual(at(end + 1), { refused: "the client certificate has expired" });
  });

  it("when it cannot be read", () => {
    for (const bytes of [new Uint8Array(), new Uint8Array([0x30, 0x80]), new TextEncoder().encode("CN=x")])
      assert.deepEqual(certificateUser(bytes, Date.now()), { refused: "the client certificate cannot be read" });
  });
});
