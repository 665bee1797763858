// A serving certificate from two files that somebody else replaces: a Secret that is mounted, cert-manager, an administrator.
import { readFile } from "node:fs/promises";
import { type Clock, pause, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { certificateFacts, pairFault } from "../kube/certificate-pair.ts";
import type { Logger } from "../log.ts";
import type { Renewed, ServingCertificate } from "./certificate-source.ts";
import { FaultLog } from "./fault-log.ts";
import { RenewedValue } from "./renewed-value.ts";

export interface ServingCertificateFilesOptions {
  /** Paths; PEM, the certificate or a chain, leaf first. The key may be in the same file. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
}

const lookEveryMs = 5000;

export class ServingCertificateFiles implements Renewed<ServingCertificate> {
  readonly #options: ServingCertificateFilesOptions;
  readonly #clock: Clock;
  readonly #value = new RenewedValue<ServingCertificate>("serving certificate was not read yet");
  readonly #faults: FaultLog;

  private constructor(options: ServingCertificateFilesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#faults = new FaultLog(
      options.log,
      this.#clock,
      "serving certificate files cannot be used, keeping the last ones",
    );
  }

  /** Reads both. Throws Invalid with all their faults. */
  static async open(options: ServingCertificateFilesOptions): Promise<ServingCertificateFiles> {
    const files = new ServingCertificateFiles(options);
    const found = await files.#read();
    if ("faults" in found) throw new VirtualKubeletError("Invalid", found.faults.join("; "));
    files.#take(found);
    return files;
  }

  current(): ServingCertificate {
    return this.#value.current();
  }

  subscribe(changed: () => void): () => void {
    return this.#value.subscribe(changed);
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await pause(this.#clock, lookEveryMs, signal);
      if (signal.aborted) return;
      const found = await this.#read();
      if ("faults" in found) {
        this.#faults.tell(found.faults.join("; "));
        continue;
      }
      this.#faults.clear();
      const known = this.#value.value;
      if (known?.cert !== found.cert || known.key !== found.key) this.#take(found);
    }
  }

  #take(pair: ServingCertificate): void {
    const { log, certFile } = this.#options;
    const { notBefore, notAfter } = certificateFacts(pair.cert);
    const fields = { file: certFile, notAfter: new Date(notAfter).toISOString() };
    const now = this.#clock.now();
    if (now >= notAfter) log.warn(fields, "serving certificate has expired");
    else if (now < notBefore) log.warn(fields, "serving certificate is not valid yet");
    else
      log.info(fields, this.#value.value === undefined ? "serving certificate read" : "serving certificate replaced");
    this.#value.set(pair);
  }

  async #read(): Promise<ServingCertificate | { readonly faults: readonly string[] }> {
    const [cert, key] = await Promise.all([textOf(this.#options.certFile), textOf(this.#options.keyFile)]);
    const faults = [cert, key].flatMap((each) => ("fault" in each ? [each.fault] : []));
    if ("fault" in cert || "fault" in key) return { faults };
    const pair = { cert: cert.text, key: key.text };
    const fault = pairFault(pair);
    const { certFile, keyFile } = this.#options;
    return fault === undefined ? pair : { faults: [`${certFile} and ${keyFile}: ${fault}`] };
  }
}

async function textOf(file: string): Promise<{ readonly text: string } | { readonly fault: string }> {
  try {
    return { text: await readFile(file, "utf8") };
  } catch (error) {
    return {
      fault: `${file} cannot be read: ${error instanceof Error && "code" in error ? String(error.code) : "error"}`,
    };
  }
}
