// The authority of a development cluster: its own certificate, the server's, and those that users and nodes ask for. EC P-256.
import "reflect-metadata";
import { createPrivateKey, KeyObject, webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKeyType,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** Who a PKCS #10 request (PEM) says it is for. Throws where it is none. */
export function requestedSubject(request: string): {
  readonly names: readonly string[];
  readonly groups: readonly string[];
} {
  const { subjectName } = new Pkcs10CertificateRequest(request);
  return { names: subjectName.getField("CN"), groups: subjectName.getField("O") };
}

/** PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateSubject {
  readonly user: string;
  /** Become groups of the user. */
  readonly groups?: readonly string[];
  readonly usages: readonly ("client" | "server")[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const hour = 3_600_000;
const year = 365 * 24 * hour;
const usageOids = { client: "1.3.6.1.5.5.7.3.2", server: "1.3.6.1.5.5.7.3.1" } as const;

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

function pemOf(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: "pkcs8", format: "pem" }).toString();
}

export class Authority implements KeyPair {
  readonly certificate: string;
  /** For the state directory alone. */
  readonly key: string;
  readonly #issuer: X509Certificate;
  readonly #signingKey: webcrypto.CryptoKey;

  private constructor(issuer: X509Certificate, signingKey: webcrypto.CryptoKey) {
    this.certificate = `${issuer.toString("pem")}\n`;
    this.key = pemOf(signingKey);
    this.#issuer = issuer;
    this.#signingKey = signingKey;
  }

  static async make(now: number): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: [{ CN: ["dev-cluster"] }],
      keys,
      notBefore: new Date(now - hour),
      notAfter: new Date(now + 10 * year),
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new Authority(certificate, keys.privateKey);
  }

  /** One that was made before. */
  static of({ certificate, key }: KeyPair): Authority {
    return new Authority(
      new X509Certificate(certificate),
      createPrivateKey(key).toCryptoKey(algorithm, true, ["sign"]),
    );
  }

  async issue(subject: CertificateSubject, now: number): Promise<KeyPair> {
    const { user, groups = [], usages, dnsNames = [], ipAddresses = [] } = subject;
    const { publicKey, privateKey } = await newKeys();
    const name: JsonName = [...groups.map((group) => ({ O: [group] })), { CN: [user] }];
    const names = [
      ...dnsNames.map((value) => ({ type: "dns" as const, value })),
      ...ipAddresses.map((value) => ({ type: "ip" as const, value })),
    ];
    const extensions = names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)];
    const certificate = await this.#certify(name, publicKey, usages, extensions, now, now + year);
    return { certificate, key: pemOf(privateKey) };
  }

  /** The certificate that a PKCS #10 request (PEM) asks for. Throws where it is none, or not signed by its own key. */
  async sign(request: string, usages: readonly ("client" | "server")[], validMs: number, now: number): Promise<string> {
    const asked = new Pkcs10CertificateRequest(request);
    if (!(await asked.verify())) throw new Error("the request is not signed by its key");
    const alternatives = asked.extensions.filter((each) => each instanceof SubjectAlternativeNameExtension);
    return this.#certify(asked.subjectName.toJSON(), asked.publicKey, usages, alternatives, now, now + validMs);
  }

  async #certify(
    subject: JsonName,
    publicKey: PublicKeyType,
    usages: readonly ("client" | "server")[],
    extensions: readonly Extension[],
    now: number,
    until: number,
  ): Promise<string> {
    const certificate = await X509CertificateGenerator.create({
      subject,
      issuer: this.#issuer.subject,
      notBefore: new Date(now - hour),
      notAfter: new Date(until),
      publicKey,
      signingKey: this.#signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
        new ExtendedKeyUsageExtension(usages.map((usage) => usageOids[usage])),
        await AuthorityKeyIdentifierExtension.create(this.#issuer.publicKey),
        ...extensions,
      ],
    });
    return `${certificate.toString("pem")}\n`;
  }
}
