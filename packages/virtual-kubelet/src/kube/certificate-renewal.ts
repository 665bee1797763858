// A certificate that a signer of the cluster issues, kept fresh: asks for it, waits, keeps it, and asks again well before it
// expires or as soon as what it has to say has changed.
import { type Clock, jitter, pause } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import {
  type CertificateSubject,
  type CertifiedKey,
  certificateFacts,
  pairFault,
  renewalTime,
  subjectKey,
  type Validity,
} from "./certificate-pair.ts";
import { createCertificateRequest, createKey } from "./certificate-request.ts";
import { awaitCertificate, type SigningProfile, signingState } from "./certificate-signing.ts";
import type { CertificateStore, PendingRequest } from "./certificate-store.ts";
import type { KubeClient } from "./client.ts";
import { certificateSigningRequests } from "./resource.ts";

export interface CertificateRenewalOptions {
  /** As whom to ask now; called for each request. */
  readonly client: () => KubeClient;
  readonly profile: SigningProfile;
  /** What the certificate has to say; looked at every ten seconds. Throws Unavailable while that is not known. */
  readonly subject: () => CertificateSubject;
  /** Absent: kept in memory, and asked for anew after each start. */
  readonly store?: CertificateStore | undefined;
  /** It is read from the store by whoever uses it: one that cannot be kept does not count. Default false. */
  readonly usedFromStore?: boolean | undefined;
  /** Told of each certificate, the kept one included. */
  readonly onCertificate?: ((pair: CertifiedKey) => void) | undefined;
  /** Seconds that the certificate should be valid, at least 600; default: what the signer gives. */
  readonly expirationSeconds?: number | undefined;
  /** Milliseconds that a request may wait for its certificate; default 24 h, after which the control plane deletes it. */
  readonly timeoutMs?: number | undefined;
  /** When to replace a certificate, epoch milliseconds; default `renewalTime`. */
  readonly renewAt?: ((validity: Validity) => number) | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random?: (() => number) | undefined;
}

const lookEveryMs = 10_000;
const defaultTimeoutMs = 24 * 3_600_000;
/** A new certificate is not replaced sooner, however short its life. */
const shortestUseMs = 60_000;

/** How long to wait after so many failures in a row (from 1): whoever denied a request is asked less often. */
export function retryDelayMs(failures: number, denied: boolean, random: () => number): number {
  const [base, max] = denied ? [60_000, 3_600_000] : [5000, 300_000];
  return jitter(Math.min(max, base * 2 ** Math.min(failures - 1, 20)), 0.2, false, random);
}

export class CertificateRenewal {
  readonly #options: CertificateRenewalOptions;
  readonly #random: () => number;
  #current: CertifiedKey | undefined;
  /** What the current one was asked for: signers may change names, and are not asked again for that. */
  #subject = "";
  #renewAt = Number.NEGATIVE_INFINITY;

  constructor(options: CertificateRenewalOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  get current(): CertifiedKey | undefined {
    return this.#current;
  }

  /** Takes the kept certificate, when there is one that says what it should and has not expired. */
  async load(): Promise<CertifiedKey | undefined> {
    const { store, log, clock } = this.#options;
    if (store === undefined) return undefined;
    try {
      const kept = await store.read();
      if (kept === undefined) return undefined;
      const fault = pairFault(kept);
      if (fault !== undefined) throw new VirtualKubeletError("Invalid", fault);
      const facts = certificateFacts(kept.cert);
      if (facts.notAfter <= clock.now()) {
        log.info({ file: store.path }, "the kept certificate has expired");
        return undefined;
      }
      const wanted = this.#wanted();
      if (wanted !== undefined && wanted !== subjectKey(facts.subject)) {
        log.info({ file: store.path }, "the kept certificate is for other names");
        return undefined;
      }
      this.#take(kept, facts, subjectKey(facts.subject));
      return kept;
    } catch (error) {
      log.warn({ file: store.path, err: errorText(error) }, "the kept certificate cannot be used");
      return undefined;
    }
  }

  /** Resolves when there is a certificate that needs no renewal; tries for ever. Undefined when the signal aborted. */
  async obtain(signal: AbortSignal): Promise<CertifiedKey | undefined> {
    const { log, clock, profile } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (!this.#isDue()) return this.#current;
        await this.#attempt(signal);
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) break;
        const error = VirtualKubeletError.from(thrown);
        const delayMs = retryDelayMs(++failures, error.reason === "Denied", this.#random);
        log.warn(
          { signer: profile.signerName, err: errorText(error), retryInSeconds: Math.round(delayMs / 1000) },
          this.#failureText(error),
        );
        await pause(clock, delayMs, signal);
      }
    }
    return undefined;
  }

  /** Keeps it fresh until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.obtain(signal);
      await pause(clock, Math.min(lookEveryMs, Math.max(0, this.#renewAt - clock.now())), signal);
    }
  }

  #isDue(): boolean {
    if (this.#current === undefined || this.#options.clock.now() >= this.#renewAt) return true;
    return (this.#wanted() ?? this.#subject) !== this.#subject;
  }

  /** Undefined while it is not known, when whatever was known stands. */
  #wanted(): string | undefined {
    try {
      return subjectKey(this.#options.subject());
    } catch {
      return undefined;
    }
  }

