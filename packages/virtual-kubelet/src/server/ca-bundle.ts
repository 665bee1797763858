// A check of PEM texts that are to hold authorities: TLS would ignore what it cannot read.
import { X509Certificate } from "node:crypto";
import { splitPem } from "../kube/certificate-store.ts";

/** Why a text is no bundle of authorities, e.g. "holds no certificate"; undefined when it is one. */
export function bundleFault(text: string): string | undefined {
  const begun = text.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0;
  const blocks = splitPem(text)
    .cert.split(/(?<=-----END CERTIFICATE-----)\n/)
    .filter((block) => block !== "");
  if (begun === 0) return "holds no certificate";
  // The end is missing: half-written.
  if (blocks.length !== begun) return "holds a certificate that is cut off";
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch {
      return `holds something that is no certificate, as number ${index + 1} of ${blocks.length}`;
    }
  }
  return undefined;
}
