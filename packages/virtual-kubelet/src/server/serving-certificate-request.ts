// A serving certificate from the cluster's signer kubernetes.io/kubelet-serving, which clients that trust the cluster's
// authority can verify.
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { CertificateSubject, SubjectNames, Validity } from "../kube/certificate-pair.ts";
import { CertificateRenewal } from "../kube/certificate-renewal.ts";
import { servingProfile } from "../kube/certificate-signing.ts";
import { CertificateStore } from "../kube/certificate-store.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Logger } from "../log.ts";
import type { Renewed, ServingCertificate } from "./certificate-source.ts";
import { RenewedValue } from "./renewed-value.ts";
import { SelfSignedServingCertificate } from "./serving-certificate-self-signed.ts";

export interface RequestedServingCertificateOptions {
  readonly client: KubeClient;
  /** The certificate is for system:node:<node>; with a node's own credentials it has to be that node. */
  readonly node: string;
  /** Names and addresses to certify, see `servingNames`; looked at every ten seconds. Without any none is asked for. */
  readonly names: () => SubjectNames;
  /** Kept there as `<fileName>-current.pem`; absent: in memory, and asked for anew after each start. */
  readonly certDir?: string | undefined;
  /** Default "kubelet-server". */
  readonly fileName?: string | undefined;
  /** Serve with a self-signed certificate until there is one; default true. */
  readonly selfSignedMeanwhile?: boolean | undefined;
  /** Seconds that the certificate should be valid, at least 600; default: what the signer gives. */
  readonly expirationSeconds?: number | undefined;
  /** When to replace a certificate, epoch milliseconds; default: after 70 to 90 % of its life. */
  readonly renewAt?: ((validity: Validity) => number) | undefined;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

export class RequestedServingCertificate implements Renewed<ServingCertificate> {
  readonly #options: RequestedServingCertificateOptions;
  readonly #value = new RenewedValue<ServingCertificate>("serving certificate is not issued yet");
  readonly #renewal: CertificateRenewal;
  readonly #issued = new AbortController();
  readonly #log: Logger;

  constructor(options: RequestedServingCertificateOptions) {
    this.#options = options;
    const { node, certDir, fileName = "kubelet-server", expirationSeconds, renewAt, random } = options;
    this.#log = options.log.child({ node });
    this.#renewal = new CertificateRenewal({
      client: () => options.client,
      profile: servingProfile,
      subject: () => this.#subject(),
      store: certDir === undefined ? undefined : new CertificateStore(certDir, fileName),
      onCertificate: (pair) => {
        this.#issued.abort();
        this.#value.set(pair);
      },
      expirationSeconds,
      renewAt,
      log: this.#log,
      clock: options.clock ?? systemClock,
      random,
    });
  }

  current(): ServingCertificate {
    return this.#value.current();
  }

  subscribe(changed: () => void): () => void {
    return this.#value.subscribe(changed);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#renewal.load();
    await Promise.all([this.#renewal.run(signal), this.#selfSignedMeanwhile(signal)]);
  }

  #subject(): CertificateSubject {
    const { node, names } = this.#options;
    const { dnsNames, ipAddresses } = names();
    if (dnsNames.length + ipAddresses.length === 0)
      throw new VirtualKubeletError("Unavailable", `node ${node} has no address to certify`);
    return { commonName: `system:node:${node}`, organizations: ["system:nodes"], dnsNames, ipAddresses };
  }

  async #selfSignedMeanwhile(signal: AbortSignal): Promise<void> {
    const { node, names, clock, random, selfSignedMeanwhile = true } = this.#options;
    if (!selfSignedMeanwhile || this.#issued.signal.aborted) return;
    const source = new SelfSignedServingCertificate({ node, names, log: this.#log, clock, random });
    const unsubscribe = source.subscribe(() => {
      if (!this.#issued.signal.aborted) this.#value.set(source.current());
    });
    try {
      await source.run(AbortSignal.any([signal, this.#issued.signal]));
    } finally {
      unsubscribe();
    }
  }
}
