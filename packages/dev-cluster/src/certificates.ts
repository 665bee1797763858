// The authority of a development cluster: its own certificate, the server's, and those that users and nodes ask for. EC P-256.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  PublicKey,
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
  const parts = new Pkcs10CertificateRequest(request).subjectName.toJSON();
  const of = (type: string): readonly string[] => parts.flatMap((part) => part[type] ?? []);
  return { names: of("CN"), groups: of("O") };
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

export class Authority {
  /** PEM. */
  readonly certificate: string;
  /** PEM; for the state directory alone. */
  readonly key: string;
  readonly #issuer: X509Certificate;
  readonly #signingKey: webcrypto.CryptoKey;

  private constructor(issuer: X509Certificate, key: string, signingKey: webcrypto.CryptoKey) {
    this.certificate = `${issuer.toString("pem")}\n`;
    this.key = key;
    this.#issuer = issuer;
    this.#signingKey = signingKey;
  }

  static async make(now: number): Promise<Authority> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
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
    return new Authority(certificate, await pemOf(keys.privateKey), keys.privateKey);
  }

  /** One that was made before. */
  static async of({ certificate, key }: KeyPair): Promise<Authority> {
    const der = Buffer.from(key.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
    const signingKey = await webcrypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
    return new Authority(new X509Certificate(certificate), key, signingKey);
  }

  async issue(subject: CertificateSubject, now: number): Promise<KeyPair> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const names = [
      ...(subject.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
      ...(subject.ipAddresses ?? []).map((value) => ({ type: "ip" as const, value })),
    ];
    const name: JsonName = [...(subject.groups ?? []).map((group) => ({ O: [group] })), { CN: [subject.user] }];
    const certificate = await this.#certify({
      name,
      publicKey: new PublicKey(await webcrypto.subtle.exportKey("spki", keys.publicKey)),
      usages: subject.usages,
      extensions: names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)],
      validMs: year,
      now,
    });
    return { certificate, key: await pemOf(keys.privateKey) };
  }

  /** The certificate that a PKCS #10 request (PEM) asks for. Throws where it is none, or not signed by its own key. */
  async sign(request: string, usages: readonly ("client" | "server")[], validMs: number, now: number): Promise<string> {
    const asked = new Pkcs10CertificateRequest(request);
    if (!(await asked.verify())) throw new Error("the request is not signed by its key");
    const alternatives = asked.getExtension("2.5.29.17");
    return this.#certify({
      name: asked.subjectName.toJSON(),
      publicKey: asked.publicKey,
      usages,
      extensions: alternatives === null ? [] : [alternatives],
      validMs,
      now,
    });
  }

  async #certify(wanted: {
    readonly name: JsonName;
    readonly publicKey: PublicKey;
    readonly usages: readonly ("client" | "server")[];
    readonly extensions: readonly Extension[];
    readonly validMs: number;
    readonly now: number;
  }): Promise<string> {
    const certificate = await X509CertificateGenerator.create({
      subject: wanted.name,
      issuer: this.#issuer.subject,
      notBefore: new Date(wanted.now - hour),
      notAfter: new Date(wanted.now + wanted.validMs),
      publicKey: wanted.publicKey,
      signingKey: this.#signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
        new ExtendedKeyUsageExtension(wanted.usages.map((usage) => usageOids[usage])),
        await AuthorityKeyIdentifierExtension.create(this.#issuer.publicKey),
        ...wanted.extensions,
      ],
    });
    return `${certificate.toString("pem")}\n`;
  }
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${base64.match(/.{1,64}/g)?.join("\n") ?? ""}\n-----END PRIVATE KEY-----\n`;
}
