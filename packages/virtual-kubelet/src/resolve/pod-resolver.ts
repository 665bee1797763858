// Resolves pods against the cluster: reads what they refer to, and nothing else, as long as they need it; and tells when
// something of it changed. Holds secrets in memory; never logs them.
import { type Clock, systemClock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { configMaps, runtimeClasses, type Stored, secrets, services } from "../kube/resource.ts";
import type { ConfigMap, Node, Pod, RuntimeClass, Secret, Service } from "../kube/types.gen.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { ClaimedVolume, Resolution, VolumesResolution } from "../resolved-pod.ts";
import { trustBundlesOf } from "./certificates-api.ts";
import { CollectionCache } from "./collection-cache.ts";
import { ObjectCache } from "./object-cache.ts";
import { certificateKey, requestCertificate } from "./pod-certificate.ts";
import { RenewedCredentials } from "./renewed-credentials.ts";
import { type ResolveSettings, resolvePod, resolveVolumes } from "./resolve-pod.ts";
import { requestToken, tokenKey } from "./service-account-token.ts";
import type {
  ClaimSource,
  ClusterTrustBundle,
  IssuedCertificate,
  PodCertificateSource,
  Sources,
  TokenSource,
  View,
} from "./sources.ts";
import { claimKey, readClaim } from "./volume-claim.ts";

export interface PodResolverOptions extends ResolveSettings {
  readonly client: KubeClient;
  /** The Node object as last seen; undefined: not registered yet. */
  readonly node: (name: string) => Stored<Node> | undefined;
  /** Whether what claims are bound to is to be known for pods of this node. Default: of none. */
  readonly claims?: ((node: string) => boolean) | undefined;
  /** What was answered about this pod may be out of date. */
  readonly onChange: (uid: string) => void;
  readonly metrics: Metrics;
  readonly log?: Logger | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

/** What one pod holds of the caches. */
interface Held {
  runtimeClasses: Set<string>;
  configMaps: Set<string>;
  secrets: Set<string>;
  tokens: Set<string>;
  certificates: Set<string>;
  claims: Set<string>;
}

const nothing = (): Held => ({
  runtimeClasses: new Set(),
  configMaps: new Set(),
  secrets: new Set(),
  tokens: new Set(),
  certificates: new Set(),
  claims: new Set(),
});

export class PodResolver {
  readonly #options: PodResolverOptions;
  readonly #configMaps: ObjectCache<ConfigMap>;
  readonly #secrets: ObjectCache<Secret>;
  readonly #runtimeClasses: ObjectCache<RuntimeClass>;
  readonly #services: CollectionCache<Service>;
  readonly #trustBundles: CollectionCache<ClusterTrustBundle>;
  readonly #tokens: RenewedCredentials<TokenSource, string>;
  readonly #certificates: RenewedCredentials<PodCertificateSource, IssuedCertificate>;
  readonly #claims: RenewedCredentials<ClaimSource, ClaimedVolume>;
  readonly #held = new Map<string, Held>();

  constructor(options: PodResolverOptions) {
    const { client, onChange, metrics, clock = systemClock, random = Math.random, log = silentLogger } = options;
    this.#options = options;
    const common = { client, onChange, metrics, clock, random, log };
    this.#configMaps = new ObjectCache({ ...common, resource: configMaps });
    this.#secrets = new ObjectCache({ ...common, resource: secrets });
    this.#runtimeClasses = new ObjectCache({ ...common, resource: runtimeClasses });
    this.#services = new CollectionCache({ ...common, resource: async () => services, follow: false });
    const bundles = (signal: AbortSignal): ReturnType<typeof trustBundlesOf> => trustBundlesOf(client, signal);
    this.#trustBundles = new CollectionCache({ ...common, resource: bundles, follow: true });
    this.#tokens = new RenewedCredentials({
      ...common,
      name: "tokens",
      workers: 16,
      key: tokenKey,
      ask: (source, signal) => requestToken(client, source, random, signal),
    });
    this.#certificates = new RenewedCredentials({
      ...common,
      name: "pod-certificates",
      // Most of the time they wait for a signer.
      workers: 256,
      key: certificateKey,
      ask: (source, signal) => requestCertificate({ client, clock, node: options.node }, source, signal),
    });
    this.#claims = new RenewedCredentials({
      ...common,
      name: "claims",
      workers: 16,
      key: claimKey,
      ask: (source, signal) => readClaim(client, source, signal),
    });
  }

  /** Objects and tokens held for pods: 0 when no pod needs any. */
  get held(): number {
    const caches = [
      this.#configMaps,
      this.#secrets,
      this.#runtimeClasses,
      this.#tokens,
      this.#certificates,
      this.#claims,
      this.#held,
    ];
    return caches.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * All that a pod needs to start, as far as it is known now. Never waits: `onChange` tells when to ask again. From here on
   * what the pod refers to is read and watched, until `release`.
   */
  resolve(pod: Stored<Pod>): Resolution {
    return this.#with(pod, (sources) => resolvePod(pod, sources, this.#options));
  }

  /** Contents of the volumes of a pod that runs. From here on only what these need is watched; all that was, with `keep`. */
  volumes(pod: Stored<Pod>, keep: boolean = false): VolumesResolution {
    return this.#with(pod, (sources) => resolveVolumes(pod, sources), keep);
  }

  /** The pod needs nothing any more. */
  release(uid: string): void {
    const held = this.#held.get(uid);
    if (held === undefined) return;
    this.#held.delete(uid);
    this.#letGo(uid, held, nothing());
    this.#services.release(uid);
    this.#trustBundles.release(uid);
  }

  /** Reads and watches until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const objects = [this.#configMaps, this.#secrets, this.#runtimeClasses, this.#services, this.#trustBundles];
    await Promise.all([...objects, this.#tokens, this.#certificates, this.#claims].map((part) => part.run(signal)));
  }

  /** Whatever is not asked for this time is let go of, unless it is to be kept. */
  #with<T>(pod: Stored<Pod>, work: (sources: Sources) => T, keep: boolean = false): T {
    const { uid } = pod.metadata;
    const before = this.#held.get(uid);
    const held = keep && before !== undefined ? before : nothing();
    this.#held.set(uid, held);
    try {
      return work(this.#sources(uid, held, pod.spec?.nodeName ?? ""));
    } finally {
      if (before !== undefined && before !== held) this.#letGo(uid, before, held);
    }
  }

  #letGo(uid: string, before: Held, kept: Held): void {
    for (const key of before.configMaps) if (!kept.configMaps.has(key)) this.#configMaps.release(uid, key);
    for (const key of before.secrets) if (!kept.secrets.has(key)) this.#secrets.release(uid, key);
    for (const key of before.runtimeClasses) if (!kept.runtimeClasses.has(key)) this.#runtimeClasses.release(uid, key);
    for (const key of before.tokens) if (!kept.tokens.has(key)) this.#tokens.release(key);
    for (const key of before.certificates) if (!kept.certificates.has(key)) this.#certificates.release(key);
    for (const key of before.claims) if (!kept.claims.has(key)) this.#claims.release(key);
  }

  #sources(uid: string, held: Held, node: string): Sources {
    const claim = (source: ClaimSource): View<ClaimedVolume> => {
      held.claims.add(this.#claims.key(source));
      return this.#claims.hold(source);
    };
    return {
      ...(this.#options.claims?.(node) === true && { claim }),
      configMap: (namespace, name) => {
        held.configMaps.add(this.#configMaps.key(namespace, name));
        return this.#configMaps.hold(uid, namespace, name);
      },
      secret: (namespace, name) => {
        held.secrets.add(this.#secrets.key(namespace, name));
        return this.#secrets.hold(uid, namespace, name);
      },
      runtimeClass: (name) => {
        held.runtimeClasses.add(this.#runtimeClasses.key("", name));
        return this.#runtimeClasses.hold(uid, "", name);
      },
      services: () => this.#services.hold(uid),
      token: (source) => {
        held.tokens.add(this.#tokens.key(source));
        return this.#tokens.hold(source);
      },
      trustBundles: () => this.#trustBundles.hold(uid),
      certificate: (source) => {
        held.certificates.add(this.#certificates.key(source));
        return this.#certificates.hold(source);
      },
      node: (name) => {
        const node = this.#options.node(name);
        return node === undefined ? { state: "pending" } : { state: "found", value: node };
      },
    };
  }
}
