// A node's own credentials from a bootstrap token: the first client certificate, the kubeconfig that refers to it, and its
// rotation under the node's own name.
import { resolve } from "node:path";
import { type Clock, systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { type CertificateSubject, certificateFacts, type Validity } from "./certificate-pair.ts";
import { CertificateRenewal } from "./certificate-renewal.ts";
import { nodeClientProfile } from "./certificate-signing.ts";
import { CertificateStore } from "./certificate-store.ts";
import type { KubeClient } from "./client.ts";
import { clientCredentials, clusterOf, writeNodeKubeconfig } from "./client-kubeconfig.ts";
import { connect } from "./connect.ts";

interface CommonOptions {
  /** Path of the node's own kubeconfig. */
  readonly kubeconfig: string;
  /** Directory for `kubelet-client-current.pem`; made when missing. */
  readonly certDir: string;
  /** Name of the node. */
  readonly node: string;
  /** Seconds that the certificate should be valid, at least 600; default: what the signer gives. */
  readonly expirationSeconds?: number | undefined;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
}

export interface BootstrapOptions extends CommonOptions {
  /** Path of a kubeconfig whose user may ask for node credentials, as a rule by a bootstrap token. */
  readonly bootstrapKubeconfig: string;
  /** Default: the process'; its proxy settings count. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Sees to it that `kubeconfig` is there with a client certificate that has not expired; does nothing when it is. Else asks
 * the API server for one, for ever, and writes `<certDir>/kubelet-client-current.pem` and a kubeconfig that refers to it.
 * Throws Invalid for files at fault, Aborted when the signal ended it.
 */
export async function bootstrapClient(options: BootstrapOptions, signal: AbortSignal): Promise<void> {
  const { kubeconfig, bootstrapKubeconfig, node, clock = systemClock } = options;
  const log = options.log.child({ node });
  const store = storeOf(options.certDir);
  const found = await clientCredentials(kubeconfig, clock.now());
  const lack = lackOf(found, store.path, node);
  if (lack === undefined) return;
  const cluster = await clusterOf(bootstrapKubeconfig);
  await store.prepare();
  const client = await connect({ kubeconfig: bootstrapKubeconfig, env: options.env ?? process.env, log, clock });
  try {
    const renewal = renewalOf({ ...options, log }, store, () => client, clock);
    if ((await renewal.load()) === undefined) {
      log.info({ kubeconfig, server: client.server }, `asking for the node's own credentials: ${lack}`);
      if ((await renewal.obtain(signal)) === undefined)
        throw new VirtualKubeletError("Aborted", "ended before the node had credentials of its own");
    }
    await writeNodeKubeconfig(kubeconfig, cluster, node, store.path);
    log.info({ kubeconfig }, "kubeconfig of the node's own credentials written");
  } finally {
    await client.close();
  }
}

/** Why a node needs credentials; undefined when those that were found will do. */
function lackOf(
  found: Awaited<ReturnType<typeof clientCredentials>>,
  ownFile: string,
  node: string,
): string | undefined {
  if (found === undefined) return "the kubeconfig does not exist";
  if (found.fault !== undefined) return found.fault;
  // Somebody else's certificate may have any name; one that was asked for here is for one node.
  const other = found.file === ownFile && found.commonName !== nodeSubject(node).commonName;
  return other ? `the certificate is for ${found.commonName}` : undefined;
}

export interface ClientCertificateRotationOptions extends CommonOptions {
  /** With the node's own credentials, those of `kubeconfig`; it takes new ones from the file by itself. */
  readonly client: KubeClient;
  /** Asked with once the certificate has expired, which it only does when the API server was away for long. */
  readonly bootstrapKubeconfig?: string | undefined;
  readonly metrics?: Pick<Metrics, "certificateExpiry"> | undefined;
  /** When to replace a certificate, epoch milliseconds; default: after 70 to 90 % of its life. */
  readonly renewAt?: ((validity: Validity) => number) | undefined;
}

/** Replaces the client certificate of bootstrapClient before it expires. */
export class ClientCertificateRotation {
  readonly #options: ClientCertificateRotationOptions;

  constructor(options: ClientCertificateRotationOptions) {
    this.#options = options;
  }

  /** Keeps it fresh until the signal aborts; failures are logged and tried again. Ends at once when there is nothing to rotate. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, kubeconfig, bootstrapKubeconfig, node, clock = systemClock } = this.#options;
    const log = this.#options.log.child({ node });
    const store = storeOf(this.#options.certDir);
    try {
      const found = await clientCredentials(kubeconfig, clock.now());
      if (found?.file !== store.path) {
        log.warn(
          { kubeconfig, file: store.path },
          "client certificate is not kept in the certificate directory, so not rotated",
        );
        return;
      }
    } catch (error) {
      log.error({ kubeconfig, err: errorText(error) }, "client certificate is not rotated");
      return;
    }
    let bootstrap: KubeClient | undefined;
    let notAfter = Number.POSITIVE_INFINITY;
    try {
      if (bootstrapKubeconfig !== undefined) bootstrap = await connect({ kubeconfig: bootstrapKubeconfig, log, clock });
    } catch (error) {
      log.info({ bootstrapKubeconfig, err: errorText(error) }, "bootstrap kubeconfig cannot be used");
    }
    try {
      const current = (): KubeClient => (clock.now() >= notAfter && bootstrap !== undefined ? bootstrap : client);
      const renewal = renewalOf({ ...this.#options, log }, store, current, clock, (cert) => {
        notAfter = certificateFacts(cert).notAfter;
        this.#options.metrics?.certificateExpiry.set({ node, use: "client" }, notAfter / 1000);
      });
      // Expired meanwhile, or it would not be missing.
      if ((await renewal.load()) === undefined) notAfter = Number.NEGATIVE_INFINITY;
      await renewal.run(signal);
    } finally {
      await bootstrap?.close();
    }
  }
}

/** Who a node is to the API server. */
function nodeSubject(node: string): CertificateSubject {
  return { commonName: `system:node:${node}`, organizations: ["system:nodes"], dnsNames: [], ipAddresses: [] };
}

function storeOf(certDir: string): CertificateStore {
  // Absolute: the kubeconfig that names it may be anywhere.
  return new CertificateStore(resolve(certDir), "kubelet-client");
}

function renewalOf(
  options: CommonOptions & { readonly renewAt?: ((validity: Validity) => number) | undefined },
  store: CertificateStore,
  client: () => KubeClient,
  clock: Clock,
  onIssued: (cert: string) => void = () => {},
): CertificateRenewal {
  return new CertificateRenewal({
    client,
    profile: nodeClientProfile,
    subject: () => nodeSubject(options.node),
    store,
    usedFromStore: true,
    expirationSeconds: options.expirationSeconds,
    renewAt: options.renewAt,
    onCertificate: ({ cert }) => onIssued(cert),
    log: options.log,
    clock,
  });
}
