// Is a client certificate still good? TLS verified it at the handshake; the CAs may have changed since, and time goes on.
import { X509Certificate } from "node:crypto";
import { VirtualKubeletError } from "../errors.ts";

/** The certificates of a PEM bundle. Throws Invalid when one cannot be read or there is none. */
export function parseBundle(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new VirtualKubeletError("Invalid", "the bundle of client CAs has no certificate");
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new VirtualKubeletError("Invalid", "the bundle of client CAs cannot be read", { cause: error });
  }
}

/**
 * Did one of `authorities` issue the certificate, both valid at `now`? Purposes and constraints were checked at the handshake; what
 * the client brought along between the two is known to the handshake alone.
 */
export function leadsTo(leaf: X509Certificate, authorities: readonly X509Certificate[], now: number): boolean {
  if (!isValidAt(leaf, now)) return false;
  return authorities.some((authority) => isValidAt(authority, now) && issued(authority, leaf));
}

function isValidAt(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now <= certificate.validToDate.getTime();
}

function issued(authority: X509Certificate, certificate: X509Certificate): boolean {
  return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
