// A copy of one collection of the API in memory, kept up to date, that tells each change once.
import { type Clock, systemClock } from "../clock.ts";
import { errorText, type VirtualKubeletError } from "../errors.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { KubeClient } from "./client.ts";
import { Reflector, type WideWatch } from "./reflector.ts";
import type { KubeObject, Resource, Stored } from "./resource.ts";
import { type Change, Store } from "./store.ts";

export type { Change } from "./store.ts";

export interface InformerOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** Watched in place of `fieldSelector`, for minutes, when the server cannot keep up with that: see WideWatch. */
  readonly wide?: WideWatch<T> | undefined;
  /** False: never cached. A cached object that is no longer accepted is told as deleted, with its newest state. */
  readonly accept?: (object: T) => boolean;
  /**
   * Told of each change, after the cache shows it; of a full read, after the cache shows all of it. Synchronous: it only
   * enqueues keys. What it throws is logged and changes nothing.
   */
  readonly onChange?: (change: Change<T>) => void;
  /** Told of each failure to read or watch; it is tried again. Must not throw. */
  readonly onFailure?: (error: VirtualKubeletError) => void;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** 0 to below 1; default Math.random. */
  readonly random?: () => number;
}

/**
 * Identity is the UID: the same name with a new UID is "deleted", then "added". Objects are handed out by reference and
 * are not to be changed; they have no managedFields. Changes missed while the API was away are told after it is back.
 */
export class Informer<T extends KubeObject> {
  readonly #options: InformerOptions<T>;
  readonly #log: Logger;
  readonly #store: Store<T>;
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    const { plural } = options.resource;
    const { namespace, fieldSelector, labelSelector } = options;
    this.#log = (options.log ?? silentLogger).child({ resource: plural, namespace, fieldSelector, labelSelector });
    this.#store = new Store(options.accept);
  }

  /** Resolves when the state was read in full and told for the first time; pends while `run` was not called or cannot reach the API. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  hasSynced(): boolean {
    return this.#hasSynced;
  }

  get size(): number {
    return this.#store.size;
  }

  /** `namespace` is "" for cluster-scoped objects. */
  get(namespace: string, name: string): Stored<T> | undefined {
    return this.#store.get(namespace, name);
  }

  getByUid(uid: string): Stored<T> | undefined {
    return this.#store.getByUid(uid);
  }

  list(): Iterable<Stored<T>> {
    return this.#store.list();
  }

  /** Keeps the cache up to date until the signal aborts, whatever the API server does. The cache stays after that. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, resource, namespace, fieldSelector, labelSelector, wide, metrics, onFailure } = this.#options;
    const clock = this.#options.clock ?? systemClock;
    const random = this.#options.random ?? Math.random;
    const reflector = new Reflector<T>(
      {
        ...{ client, resource, namespace, fieldSelector, labelSelector, wide },
        ...{ clock, random, log: this.#log, metrics, onFailure },
      },
      {
        replace: (objects) => {
          for (const object of objects) slim(object);
          this.#tell(this.#store.replace(objects));
          this.#hasSynced = true;
          this.#synced.resolve();
        },
        put: (object) => {
          slim(object);
          this.#tell(this.#store.put(object));
        },
        delete: (object) => {
          slim(object);
          this.#tell(this.#store.delete(object));
        },
      },
    );
    await reflector.run(signal);
  }

  #tell(changes: readonly Change<T>[]): void {
    const { onChange } = this.#options;
    if (onChange === undefined) return;
    for (const change of changes) {
      try {
        onChange(change);
      } catch (error) {
        const { namespace, name, uid } = change.object.metadata;
        const stack = error instanceof Error ? error.stack : undefined;
        this.#log.error({ namespace, name, uid, change: change.type, err: errorText(error), stack }, "onChange failed");
      }
    }
  }
}

/** Drops what nobody here reads and takes up to half of a pod. Set, not deleted: deleting makes a slow and bigger object. */
function slim({ metadata }: Stored<KubeObject>): void {
  if (metadata.managedFields !== undefined) Reflect.set(metadata, "managedFields", undefined);
}
