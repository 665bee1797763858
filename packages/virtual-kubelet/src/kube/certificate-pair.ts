// What is to be known of a certificate and its key without any library: whether they belong together, for whom and how long.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIPv6 } from "node:net";
import { errorText, VirtualKubeletError } from "../errors.ts";

/** PEM both; the certificate may be a chain, leaf first. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

/** Subject alternative names. */
export interface SubjectNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export interface CertificateSubject extends SubjectNames {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** Epoch milliseconds. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface CertificateFacts extends Validity {
  readonly subject: CertificateSubject;
}

/** Reads the first certificate of a PEM text. Throws Invalid. */
export function certificateFacts(pem: string): CertificateFacts {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (error) {
    throw new VirtualKubeletError("Invalid", `no certificate: ${errorText(error)}`, { cause: error });
  }
  const attributes = certificate.subject.split("\n");
  const valuesOf = (name: string): string[] =>
    attributes.filter((each) => each.startsWith(`${name}=`)).map((each) => each.slice(name.length + 1));
  const names = (certificate.subjectAltName ?? "").split(", ");
  const namesOf = (type: string): string[] =>
    names.filter((each) => each.startsWith(`${type}:`)).map((each) => each.slice(type.length + 1));
  return {
    subject: {
      commonName: valuesOf("CN")[0] ?? "",
      organizations: valuesOf("O"),
      dnsNames: namesOf("DNS"),
      ipAddresses: namesOf("IP Address").map(canonicalIp),
    },
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}

/** Why the two cannot be used together; undefined when they can. */
export function pairFault({ cert, key }: CertifiedKey): string | undefined {
  try {
    const certificate = new X509Certificate(cert);
    return certificate.checkPrivateKey(createPrivateKey(key))
      ? undefined
      : "certificate and key do not belong together";
  } catch (error) {
    // OpenSSL's messages hold codes, never what was read.
    return `no certificate and key in PEM: ${errorText(error)}`;
  }
}

/** The same text for the same address, as `fd00::1`. */
export function canonicalIp(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address.replace(/%.*$/, "")}]`).hostname.slice(1, -1) : address;
}

/** Do both certify the same? Order and spelling of the names do not matter. */
export function sameSubject(one: CertificateSubject, other: CertificateSubject): boolean {
  return subjectKey(one) === subjectKey(other);
}

/** Equal for equal subjects. */
export function subjectKey({ commonName, organizations, dnsNames, ipAddresses }: CertificateSubject): string {
  const names = [...new Set(dnsNames.map((name) => name.toLowerCase()))].sort();
  return JSON.stringify([commonName, organizations, names, [...new Set(ipAddresses.map(canonicalIp))].sort()]);
}

/** When to replace a certificate: after 70 to 90 % of its life, at random, so that many nodes do not ask at once. */
export function renewalTime({ notBefore, notAfter }: Validity, random: () => number = Math.random): number {
  return notBefore + (notAfter - notBefore) * (0.7 + 0.2 * random());
}
