// Makes keys, certificate requests and self-signed certificates. The library that does it costs a tenth of a second and
// some 20 MB, so it is loaded by the first who needs one.
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, webcrypto } from "node:crypto";
import { promisify } from "node:util";
import { VirtualKubeletError } from "../errors.ts";
import { type CertificateSubject, type CertifiedKey, canonicalIp, type Validity } from "./certificate-pair.ts";

type Library = typeof import("@peculiar/x509");

const algorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
const signing = { ...algorithm, hash: "SHA-256" } as const;

/** A new ECDSA P-256 key; PEM, PKCS #8. */
export async function createKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: algorithm.namedCurve });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** PKCS #10 in PEM for a key of createKey(). Throws Invalid for names that no certificate may hold. */
export async function createCertificateRequest(subject: CertificateSubject, key: string): Promise<string> {
  const library = await load();
  const request = await library.Pkcs10CertificateRequestGenerator.create({
    name: nameOf(subject),
    keys: await importKey(key),
    signingAlgorithm: signing,
    extensions: alternativeNames(library, subject),
  });
  return `${request.toString("pem")}\n`;
}

/** A serving certificate that vouches for itself, with a new key. Throws Invalid for names that no certificate may hold. */
export async function createSelfSigned(
  subject: CertificateSubject,
  { notBefore, notAfter }: Validity,
): Promise<CertifiedKey> {
  const library = await load();
  const key = await createKey();
  const keys = await importKey(key);
  const certificate = await library.X509CertificateGenerator.createSelfSigned({
    name: nameOf(subject),
    keys,
    signingAlgorithm: signing,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    extensions: [
      new library.BasicConstraintsExtension(false, undefined, true),
      new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
      new library.ExtendedKeyUsageExtension([library.ExtendedKeyUsage.serverAuth]),
      ...alternativeNames(library, subject),
      await library.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: `${certificate.toString("pem")}\n`, key };
}

/** PKCS #10 without any names, in base64 of its DER: proof that the key is one's own. RSA, EC of the NIST curves and Ed25519. */
export async function createStubRequest(privateKey: KeyObject): Promise<string> {
  const library = await load();
  const { importing, signing: signingAlgorithm } = algorithmsOf(privateKey);
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const spki = createPublicKey(privateKey.export({ type: "pkcs8", format: "pem" })).export({
    type: "spki",
    format: "der",
  });
  const { subtle } = webcrypto;
  const keys = {
    privateKey: await subtle.importKey("pkcs8", pkcs8, importing, true, ["sign"]),
    publicKey: await subtle.importKey("spki", spki, importing, true, ["verify"]),
  };
  const request = await library.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm });
  return Buffer.from(request.rawData).toString("base64");
}

type Algorithm =
  | { readonly name: "Ed25519" }
  | { readonly name: "RSASSA-PKCS1-v1_5"; readonly hash: string }
  | { readonly name: "ECDSA"; readonly namedCurve: string; readonly hash: string };

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): {
  readonly importing: Algorithm;
  readonly signing: Algorithm;
} {
  const same = (algorithm: Algorithm): { readonly importing: Algorithm; readonly signing: Algorithm } => ({
    importing: algorithm,
    signing: algorithm,
  });
  if (asymmetricKeyType === "ed25519") return same({ name: "Ed25519" });
  if (asymmetricKeyType === "rsa") return same({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" });
  const curves: Readonly<Record<string, readonly [string, string]>> = {
    prime256v1: ["P-256", "SHA-256"],
    secp384r1: ["P-384", "SHA-384"],
    secp521r1: ["P-521", "SHA-512"],
  };
  const [namedCurve, hash] = curves[asymmetricKeyDetails?.namedCurve ?? ""] ?? [];
  if (namedCurve === undefined || hash === undefined)
    throw new VirtualKubeletError("Unsupported", `no certificate request for a key of type ${asymmetricKeyType}`);
  return same({ name: "ECDSA", namedCurve, hash });
}

let loaded: Promise<Library> | undefined;

function load(): Promise<Library> {
  loaded ??= (async () => {
    // It finds its parts by reflection metadata, which has to be there first.
    await import("reflect-metadata");
    const library = await import("@peculiar/x509");
    library.cryptoProvider.set(webcrypto);
    return library;
  })();
  return loaded;
}

async function importKey(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const privateKey = createPrivateKey(pem);
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const { subtle } = webcrypto;
  return {
    privateKey: await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
    publicKey: await subtle.importKey("spki", spki, algorithm, true, ["verify"]),
  };
}

/** The library takes some characters of values as syntax; names of Kubernetes have none of them. */
function nameOf({ commonName, organizations }: CertificateSubject): Record<string, string[]>[] {
  for (const value of [commonName, ...organizations]) {
    if (!/^[\w.:-]{1,253}$/.test(value))
      throw new VirtualKubeletError("Invalid", `${JSON.stringify(value)} cannot be the name in a certificate`);
  }
  return [...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }];
}

function alternativeNames(
  library: Library,
  { dnsNames, ipAddresses }: CertificateSubject,
): InstanceType<Library["SubjectAlternativeNameExtension"]>[] {
  const names = [
    ...dnsNames.map((value) => ({ type: "dns" as const, value })),
    // Of other spellings the library reads some wrongly.
    ...ipAddresses.map((value) => ({ type: "ip" as const, value: canonicalIp(value) })),
  ];
  return names.length === 0 ? [] : [new library.SubjectAlternativeNameExtension(names)];
}
