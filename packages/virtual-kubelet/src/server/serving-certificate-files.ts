// A serving certificate from two files that somebody else replaces: a Secret that is mounted, cert-manager, an administrator.
import { type Clock, systemClock } from "../clock.ts";
import { certificateFacts, pairFault } from "../kube/certificate-pair.ts";
import type { Logger } from "../log.ts";
import type { ServingCertificate } from "./certificate-source.ts";
import { ReplacedFiles, textOf } from "./replaced-files.ts";

export interface ServingCertificateFilesOptions {
  /** Paths; PEM, the certificate or a chain, leaf first. The key may be in the same file. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
}

export class ServingCertificateFiles extends ReplacedFiles<ServingCertificate> {
  private constructor(options: ServingCertificateFilesOptions) {
    super(
      {
        what: "serving certificate",
        read: () => readPair(options),
        isSame: (a, b) => a.cert === b.cert && a.key === b.key,
        taken: (pair, first) => tell(pair, first, options),
      },
      options,
    );
  }

  /** Reads both. Throws Invalid with all their faults. */
  static async open(options: ServingCertificateFilesOptions): Promise<ServingCertificateFiles> {
    const files = new ServingCertificateFiles(options);
    await files.readFirst();
    return files;
  }
}

function tell(
  pair: ServingCertificate,
  first: boolean,
  { log, certFile, clock = systemClock }: ServingCertificateFilesOptions,
): void {
  const { notBefore, notAfter } = certificateFacts(pair.cert);
  const fields = { file: certFile, notAfter: new Date(notAfter).toISOString() };
  const now = clock.now();
  if (now >= notAfter) log.warn(fields, "serving certificate has expired");
  else if (now < notBefore) log.warn(fields, "serving certificate is not valid yet");
  else log.info(fields, first ? "serving certificate read" : "serving certificate replaced");
}

async function readPair({
  certFile,
  keyFile,
}: ServingCertificateFilesOptions): Promise<
  { readonly value: ServingCertificate } | { readonly faults: readonly string[] }
> {
  const [cert, key] = await Promise.all([textOf(certFile), textOf(keyFile)]);
  const faults = [cert, key].flatMap((each) => ("fault" in each ? [each.fault] : []));
  if ("fault" in cert || "fault" in key) return { faults };
  const pair = { cert: cert.text, key: key.text };
  const fault = pairFault(pair);
  return fault === undefined ? { value: pair } : { faults: [`${certFile} and ${keyFile}: ${fault}`] };
}
