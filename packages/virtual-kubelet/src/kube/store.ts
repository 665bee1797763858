// What an informer has cached, by UID and by name: each change of the cluster's state goes in, what it means comes out.
import type { KubeObject, Stored } from "./resource.ts";

export type Change<T extends KubeObject> =
  | { readonly type: "added"; readonly object: Stored<T> }
  | { readonly type: "updated"; readonly object: Stored<T>; readonly previous: Stored<T> }
  | {
      readonly type: "deleted";
      /** Its final state or, with `finalStateUnknown`, the last one known. */
      readonly object: Stored<T>;
      /** The deletion itself was missed: it shows by a full read, or by another object with the name. */
      readonly finalStateUnknown: boolean;
    };

/** Identity is the UID: another one with the same name is another object. Changes are made first and returned then, in order. */
export class Store<T extends KubeObject> {
  readonly #accept: (object: T) => boolean;
  #byUid = new Map<string, Stored<T>>();
  #byName = new Map<string, Stored<T>>();

  /** What `accept` refuses is not kept; a kept object that it refuses later is deleted. */
  constructor(accept: (object: T) => boolean = () => true) {
    this.#accept = accept;
  }

  get size(): number {
    return this.#byUid.size;
  }

  /** `namespace` is "" for cluster-scoped objects. */
  get(namespace: string, name: string): Stored<T> | undefined {
    return this.#byName.get(`${namespace}/${name}`);
  }

  getByUid(uid: string): Stored<T> | undefined {
    return this.#byUid.get(uid);
  }

  list(): Iterable<Stored<T>> {
    return this.#byUid.values();
  }

  /** An object was added or modified. One with the resource version that is kept already changes nothing. */
  put(object: Stored<T>): readonly Change<T>[] {
    const changes: Change<T>[] = [];
    const { uid, resourceVersion } = object.metadata;
    const namesake = this.#byName.get(nameOf(object));
    if (namesake !== undefined && namesake.metadata.uid !== uid) {
      this.#remove(namesake);
      changes.push({ type: "deleted", object: namesake, finalStateUnknown: true });
    }
    const previous = this.#byUid.get(uid);
    if (previous?.metadata.resourceVersion === resourceVersion) return changes;
    if (!this.#accept(object)) changes.push(...this.delete(object));
    else {
      this.#byUid.set(uid, object);
      this.#byName.set(nameOf(object), object);
      changes.push(previous === undefined ? { type: "added", object } : { type: "updated", object, previous });
    }
    return changes;
  }

  /** The object is gone, or no longer ours; `object` is its final state. */
  delete(object: Stored<T>): readonly Change<T>[] {
    const previous = this.#byUid.get(object.metadata.uid);
    if (previous === undefined) return [];
    this.#remove(previous);
    return [{ type: "deleted", object, finalStateUnknown: false }];
  }

  /** These are all objects there are: what is kept and not among them was deleted unseen. Deletions come first. */
  replace(objects: Iterable<Stored<T>>): readonly Change<T>[] {
    const changes: Change<T>[] = [];
    const byUid = new Map<string, Stored<T>>();
    const byName = new Map<string, Stored<T>>();
    const refused = new Map<string, Stored<T>>();
    const later: Change<T>[] = [];
    for (const object of objects) {
      const { uid, resourceVersion } = object.metadata;
      const previous = this.#byUid.get(uid);
      const same = previous?.metadata.resourceVersion === resourceVersion;
      if (!(same || this.#accept(object))) {
        refused.set(uid, object);
        continue;
      }
      // The cached object stays when nothing changed: others may compare it by identity.
      const kept = same ? previous : object;
      byUid.set(uid, kept);
      byName.set(nameOf(kept), kept);
      if (previous === undefined) later.push({ type: "added", object });
      else if (!same) later.push({ type: "updated", object, previous });
    }
    for (const [uid, previous] of this.#byUid) {
      if (byUid.has(uid)) continue;
      const object = refused.get(uid);
      changes.push({ type: "deleted", object: object ?? previous, finalStateUnknown: object === undefined });
    }
    this.#byUid = byUid;
    this.#byName = byName;
    for (const change of later) changes.push(change);
    return changes;
  }

  #remove(object: Stored<T>): void {
    this.#byUid.delete(object.metadata.uid);
    const name = nameOf(object);
    if (this.#byName.get(name)?.metadata.uid === object.metadata.uid) this.#byName.delete(name);
  }
}

function nameOf({ metadata }: Stored<KubeObject>): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
