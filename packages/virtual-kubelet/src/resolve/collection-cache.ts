// A whole collection of the API that pods may need (Services, trust bundles): watched once, from the first that needs it on.
import { type Clock, pause, systemClock } from "../clock.ts";
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
  /** Found out when it is first needed; undefined: this API server has none. What it throws is tried again. */
  readonly resource: (signal: AbortSignal) => Promise<Resource<T> | undefined>;
  /** The pod is told of changes, or else only of the first full read. */
  readonly follow: boolean;
  readonly onChange: (uid: string) => void;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** How long until an API server that lacks the resource, or did not say, is asked again. */
const absentMs = 300_000;
const unknownMs = 2000;

export class CollectionCache<T extends KubeObject> {
  readonly #options: CollectionCacheOptions<T>;
  readonly #clock: Clock;
  readonly #holders = new Set<string>();
  readonly #wanted: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #informer: Informer<T> | undefined;
  #isAbsent = false;
  #overdue = false;
  #failure: string | undefined;
  #told = false;

  constructor(options: CollectionCacheOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** All of it, as known now; the pod is told when that changes. */
  hold(uid: string): View<Iterable<Stored<T>>> {
    if (this.#options.follow || !this.#told) this.#holders.add(uid);
    this.#wanted.resolve();
    if (this.#informer?.hasSynced()) return { state: "found", value: this.#informer.list() };
    if (this.#isAbsent) return { state: "absent" };
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
      if (this.#informer?.hasSynced() || this.#isAbsent) return;
      this.#overdue = true;
      this.#tell();
    });
    try {
      const resource = await this.#find(signal);
      if (resource !== undefined) await this.#follow(resource, signal);
    } finally {
      cancel();
    }
  }

  /** Undefined: the signal aborted. */
  async #find(signal: AbortSignal): Promise<Resource<T> | undefined> {
    while (!signal.aborted) {
      try {
        const resource = await this.#options.resource(signal);
        if (resource !== undefined) return resource;
        if (!this.#isAbsent) {
          this.#isAbsent = true;
          this.#tell();
        }
        await pause(this.#clock, absentMs, signal);
      } catch (error) {
        this.#failure = errorText(error);
        await pause(this.#clock, unknownMs, signal);
      }
    }
    return undefined;
  }

  async #follow(resource: Resource<T>, signal: AbortSignal): Promise<void> {
    const { client, metrics, random, follow, log } = this.#options;
    const informer = new Informer<T>({
      client,
      resource,
      onChange: () => {
        if (follow && this.#told) this.#tell();
      },
      onFailure: (error) => {
        this.#failure = errorText(error);
      },
      log: quiet(log ?? silentLogger),
      clock: this.#clock,
      ...(metrics === undefined ? {} : { metrics }),
      ...(random === undefined ? {} : { random }),
    });
    this.#informer = informer;
    const known = informer.synced.then(() => {
      this.#told = true;
      this.#tell();
      if (!follow) this.#holders.clear();
    });
    await informer.run(signal);
    if (informer.hasSynced()) await known;
  }

  #tell(): void {
    for (const uid of this.#holders) this.#options.onChange(uid);
  }
}
