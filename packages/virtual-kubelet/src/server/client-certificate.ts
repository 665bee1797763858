// Is a client certificate still good? TLS verified it at the handshake; the CAs may have changed since, and time goes on.
import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { VirtualKubeletError } from "../errors.ts";

const longestChain = 8;

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
 * Does the certificate of a connection that was authorised lead to one of `authorities`, all valid at `now`? Purposes
 * and constraints were checked at the handshake.
 */
export function leadsTo(leaf: X509Certificate, authorities: readonly X509Certificate[], now: number): boolean {
  let certificate: X509Certificate | undefined = leaf;
  for (let depth = 0; certificate !== undefined && depth < longestChain; depth++) {
    if (!isValidAt(certificate, now)) return false;
    for (const authority of authorities) if (isValidAt(authority, now) && issued(authority, certificate)) return true;
    const issuer: X509Certificate | undefined = certificate.issuerCertificate;
    if (issuer === undefined || !issued(issuer, certificate)) return false;
    if (issuer.fingerprint256 === certificate.fingerprint256) return false;
    certificate = issuer;
  }
  return false;
}

/** The client's certificate when the handshake found it good; else undefined. */
export function handshakeCertificate(socket: TLSSocket): X509Certificate | undefined {
  return socket.authorized ? socket.getPeerX509Certificate() : undefined;
}

function isValidAt(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now <= certificate.validToDate.getTime();
}

function issued(authority: X509Certificate, certificate: X509Certificate): boolean {
  return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
