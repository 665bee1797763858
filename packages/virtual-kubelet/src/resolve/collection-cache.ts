// A whole collection of the API that pods may need (Services, trust bundles): watched once, from the first that needs it on.
import { type Clock, systemClock } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { Informer } from "../kube/informer.ts";
import type { KubeObject, Resource, Stored } from "../kube/resource.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { patienceMs, quiet } from "./object-cache.ts";
import type { View } from "./sources.ts";

export interface CollectionCacheOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** The pod is told of changes, or else only of the first full read. */
  readonly follow: boolean;
  readonly onChange: (uid: string) => void;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export class CollectionCache<T extends KubeObject> {
  readonly #options: CollectionCacheOptions<T>;
  readonly #clock: Clock;
  readonly #informer: Informer<T>;
  readonly #holders = new Set<string>();
  readonly #wanted: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #overdue = false;
  #failure: string | undefined;
  #told = false;

  constructor(options: CollectionCacheOptions<T>) {
    const { client, resource, metrics, random } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#informer = new Informer<T>({
      client,
      resource,
      onChange: () => {
        if (options.follow && this.#told) this.#tell();
      },
      onFailure: (error) => {
        this.#failure = errorText(error);
      },
      log: quiet(options.log ?? silentLogger),
      clock: this.#clock,
      ...(metrics === undefined ? {} : { metrics }),
      ...(random === undefined ? {} : { random }),
    });
  }

  /** All of it, as known now; the pod is told when that changes. */
  hold(uid: string): View<Iterable<Stored<T>>> {
    if (this.#options.follow || !this.#told) this.#holders.add(uid);
    this.#wanted.resolve();
    if (this.#informer.hasSynced()) return { state: "found", value: this.#informer.list() };
    if (!this.#overdue) return { state: "pending" };
    return { state: "unreadable", message: this.#failure ?? "no answer of the API server yet" };
  }

  release(uid: string): void {
    this.#holders.delete(uid);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) return;
    await Promise.race([this.#wanted.promise, aborted]);
    if (signal.aborted) return;
    const cancel = this.#clock.schedule(patienceMs, () => {
      if (this.#informer.hasSynced()) return;
      this.#overdue = true;
      this.#tell();
    });
    const known = this.#informer.synced.then(() => {
      cancel();
      this.#told = true;
      this.#tell();
      if (!this.#options.follow) this.#holders.clear();
    });
    await this.#informer.run(signal);
    cancel();
    if (this.#informer.hasSynced()) await known;
  }

  #tell(): void {
    for (const uid of this.#holders) this.#options.onChange(uid);
  }
}
