// What controllers read of objects and write about them again and again.
import { createHash } from "node:crypto";
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { type Condition, withCondition } from "../conditions.ts";
import type { DeleteRequest } from "../deletion.ts";
import { type Json, type JsonObject, list, merge, number, object, text } from "../json.ts";

export const nameOf = (of: Json | undefined): string => text(of, "metadata", "name");
export const namespaceOf = (of: Json | undefined): string => text(of, "metadata", "namespace");
export const uidOf = (of: Json | undefined): string => text(of, "metadata", "uid");
export const labelsOf = (of: Json | undefined): JsonObject => object(of, "metadata", "labels");
export const isGoing = (of: Json | undefined): boolean => text(of, "metadata", "deletionTimestamp") !== "";
export const keyOf = (of: Json | undefined): string => `${namespaceOf(of)}/${nameOf(of)}`;

export function splitKey(key: string): readonly [namespace: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

export function controllerOf(of: Json): Json | undefined {
  return list(of, "metadata", "ownerReferences").find((each) => object(each)["controller"] === true);
}

export function ownerReference(owner: JsonObject): JsonObject {
  return {
    apiVersion: text(owner, "apiVersion"),
    kind: text(owner, "kind"),
    name: nameOf(owner),
    uid: uidOf(owner),
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Objects of a resource that an owner controls. */
export function controlledBy(api: Api, resource: string, owner: JsonObject): readonly JsonObject[] {
  const uid = uidOf(owner);
  return api.store.list(resource, namespaceOf(owner)).filter((each) => text(controllerOf(each), "uid") === uid);
}

export function isFinished(pod: Json): boolean {
  return ["Succeeded", "Failed"].includes(text(pod, "status", "phase"));
}

/** Changes an object of a resource as it is now; of its status, where that is said. */
export function change(
  api: Api,
  resource: string,
  of: JsonObject,
  to: (now: JsonObject) => JsonObject,
  subresource = "",
): JsonObject {
  return api.update(api.resource(resource), namespaceOf(of), nameOf(of), { subresource, to });
}

/** Deletes an object, if it is still this one. */
export function remove(api: Api, resource: string, of: JsonObject, request: DeleteRequest = {}): void {
  api.delete(api.resource(resource), namespaceOf(of), nameOf(of), { uid: uidOf(of), ...request });
}

/** Writes fields of the status of an object as it is now, undefined to take one away; nothing where it says that already. */
export function writeStatus(api: Api, resource: string, of: JsonObject, fields: JsonObject): void {
  change(api, resource, of, (now) => merge(now, ["status"], fields), "status");
}

export function writeCondition(api: Api, resource: string, of: JsonObject, condition: Condition): void {
  const conditions = withCondition(list(of, "status", "conditions"), condition, api.now());
  writeStatus(api, resource, of, { conditions });
}

/** One event for each reason of an object; the same again is counted. */
export function tell(
  api: Api,
  about: JsonObject,
  event: {
    readonly type: "Normal" | "Warning";
    readonly reason: string;
    readonly message: string;
    readonly component: string;
  },
): void {
  const namespace = namespaceOf(about) || "default";
  if (isGoing(api.store.get("namespaces", "", namespace))) return;
  const time = timestamp(api.now());
  const known = api.store
    .list("events", namespace)
    .find(
      (each) =>
        text(each, "involvedObject", "uid") === uidOf(about) &&
        text(each, "reason") === event.reason &&
        text(each, "message") === event.message,
    );
  if (known !== undefined) {
    const count = (number(known, "count") ?? 1) + 1;
    change(api, "events", known, (now) => ({ ...now, count, lastTimestamp: time }));
    return;
  }
  const { type, reason, message, component } = event;
  const involvedObject = {
    apiVersion: text(about, "apiVersion"),
    kind: text(about, "kind"),
    name: nameOf(about),
    namespace: namespaceOf(about) || undefined,
    uid: uidOf(about),
    resourceVersion: text(about, "metadata", "resourceVersion"),
  };
  api.create(api.resource("events"), namespace, {
    metadata: { generateName: `${nameOf(about)}.` },
    involvedObject,
    type,
    reason,
    message,
    source: { component },
    reportingComponent: component,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  });
}

/** Names a template of pods among those of one owner: ten letters and digits that make no words. */
export function templateHash(of: Json): string {
  const letters = "bcdfghjklmnpqrstvwxz2456789";
  const digest = createHash("sha256").update(JSON.stringify(of)).digest();
  return [...digest.subarray(0, 10)].map((byte) => letters[byte % letters.length]).join("");
}
