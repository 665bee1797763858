// The serving certificate of a node, as `doctor` judges it: is it for the address that is advertised, and does it still hold.
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { VirtualKubeletError } from "../errors.ts";
import { callMs, type Finding, fail, ok, warn } from "./doctor-check.ts";

export interface PeerCertificate {
  /** As Node.js writes it: `DNS:a, IP Address:10.0.0.1`. */
  readonly subjectaltname: string;
  /** As OpenSSL writes times. */
  readonly validTo: string;
  readonly selfSigned: boolean;
}

/** Pure. `asked`: one of the cluster's signer is to take its place. */
export function certificateFinding(
  { subjectaltname, validTo, selfSigned }: PeerCertificate,
  host: string,
  now: number,
  asked = false,
): Finding {
  const names = subjectaltname.split(", ");
  const wanted = isIP(host) === 0 ? `DNS:${host}` : `IP Address:${isIP(host) === 6 ? v6(host) : host}`;
  if (!names.includes(wanted))
    return fail(
      `the serving certificate is not for the advertised address ${host}: it has ${subjectaltname || "no names"}`,
      "make one with that address (--tls-cert-file), or leave it to the program; or advertise an address that it has: --node-ip",
    );
  const ends = Date.parse(validTo);
  const renew =
    "renew it: --tls-cert-file is read again by itself; what the program asked for itself it renews, unless its clock is wrong";
  if (ends < now) return fail(`the serving certificate has ended at ${validTo}`, renew);
  if (ends - now < 86_400_000) return warn(`the serving certificate ends at ${validTo}`, renew);
  if (selfSigned && asked)
    return warn(
      `the serving certificate is still self-signed: the one that was asked for is not there yet`,
      "see approval below; until then metrics-server needs --kubelet-insecure-tls",
    );
  if (selfSigned)
    return ok(
      `the serving certificate is for ${host}; self-signed: metrics-server needs --kubelet-insecure-tls, or use --server-tls-bootstrap`,
    );
  return ok(`the serving certificate is for ${host}, until ${validTo}`);
}

/** As OpenSSL prints them: eight groups, upper case. */
function v6(host: string): string {
  const [head = "", tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split("::");
  const before = head.split(":").filter((part) => part !== "");
  const after = (tail ?? "").split(":").filter((part) => part !== "");
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].join(":").toUpperCase();
}

export async function peerCertificate({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<PeerCertificate> {
  // Looked at, not trusted: nothing is sent.
  const socket = connect({ host, port, rejectUnauthorized: false, timeout: callMs });
  try {
    return await new Promise<PeerCertificate>((resolve, reject) => {
      socket
        .once("error", reject)
        .once("timeout", () => reject(new VirtualKubeletError("Unavailable", "no answer in time")));
      socket.once("secureConnect", () => {
        const { subjectaltname = "", valid_to: validTo, raw } = socket.getPeerCertificate();
        const certificate = new X509Certificate(raw);
        const { issuer, subject, publicKey } = certificate;
        resolve({ subjectaltname, validTo, selfSigned: issuer === subject && certificate.verify(publicKey) });
      });
    });
  } finally {
    socket.destroy();
  }
}
