// The objects that pods refer to: one watch for each object, shared by all pods that hold it, closed with the last of them.
// Never a watch of a whole collection.
import { type Clock, systemClock } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { Informer } from "../kube/informer.ts";
import type { KubeObject, Resource, Stored } from "../kube/resource.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { View } from "./sources.ts";

export interface ObjectCacheOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** Something about an object changed that this pod holds. */
  readonly onChange: (uid: string) => void;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** The object's state is told as pending for so long; then what keeps it from being read. Authorisers lag after a binding. */
export const patienceMs = 10_000;

interface Entry<T extends KubeObject> {
  readonly holders: Set<string>;
  readonly end: AbortController;
  object: Stored<T> | undefined;
  /** Read at least once. */
  known: boolean;
  overdue: boolean;
  failure: string | undefined;
  running: Promise<void> | undefined;
}

export class ObjectCache<T extends KubeObject> {
  readonly #options: ObjectCacheOptions<T>;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;
  #fail: (error: unknown) => void = () => {};

  constructor(options: ObjectCacheOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Objects held. */
  get size(): number {
    return this.#entries.size;
  }

  /** Key of an object, for `release`. */
  key(namespace: string, name: string): string {
    return `${namespace}/${name}`;
  }

  /** The object as it is known now; the pod holds it from here on, and is told of each change until it lets go of it. */
  hold(uid: string, namespace: string, name: string): View<Stored<T>> {
    const key = this.key(namespace, name);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        ...{ holders: new Set(), end: new AbortController(), object: undefined, known: false },
        ...{ overdue: false, failure: undefined, running: undefined },
      };
      this.#entries.set(key, entry);
      this.#begin(entry, namespace, name);
    }
    entry.holders.add(uid);
    if (entry.known) return entry.object === undefined ? { state: "absent" } : { state: "found", value: entry.object };
    if (!entry.overdue) return { state: "pending" };
    return { state: "unreadable", message: entry.failure ?? "no answer of the API server yet" };
  }

  /** The pod lets go of the object with this key. */
  release(uid: string, key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.holders.delete(uid) || entry.holders.size > 0) return;
    this.#entries.delete(key);
    entry.end.abort();
  }

  /** Watches until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#fail = reject;
    this.#signal = signal;
    const done = (): void => resolve();
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
    for (const [key, entry] of this.#entries) {
      const slash = key.indexOf("/");
      if (entry.running === undefined) this.#begin(entry, key.slice(0, slash), key.slice(slash + 1));
    }
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", done);
      for (const entry of this.#entries.values()) entry.end.abort();
      await Promise.allSettled(this.#running);
    }
  }

  #begin(entry: Entry<T>, namespace: string, name: string): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    const running = this.#follow(entry, namespace, name, AbortSignal.any([this.#signal, entry.end.signal]));
    entry.running = running;
    this.#running.add(running);
    running.catch(this.#fail).finally(() => this.#running.delete(running));
  }

  async #follow(entry: Entry<T>, namespace: string, name: string, signal: AbortSignal): Promise<void> {
    const { client, resource, metrics, random } = this.#options;
    const settled = new AbortController();
    const changed = (): void => {
      if (!signal.aborted) for (const uid of entry.holders) this.#options.onChange(uid);
    };
    const cancel = this.#clock.schedule(patienceMs, () => {
      if (entry.known) return;
      entry.overdue = true;
      changed();
    });
    const informer = new Informer<T>({
      client,
      resource,
      ...(resource.namespaced ? { namespace } : {}),
      fieldSelector: `metadata.name=${name}`,
      onChange: ({ type, object }) => {
        entry.object = type === "deleted" ? undefined : object;
        if (!entry.known) return;
        changed();
        if (isImmutable(entry.object)) settled.abort();
      },
      onFailure: (error) => {
        entry.failure = errorText(error);
      },
      // A refusal right after a binding is nothing to speak of; one that lasts shows at the pod.
      log: quiet(this.#options.log ?? silentLogger),
      clock: this.#clock,
      ...(metrics === undefined ? {} : { metrics }),
      ...(random === undefined ? {} : { random }),
    });
    const known = informer.synced.then(() => {
      entry.known = true;
      cancel();
      changed();
      if (isImmutable(entry.object)) settled.abort();
    });
    try {
      await informer.run(AbortSignal.any([signal, settled.signal]));
      if (informer.hasSynced()) await known;
    } finally {
      cancel();
    }
  }
}

/** Nothing of it will change, so nobody has to watch. */
function isImmutable(object: KubeObject | undefined): boolean {
  return object !== undefined && "immutable" in object && object.immutable === true;
}

/** Warnings become debug lines. */
export function quiet(log: Logger): Logger {
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.debug(fields, message),
    warn: (fields, message) => log.debug(fields, message),
    error: (fields, message) => log.error(fields, message),
    child: (fields) => quiet(log.child(fields)),
  };
}
