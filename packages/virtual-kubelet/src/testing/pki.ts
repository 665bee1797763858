// X.509 for test clusters: authorities and the certificates they sign, written as DER from node:crypto keys. EC P-256,
// SHA-256, a year long. For tests only: production code never makes its own authority.
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";

export interface CertificateRequest {
  readonly commonName: string;
  /** Become groups of a Kubernetes user. */
  readonly organizations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Extended key usages; default both. */
  readonly usages?: readonly ("client" | "server")[];
}

export interface IssuedCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface CertificateAuthority extends IssuedCertificate {
  issue(request: CertificateRequest): IssuedCertificate;
  /** An authority whose certificate this one has signed. */
  intermediate(commonName: string): CertificateAuthority;
}

/** A new self-signed authority. */
export function createAuthority(commonName: string): CertificateAuthority {
  return authoritySignedBy(undefined, commonName);
}

/** `parent` undefined: by itself. */
function authoritySignedBy(parent: Signer | undefined, commonName: string): CertificateAuthority {
  const keys = newKeys();
  const name = distinguishedName(commonName, []);
  const signer: Signer = { name, key: keys.key, identifier: keyIdentifier(keys.publicKey) };
  const certificate = certify(parent ?? signer, name, keys.publicKey, [
    extension(oids.basicConstraints, sequence(boolean(true)), true),
    extension(oids.keyUsage, bitFlags([0, 2, 5, 6]), true),
  ]);
  return {
    certificate,
    key: keys.key,
    intermediate: (commonNameOfIt) => authoritySignedBy(signer, commonNameOfIt),
    issue(request) {
      const subject = newKeys();
      const usages = request.usages ?? ["client", "server"];
      const names = [
        ...(request.dnsNames ?? []).map((name) => tlv(0x82, Buffer.from(name, "ascii"))),
        ...(request.ipAddresses ?? []).map((address) => tlv(0x87, ipBytes(address))),
      ];
      const issued = certify(
        signer,
        distinguishedName(request.commonName, request.organizations ?? []),
        subject.publicKey,
        [
          extension(oids.basicConstraints, sequence(), true),
          extension(oids.keyUsage, bitFlags([0]), true),
          extension(oids.extendedKeyUsage, sequence(...usages.map((usage) => objectIdentifier(oids[usage])))),
          ...(names.length === 0 ? [] : [extension(oids.subjectAltName, sequence(...names))]),
        ],
      );
      return { certificate: issued, key: subject.key };
    },
  };
}

/** A new key pair as PEM (PKCS #8 and SPKI), e.g. to sign ServiceAccount tokens with. */
export function createKeyPair(): { readonly privateKey: string; readonly publicKey: string } {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKey: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

interface Signer {
  readonly name: Buffer;
  readonly key: string;
  readonly identifier: Buffer;
}

const oids = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
} as const;

const hour = 3_600_000;

function certify(signer: Signer, subject: Buffer, publicKey: Buffer, extensions: readonly Buffer[]): string {
  const algorithm = sequence(objectIdentifier(oids.ecdsaWithSha256));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and no leading zero byte
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    algorithm,
    signer.name,
    sequence(utcTime(Date.now() - hour), utcTime(Date.now() + 365 * 24 * hour)),
    subject,
    publicKey,
    tlv(
      0xa3,
      sequence(
        ...extensions,
        extension(oids.subjectKeyIdentifier, octets(keyIdentifier(publicKey))),
        extension(oids.authorityKeyIdentifier, sequence(tlv(0x80, signer.identifier))),
      ),
    ),
  );
  const signature = sign("sha256", body, createPrivateKey(signer.key));
  return new X509Certificate(sequence(body, algorithm, bitString(signature))).toString();
}

function newKeys(): { readonly key: string; readonly publicKey: Buffer } {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKey: pair.publicKey.export({ type: "spki", format: "der" }),
  };
}

function keyIdentifier(publicKey: Buffer): Buffer {
  return createHash("sha256").update(publicKey).digest().subarray(0, 20);
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(content.length);
  const significant = size.subarray(size.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | significant.length]), significant, content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts);
const octets = (content: Buffer): Buffer => tlv(0x04, content);
const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.from([value ? 0xff : 0]));
const bitString = (content: Buffer): Buffer => tlv(0x03, Buffer.from([0]), content);

/** A BIT STRING of named bits (RFC 5280 KeyUsage: 0 digitalSignature, 2 keyEncipherment, 5 keyCertSign, 6 cRLSign). */
function bitFlags(bits: readonly number[]): Buffer {
  const byte = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  return tlv(0x03, Buffer.from([7 - Math.max(...bits), byte]));
}

function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function utcTime(time: number): Buffer {
  const digits = new Date(time).toISOString().replaceAll(/[-:T]/g, "").slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`, "ascii"));
}

function distinguishedName(commonName: string, organizations: readonly string[]): Buffer {
  const attribute = (oid: string, value: string): Buffer =>
    tlv(0x31, sequence(objectIdentifier(oid), tlv(0x0c, Buffer.from(value, "utf8"))));
  return sequence(
    ...organizations.map((organization) => attribute(oids.organization, organization)),
    attribute(oids.commonName, commonName),
  );
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  return sequence(objectIdentifier(oid), ...(critical ? [boolean(true)] : []), octets(value));
}

function ipBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  if (!isIPv6(address)) throw new TypeError(`not an IP address: ${address}`);
  const [head = "", tail] = address.split("::");
  const groups = (text: string | undefined): string[] => (text === undefined || text === "" ? [] : text.split(":"));
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  const all = tail === undefined ? before : [...before, ...zeros, ...after];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}
