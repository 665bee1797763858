// All objects, their one revision, and what happened of late. Objects are immutable; whoever watches is told in order, at once.
import { expired } from "./api-error.ts";
import { type JsonObject, put, text } from "./json.ts";

export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  readonly object: JsonObject;
  /** What it was before; undefined for what is new. */
  readonly previous: JsonObject | undefined;
}

/** One write. */
export interface Entry {
  readonly revision: number;
  readonly resource: string;
  readonly id: string;
  /** None: deleted. */
  readonly object?: JsonObject;
}

/** Told of each write before it is answered. */
export interface Journal {
  wrote(entry: Entry): void;
}

/** How many changes of each resource a watch may have missed. */
const historyLength = 2_000;

class Collection {
  readonly objects = new Map<string, JsonObject>();
  readonly listeners = new Set<(change: Change) => void>();
  history: Change[] = [];
  /** Watches that begin before it are refused. */
  horizon = 0;
}

export function idOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

export class Store {
  readonly #collections = new Map<string, Collection>();
  readonly #journal: Journal | undefined;
  /** What this store begins with: nothing is known of the time before. */
  readonly #first: number;
  #revision: number;

  constructor(options: { readonly revision?: number; readonly journal?: Journal | undefined } = {}) {
    this.#revision = options.revision ?? 1;
    this.#first = this.#revision;
    this.#journal = options.journal;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Objects of an earlier time, as they were: no watch is told. */
  restore(resource: string, id: string, restored: JsonObject): void {
    this.#collection(resource).objects.set(id, restored);
  }

  *all(): Iterable<{ readonly resource: string; readonly id: string; readonly object: JsonObject }> {
    for (const [resource, { objects }] of this.#collections)
      for (const [id, object] of objects) yield { resource, id, object };
  }

  get(resource: string, namespace: string, name: string): JsonObject | undefined {
    return this.#collection(resource).objects.get(idOf(namespace, name));
  }

  /** Of one namespace, or all where it is "". In the order of namespace and name. */
  list(resource: string, namespace = ""): readonly JsonObject[] {
    const found: [string, JsonObject][] = [];
    for (const entry of this.#collection(resource).objects) {
      if (namespace === "" || entry[0].startsWith(`${namespace}/`)) found.push(entry);
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
  }

  /** Keeps an object, new or changed, under a new revision. Returns it as it is kept. */
  write(resource: string, written: JsonObject): JsonObject {
    const collection = this.#collection(resource);
    const id = idOf(text(written, "metadata", "namespace"), text(written, "metadata", "name"));
    const revision = ++this.#revision;
    const kept = put(written, ["metadata", "resourceVersion"], `${revision}`);
    const previous = collection.objects.get(id);
    collection.objects.set(id, kept);
    this.#journal?.wrote({ revision, resource, id, object: kept });
    this.#tell(collection, { type: previous === undefined ? "ADDED" : "MODIFIED", revision, object: kept, previous });
    return kept;
  }

  /** Returns the object as it was last, or as it is said to be, with the revision of its end; undefined if there is none. */
  remove(resource: string, namespace: string, name: string, as?: JsonObject): JsonObject | undefined {
    const collection = this.#collection(resource);
    const id = idOf(namespace, name);
    const previous = collection.objects.get(id);
    if (previous === undefined) return undefined;
    const revision = ++this.#revision;
    collection.objects.delete(id);
    const last = put(as ?? previous, ["metadata", "resourceVersion"], `${revision}`);
    this.#journal?.wrote({ revision, resource, id });
    this.#tell(collection, { type: "DELETED", revision, object: last, previous });
    return last;
  }

  /** Calls back for each change after `since`, those that were first. Returns what ends it. Throws Expired (410). */
  watch(resource: string, since: number, listener: (change: Change) => void): () => void {
    const collection = this.#collection(resource);
    if (since < collection.horizon) {
      throw expired(`too old resource version: ${since} (${collection.horizon})`);
    }
    for (const change of collection.history) if (change.revision > since) listener(change);
    collection.listeners.add(listener);
    return () => collection.listeners.delete(listener);
  }

  #collection(resource: string): Collection {
    const known = this.#collections.get(resource);
    if (known !== undefined) return known;
    const made = new Collection();
    made.horizon = this.#first;
    this.#collections.set(resource, made);
    return made;
  }

  #tell(collection: Collection, change: Change): void {
    collection.history.push(change);
    if (collection.history.length >= 2 * historyLength) {
      const forgotten = collection.history.length - historyLength;
      collection.horizon = collection.history[forgotten - 1]?.revision ?? collection.horizon;
      collection.history = collection.history.slice(forgotten);
    }
    for (const listener of [...collection.listeners]) listener(change);
  }
}
