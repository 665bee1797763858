// Garbage collection: what has lost all its owners goes; owners that wait for their dependents, or give them up, are done.
import type { Api } from "../api.ts";
import { type Json, type JsonObject, list, object, text } from "../json.ts";
import type { Change } from "../store.ts";
import { Client } from "./client.ts";
import type { Controller } from "./controller.ts";
import { isGoing, uidOf, without } from "./objects.ts";

const ownersOf = (of: JsonObject | undefined): readonly Json[] => list(of, "metadata", "ownerReferences");
const finalizersOf = (of: JsonObject): readonly Json[] => list(of, "metadata", "finalizers");

export function garbage(api: Api): Controller {
  const name = "garbage-collector";
  const client = new Client(api, name);
  /** By UID, as they are now. */
  const objects = new Map<string, JsonObject>();
  /** UIDs, by the UID of an owner. */
  const dependents = new Map<string, Set<string>>();

  const heard = (seen: JsonObject, { type, previous }: Change): readonly string[] => {
    const uid = uidOf(seen);
    const before = ownersOf(previous).map((each) => text(each, "uid"));
    for (const owner of before) {
      const left = dependents.get(owner);
      left?.delete(uid);
      if (left?.size === 0) dependents.delete(owner);
    }
    if (type === "DELETED") {
      objects.delete(uid);
      const orphaned = dependents.get(uid) ?? [];
      dependents.delete(uid);
      return [...orphaned, ...before];
    }
    objects.set(uid, seen);
    const owners = ownersOf(seen).map((each) => text(each, "uid"));
    for (const owner of owners) dependents.set(owner, (dependents.get(owner) ?? new Set()).add(uid));
    const isDue = owners.length > 0 || finalizersOf(seen).length > 0;
    return isDue ? [uid, ...(isGoing(seen) ? owners : [])] : [];
  };
  const isThere = (uid: string): boolean => objects.has(uid) && !isGoing(objects.get(uid));
  const leave = (dependent: JsonObject, owner: string): void =>
    void client.change(dependent, (now) =>
      without(now, ["metadata", "ownerReferences"], (reference) => text(reference, "uid") === owner),
    );
  const finish = (owner: JsonObject, finalizer: string): void =>
    void client.change(owner, (now) => without(now, ["metadata", "finalizers"], (each) => each === finalizer));

  return {
    name,
    hears: Object.fromEntries(
      api.resources
        .filter((each) => each.isStored && each.verbs.includes("list") && each.key !== "events")
        .map((each) => [each.key, heard]),
    ),
    sync(uid) {
      const found = objects.get(uid);
      if (found === undefined) return undefined;
      const own = (): readonly JsonObject[] =>
        [...(dependents.get(uid) ?? [])].map((each) => objects.get(each)).filter((each) => each !== undefined);
      if (!isGoing(found)) {
        const owners = ownersOf(found);
        if (owners.length > 0 && !owners.some((each) => objects.has(text(each, "uid"))))
          client.remove(found, { propagationPolicy: "Background" });
      } else if (finalizersOf(found).includes("orphan")) {
        for (const each of own()) leave(each, uid);
        finish(found, "orphan");
      } else if (finalizersOf(found).includes("foregroundDeletion")) {
        for (const each of own().filter((one) => !isGoing(one))) {
          if (ownersOf(each).some((owner) => isThere(text(owner, "uid")))) {
            leave(each, uid);
            continue;
          }
          const hasOwn = (dependents.get(uidOf(each))?.size ?? 0) > 0;
          client.remove(each, { propagationPolicy: hasOwn ? "Foreground" : "Background" });
        }
        const isBlocking = (reference: Json): boolean =>
          text(reference, "uid") === uid && object(reference)["blockOwnerDeletion"] === true;
        if (!own().some((each) => ownersOf(each).some(isBlocking))) finish(found, "foregroundDeletion");
      }
      return undefined;
    },
  };
}
