// Garbage collection: what has lost all its owners goes; owners that wait for their dependents, or give them up, are done.
import type { Api } from "../api.ts";
import type { Resource } from "../api-data.ts";
import { type JsonObject, list, object, put, text } from "../json.ts";
import type { Change } from "../store.ts";
import type { Controller } from "./controller.ts";
import { isGoing, nameOf, namespaceOf, uidOf } from "./objects.ts";

interface Place {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
}

export function garbage(api: Api): Controller {
  const places = new Map<string, Place>();
  const dependents = new Map<string, Set<string>>();
  const owners = new Map<string, readonly string[]>();

  const heard =
    (resource: Resource) =>
    (seen: JsonObject, { type }: Change): readonly string[] => {
      const uid = uidOf(seen);
      const before = owners.get(uid) ?? [];
      for (const owner of before) dependents.get(owner)?.delete(uid);
      if (type === "DELETED") {
        places.delete(uid);
        owners.delete(uid);
        const orphaned = [...(dependents.get(uid) ?? [])];
        dependents.delete(uid);
        return [...orphaned, ...before];
      }
      places.set(uid, { resource, namespace: namespaceOf(seen), name: nameOf(seen) });
      const now = list(seen, "metadata", "ownerReferences").map((each) => text(each, "uid"));
      owners.set(uid, now);
      for (const owner of now) dependents.set(owner, (dependents.get(owner) ?? new Set()).add(uid));
      const isDue = now.length > 0 || list(seen, "metadata", "finalizers").length > 0;
      return isDue ? [uid, ...(isGoing(seen) ? now : [])] : [];
    };

  const current = (uid: string): { readonly place: Place; readonly object: JsonObject } | undefined => {
    const place = places.get(uid);
    const found = place === undefined ? undefined : api.store.get(place.resource.key, place.namespace, place.name);
    return place === undefined || found === undefined || uidOf(found) !== uid ? undefined : { place, object: found };
  };
  const change = ({ resource, namespace, name }: Place, to: (object: JsonObject) => JsonObject): void =>
    void api.update(resource, namespace, name, { to });
  const finish = (place: Place, finalizer: string): void =>
    change(place, (now) => {
      const left = list(now, "metadata", "finalizers").filter((each) => each !== finalizer);
      return put(now, ["metadata", "finalizers"], left.length > 0 ? left : undefined);
    });

  return {
    name: "garbage-collector",
    hears: Object.fromEntries(
      api.resources
        .filter((each) => each.isStored && each.verbs.includes("list") && each.key !== "events")
        .map((each) => [each.key, heard(each)]),
    ),
    sync(uid) {
      const found = current(uid);
      if (found === undefined) return undefined;
      const finalizers = list(found.object, "metadata", "finalizers");
      const own = [...(dependents.get(uid) ?? [])].map(current).filter((each) => each !== undefined);
      if (isGoing(found.object) && finalizers.includes("orphan")) {
        for (const { place } of own) {
          change(place, (now) => {
            const left = list(now, "metadata", "ownerReferences").filter((each) => text(each, "uid") !== uid);
            return put(now, ["metadata", "ownerReferences"], left.length > 0 ? left : undefined);
          });
        }
        finish(found.place, "orphan");
        return undefined;
      }
      if (isGoing(found.object) && finalizers.includes("foregroundDeletion")) {
        const blocking = own.filter(({ object: each }) =>
          list(each, "metadata", "ownerReferences").some(
            (reference) => text(reference, "uid") === uid && object(reference)["blockOwnerDeletion"] === true,
          ),
        );
        for (const { place, object: each } of own) {
          if (isGoing(each)) continue;
          const propagationPolicy = (dependents.get(uidOf(each))?.size ?? 0) > 0 ? "Foreground" : "Background";
          api.delete(place.resource, place.namespace, place.name, { uid: uidOf(each), propagationPolicy });
        }
        const left = blocking.some(({ object: each }) => current(uidOf(each)) !== undefined);
        if (!left) finish(found.place, "foregroundDeletion");
        return undefined;
      }
      const references = list(found.object, "metadata", "ownerReferences");
      if (references.length === 0 || isGoing(found.object)) return undefined;
      if (references.some((each) => current(text(each, "uid")) !== undefined)) return undefined;
      const { resource, namespace, name } = found.place;
      api.delete(resource, namespace, name, { uid, propagationPolicy: "Background" });
      return undefined;
    },
  };
}
