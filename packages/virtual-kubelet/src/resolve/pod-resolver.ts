// Resolves pods against the cluster: reads what they refer to, and nothing else, as long as they need it; and tells when
// something of it changed. Holds secrets in memory; never logs them.
import { type Clock, systemClock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { configMaps, type Resource, resource, type Stored, secrets, services } from "../kube/resource.ts";
import type { ConfigMap, Node, Pod, Secret, Service } from "../kube/types.gen.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Resolution, VolumesResolution } from "../resolved-pod.ts";
import { CollectionCache } from "./collection-cache.ts";
import { ObjectCache } from "./object-cache.ts";
import { type ResolveSettings, resolvePod, resolveVolumes } from "./resolve-pod.ts";
import { ServiceAccountTokens } from "./service-account-tokens.ts";
import type { ClusterTrustBundle, Sources } from "./sources.ts";

export interface PodResolverOptions extends ResolveSettings {
  readonly client: KubeClient;
  /** The Node object as last seen; undefined: not registered yet. */
  readonly node: (name: string) => Stored<Node> | undefined;
  /** What was answered about this pod may be out of date. */
  readonly onChange: (uid: string) => void;
  readonly metrics: Metrics;
  readonly log?: Logger | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

/** What one pod holds of the caches. */
interface Held {
  configMaps: Set<string>;
  secrets: Set<string>;
  tokens: Set<string>;
}

const trustBundles: Resource<ClusterTrustBundle> = resource(
  "certificates.k8s.io/v1beta1",
  "ClusterTrustBundle",
  "clustertrustbundles",
  false,
);

export class PodResolver {
  readonly #options: PodResolverOptions;
  readonly #configMaps: ObjectCache<ConfigMap>;
  readonly #secrets: ObjectCache<Secret>;
  readonly #services: CollectionCache<Service>;
  readonly #trustBundles: CollectionCache<ClusterTrustBundle>;
  readonly #tokens: ServiceAccountTokens;
  readonly #held = new Map<string, Held>();

  constructor(options: PodResolverOptions) {
    const { client, onChange, metrics, clock = systemClock, random = Math.random, log = silentLogger } = options;
    this.#options = options;
    const common = { client, onChange, metrics, clock, random, log };
    this.#configMaps = new ObjectCache({ ...common, resource: configMaps });
    this.#secrets = new ObjectCache({ ...common, resource: secrets });
    this.#services = new CollectionCache({ ...common, resource: services, follow: false });
    this.#trustBundles = new CollectionCache({ ...common, resource: trustBundles, follow: true });
    this.#tokens = new ServiceAccountTokens(common);
  }

  /** Objects and tokens held for pods: 0 when no pod needs any. */
  get held(): number {
    return this.#configMaps.size + this.#secrets.size + this.#tokens.size + this.#held.size;
  }

  /**
   * All that a pod needs to start, as far as it is known now. Never waits: `onChange` tells when to ask again. From here on
   * what the pod refers to is read and watched, until `release`.
   */
  resolve(pod: Stored<Pod>): Resolution {
    return this.#with(pod, (sources) => resolvePod(pod, sources, this.#options));
  }

  /** Contents of the volumes of a pod that runs. From here on only what these need is watched. */
  volumes(pod: Stored<Pod>): VolumesResolution {
    return this.#with(pod, (sources) => resolveVolumes(pod, sources));
  }

  /** The pod needs nothing any more. */
  release(uid: string): void {
    const held = this.#held.get(uid);
    if (held === undefined) return;
    this.#held.delete(uid);
    this.#letGo(uid, held, { configMaps: new Set(), secrets: new Set(), tokens: new Set() });
    this.#services.release(uid);
    this.#trustBundles.release(uid);
  }

  /** Reads and watches until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const parts = [this.#configMaps, this.#secrets, this.#services, this.#trustBundles, this.#tokens];
    await Promise.all(parts.map((part) => part.run(signal)));
  }

  /** Whatever is not asked for this time is let go of. */
  #with<T>(pod: Stored<Pod>, work: (sources: Sources) => T): T {
    const { uid } = pod.metadata;
    const before = this.#held.get(uid);
    const held: Held = { configMaps: new Set(), secrets: new Set(), tokens: new Set() };
    this.#held.set(uid, held);
    try {
      return work(this.#sources(uid, held));
    } finally {
      if (before !== undefined) this.#letGo(uid, before, held);
    }
  }

  #letGo(uid: string, before: Held, kept: Held): void {
    for (const key of before.configMaps) if (!kept.configMaps.has(key)) this.#configMaps.release(uid, key);
    for (const key of before.secrets) if (!kept.secrets.has(key)) this.#secrets.release(uid, key);
    for (const key of before.tokens) if (!kept.tokens.has(key)) this.#tokens.release(key);
  }

  #sources(uid: string, held: Held): Sources {
    return {
      configMap: (namespace, name) => {
        held.configMaps.add(this.#configMaps.key(namespace, name));
        return this.#configMaps.hold(uid, namespace, name);
      },
      secret: (namespace, name) => {
        held.secrets.add(this.#secrets.key(namespace, name));
        return this.#secrets.hold(uid, namespace, name);
      },
      services: () => this.#services.hold(uid),
      token: (source) => {
        held.tokens.add(this.#tokens.key(source));
        return this.#tokens.hold(source);
      },
      trustBundles: () => this.#trustBundles.hold(uid),
      certificate: () => ({ state: "absent" }),
      node: (name) => {
        const node = this.#options.node(name);
        return node === undefined ? { state: "pending" } : { state: "found", value: node };
      },
    };
  }
}