  #take(pair: CertifiedKey, validity: Validity, subject: string): void {
    this.#current = pair;
    this.#subject = subject;
    this.#renewAt = this.#options.renewAt?.(validity) ?? renewalTime(validity, this.#random);
    this.#options.onCertificate?.(pair);
  }

  /** One request from its creation, or from where an earlier process left it, to the certificate; or to other names. */
  async #attempt(signal: AbortSignal): Promise<void> {
    const { store, log, clock, profile, timeoutMs = defaultTimeoutMs } = this.#options;
    const subject = this.#options.subject();
    const wanted = subjectKey(subject);
    const client = this.#options.client();
    const pending = (await this.#resume(client, wanted, signal)) ?? (await this.#create(client, subject, signal));
    const { name } = pending;
    const end = new AbortController();
    const stop = AbortSignal.any([signal, end.signal]);
    const watching = this.#untilOther(wanted, stop).then(() => end.abort());
    let cert: string;
    try {
      cert = await awaitCertificate({ client, name, profile, timeoutMs, log, clock, random: this.#random }, stop);
    } catch (error) {
      if (signal.aborted) throw error;
      // Only a process that ends goes on with the same request later.
      await store?.clearPending();
      if (!end.signal.aborted) throw error;
      log.info({ csr: name }, "names changed, asking for another certificate");
      return;
    } finally {
      end.abort();
      await watching;
    }
    const pair = { cert, key: pending.key };
    const fault = pairFault(pair);
    if (fault !== undefined) {
      await store?.clearPending();
      throw new VirtualKubeletError("Unavailable", `the signer's answer to ${name} cannot be used: ${fault}`);
    }
    const facts = certificateFacts(cert);
    await this.#keep(pair);
    this.#take(pair, facts, wanted);
    if (this.#options.renewAt === undefined) this.#renewAt = Math.max(this.#renewAt, clock.now() + shortestUseMs);
    log.info(
      {
        csr: name,
        signer: profile.signerName,
        notAfter: new Date(facts.notAfter).toISOString(),
        renewAt: new Date(this.#renewAt).toISOString(),
      },
      "certificate issued",
    );
    if (subjectKey(facts.subject) !== wanted)
      log.warn({ csr: name }, "the signer issued the certificate for other names than were asked for");
  }

  async #keep(pair: CertifiedKey): Promise<void> {
    const { store, usedFromStore, log } = this.#options;
    try {
      await store?.write(pair);
      await store?.clearPending();
    } catch (error) {
      if (usedFromStore === true)
        throw new VirtualKubeletError("Unavailable", `cannot write ${store?.path}`, { cause: error });
      log.error({ file: store?.path, err: errorText(error) }, "the certificate cannot be kept for the next start");
    }
  }

  async #resume(client: KubeClient, wanted: string, signal: AbortSignal): Promise<PendingRequest | undefined> {
    const { store, log, profile } = this.#options;
    const pending = await store?.readPending().catch((error: unknown) => {
      log.warn({ err: errorText(error) }, "cannot go on with a certificate signing request made before");
      return undefined;
    });
    if (pending === undefined || pending.subject !== wanted) return undefined;
    try {
      const found = await client.get(certificateSigningRequests, { name: pending.name }, { signal });
      const { state } = signingState(found);
      const ours = found.spec.request === encode(pending.request) && found.spec.signerName === profile.signerName;
      if (!ours || state === "denied" || state === "failed") return undefined;
    } catch (error) {
      if (VirtualKubeletError.from(error).kind === "NotFound") return undefined;
      throw error;
    }
    log.info({ csr: pending.name }, "going on with a certificate signing request made before");
    return pending;
  }

  async #create(client: KubeClient, subject: CertificateSubject, signal: AbortSignal): Promise<PendingRequest> {
    const { store, log, profile, expirationSeconds } = this.#options;
    const key = await createKey();
    const request = await createCertificateRequest(subject, key);
    const created = await client.create(
      certificateSigningRequests,
      {
        metadata: { generateName: "csr-" },
        spec: {
          request: encode(request),
          signerName: profile.signerName,
          usages: profile.usages,
          ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
        },
      },
      { signal },
    );
    const pending = { name: created.metadata.name, subject: subjectKey(subject), request, key };
    try {
      await store?.writePending(pending);
    } catch (error) {
      log.warn({ csr: pending.name, err: errorText(error) }, "the next start will ask for another certificate");
    }
    return pending;
  }

  /** Resolves when other names are wanted, or the signal aborts. */
  async #untilOther(wanted: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#options.clock, lookEveryMs, signal);
      if ((this.#wanted() ?? wanted) !== wanted) return;
    }
  }

  #failureText({ kind, reason }: VirtualKubeletError): string {
    const { profile } = this.#options;
    if (reason === "Denied") return "certificate signing request denied, another one will be made";
    if (reason === "TimedOut") return `nobody decided on the certificate signing request: ${profile.approver}`;
    if (kind === "Forbidden")
      return "may not ask for a certificate: needs create, get, list and watch of certificatesigningrequests";
    if (kind === "Unauthorized") return "no certificate: the API server does not take these credentials";
    return "no certificate yet, trying again";
  }
}

function encode(pem: string): string {
  return Buffer.from(pem).toString("base64");
}
