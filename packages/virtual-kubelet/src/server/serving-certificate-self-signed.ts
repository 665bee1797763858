// A serving certificate that vouches for itself: what a kubelet serves where nobody gave it one. The API server takes it unless
// it was told to verify kubelets.
import { type Clock, pause, systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import {
  type CertificateSubject,
  certificateFacts,
  pairFault,
  renewalTime,
  type SubjectNames,
  sameSubject,
  subjectKey,
} from "../kube/certificate-pair.ts";
import { retryDelayMs } from "../kube/certificate-renewal.ts";
import { createSelfSigned } from "../kube/certificate-request.ts";
import { CertificateStore } from "../kube/certificate-store.ts";
import type { Logger } from "../log.ts";
import type { Renewed, ServingCertificate } from "./certificate-source.ts";
import { RenewedValue } from "./renewed-value.ts";

export interface SelfSignedServingCertificateOptions {
  /** Becomes the common name, and a DNS name. */
  readonly node: string;
  /** Names and addresses to certify, see `servingNames`; looked at every ten seconds. */
  readonly names: () => SubjectNames;
  /** Kept there as `kubelet-server-self-signed-current.pem`, so that it is the same after a restart; absent: in memory. */
  readonly certDir?: string | undefined;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

const lookEveryMs = 10_000;
const hourMs = 3_600_000;
const lifeMs = 365 * 24 * hourMs;

/** ECDSA P-256, a year long, replaced after 70 to 90 % of that and when names change. */
export class SelfSignedServingCertificate implements Renewed<ServingCertificate> {
  readonly #options: SelfSignedServingCertificateOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #store: CertificateStore | undefined;
  readonly #value = new RenewedValue<ServingCertificate>("serving certificate is not made yet");
  #subject = "";
  #renewAt = Number.NEGATIVE_INFINITY;

  constructor(options: SelfSignedServingCertificateOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    const { certDir } = options;
    this.#store = certDir === undefined ? undefined : new CertificateStore(certDir, "kubelet-server-self-signed");
  }

  current(): ServingCertificate {
    return this.#value.current();
  }

  subscribe(changed: () => void): () => void {
    return this.#value.subscribe(changed);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    await this.#load();
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#renewIfDue();
        failures = 0;
        await pause(this.#clock, Math.min(lookEveryMs, this.#renewAt - this.#clock.now()), signal);
      } catch (error) {
        log.error({ err: errorText(error) }, "self-signed serving certificate cannot be made");
        await pause(this.#clock, retryDelayMs(++failures, false, this.#random), signal);
      }
    }
  }

  #wanted(): CertificateSubject {
    const { dnsNames, ipAddresses } = this.#options.names();
    const { node } = this.#options;
    return { commonName: node, organizations: [], dnsNames: [...new Set([node, ...dnsNames])], ipAddresses };
  }

  async #load(): Promise<void> {
    try {
      const kept = await this.#store?.read();
      if (kept === undefined) return;
      const fault = pairFault(kept);
      if (fault !== undefined) throw new VirtualKubeletError("Invalid", fault);
      const facts = certificateFacts(kept.cert);
      if (!sameSubject(facts.subject, this.#wanted())) return;
      this.#subject = subjectKey(facts.subject);
      this.#renewAt = renewalTime(facts, this.#random);
      if (this.#clock.now() < this.#renewAt) this.#value.set(kept);
    } catch (error) {
      this.#options.log.warn({ file: this.#store?.path, err: errorText(error) }, "the kept certificate cannot be used");
    }
  }

  async #renewIfDue(): Promise<void> {
    const { log } = this.#options;
    const wanted = this.#wanted();
    const subject = subjectKey(wanted);
    const now = this.#clock.now();
    if (this.#value.value !== undefined && now < this.#renewAt && subject === this.#subject) return;
    // Clocks of clients may be late.
    const validity = { notBefore: now - hourMs, notAfter: now + lifeMs };
    const pair = await createSelfSigned(wanted, validity);
    this.#subject = subject;
    this.#renewAt = renewalTime(validity, this.#random);
    this.#value.set(pair);
    const { dnsNames, ipAddresses } = wanted;
    log.info(
      { dnsNames, ipAddresses, notAfter: new Date(validity.notAfter).toISOString() },
      "serving with a self-signed certificate, which clients that verify do not take",
    );
    try {
      await this.#store?.write(pair);
    } catch (error) {
      log.error(
        { file: this.#store?.path, err: errorText(error) },
        "the certificate cannot be kept for the next start",
      );
    }
  }
}
