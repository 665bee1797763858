// Versions of a kind beside the stored one, and groups that show another's objects: what they say is kept in the stored form,
// and shown in theirs.
import type { Resource } from "./api-data.ts";
import type { Cause } from "./api-error.ts";
import { newerAutoscaler, olderAutoscaler } from "./autoscaler-version.ts";
import { coreEvent, newerEvent, newerEventFaults } from "./event-rules.ts";
import { type JsonObject, put } from "./json.ts";

interface Version {
  readonly toStored: (given: JsonObject) => JsonObject;
  readonly fromStored: (kept: JsonObject) => JsonObject;
  /** What this version asks for beside the stored one, of the stored form; `before` is undefined for new objects. */
  readonly faults?: (next: JsonObject, before: JsonObject | undefined) => readonly Cause[];
}

/** By API version and resource. Those without an entry differ in nothing but their name. */
const versions: Readonly<Record<string, Version>> = {
  "events.k8s.io/v1/events": { toStored: coreEvent, fromStored: newerEvent, faults: newerEventFaults },
  "autoscaling/v1/horizontalpodautoscalers": { toStored: newerAutoscaler, fromStored: olderAutoscaler },
};

function versionOf(resource: Resource): Version | undefined {
  return versions[`${resource.apiVersion}/${resource.name}`];
}

/** `stored`: the resource whose form it is kept in. */
export function toStored(resource: Resource, stored: Resource, given: JsonObject): JsonObject {
  return put(versionOf(resource)?.toStored(given) ?? given, ["apiVersion"], stored.apiVersion);
}

/** An object as a resource shows it. */
export function shownBy(resource: Resource, kept: JsonObject): JsonObject {
  if (resource.isStored || Object.keys(kept).length === 0) return kept;
  return put(versionOf(resource)?.fromStored(kept) ?? kept, ["apiVersion"], resource.apiVersion);
}

export function versionFaults(resource: Resource, next: JsonObject, before: JsonObject | undefined): readonly Cause[] {
  return versionOf(resource)?.faults?.(next, before) ?? [];
}
