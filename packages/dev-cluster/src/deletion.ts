// What a DELETE does to an object: nothing is left, or it waits for its grace, its finalizers, its dependents.
import { timestamp } from "./access.ts";
import type { Resource } from "./api-data.ts";
import { badRequest, conflict } from "./api-error.ts";
import { isObject, type Json, type JsonObject, list, merge, number, object, put, text, texts } from "./json.ts";

export interface DeleteRequest {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly dryRun?: boolean;
}

export interface Deletion {
  readonly object: JsonObject;
  readonly gone: boolean;
}

/** From DeleteOptions and the query, which says the same. Throws BadRequest. */
export function deleteRequest(options: Json | undefined, query: URLSearchParams): DeleteRequest {
  if (options !== undefined && options !== null && !isObject(options)) throw badRequest("expected DeleteOptions");
  const grace = query.get("gracePeriodSeconds");
  const orphans = object(options)["orphanDependents"];
  const orphan = orphans === true || query.get("orphanDependents") === "true" ? "Orphan" : undefined;
  const seconds = number(options, "gracePeriodSeconds") ?? (grace === null ? undefined : Number(grace));
  if (seconds !== undefined && !(Number.isInteger(seconds) && Math.abs(seconds) < 2 ** 31))
    throw badRequest(`gracePeriodSeconds: Invalid value: ${grace ?? seconds}: must be whole seconds below 2^31`);
  const dryRun = [...query.getAll("dryRun"), ...list(options, "dryRun")].includes("All");
  return {
    gracePeriodSeconds: seconds,
    propagationPolicy: text(options, "propagationPolicy") || query.get("propagationPolicy") || orphan,
    uid: text(options, "preconditions", "uid") || undefined,
    resourceVersion: text(options, "preconditions", "resourceVersion") || undefined,
    dryRun,
  };
}

const policies: Readonly<Record<string, string>> = { Foreground: "foregroundDeletion", Orphan: "orphan" };

/** `next` undefined: it goes at once, as `last` says. Throws Conflict where a precondition does not hold. */
export function planDeletion(
  resource: Resource,
  current: JsonObject,
  request: DeleteRequest,
  now: number,
): { readonly next: JsonObject | undefined; readonly last?: JsonObject } {
  check(resource, current, request);
  const before = texts(current, "metadata", "finalizers");
  const added = policies[request.propagationPolicy ?? ""];
  const finalizers = added === undefined || before.includes(added) ? before : [...before, added];
  const isDeleted = text(current, "metadata", "deletionTimestamp") !== "";
  const grace = graceOf(resource, current, request);
  const isNamespace = resource.key === "namespaces";
  const holds = finalizers.length > 0 || grace > 0 || isHeld(resource, current);
  const generation = number(current, "metadata", "generation");
  const counted = generation === undefined ? {} : { generation: generation + 1 };
  const marked = {
    deletionTimestamp: timestamp(now + grace * 1000),
    deletionGracePeriodSeconds: isNamespace ? undefined : grace,
    ...counted,
  };
  if (!holds) {
    if (resource.key !== "pods") return { next: undefined };
    return {
      next: undefined,
      last: merge(current, ["metadata"], isDeleted ? { deletionGracePeriodSeconds: 0 } : marked),
    };
  }
  const isNoSooner = isDeleted && grace >= (number(current, "metadata", "deletionGracePeriodSeconds") ?? 0);
  const next = merge(current, ["metadata"], {
    finalizers: finalizers.length > 0 ? finalizers : undefined,
    ...(isNoSooner ? {} : marked),
  });
  return { next: isNamespace ? put(next, ["status", "phase"], "Terminating") : next };
}

/** Somebody has something to do before it may go. */
export function isHeld({ key }: Resource, kept: JsonObject): boolean {
  const isFull = key === "namespaces" && list(kept, "spec", "finalizers").length > 0;
  return isFull || list(kept, "metadata", "finalizers").length > 0;
}

/** Only pods are deleted gracefully, and of these only such as run somewhere. A second request may only shorten it. */
function graceOf(resource: Resource, current: JsonObject, request: DeleteRequest): number {
  if (resource.key !== "pods") return 0;
  const isDeleted = text(current, "metadata", "deletionTimestamp") !== "";
  const left = number(current, "metadata", "deletionGracePeriodSeconds") ?? 0;
  const asked = request.gracePeriodSeconds;
  if (text(current, "spec", "nodeName") === "") return 0;
  if (["Succeeded", "Failed"].includes(text(current, "status", "phase"))) return 0;
  if (isDeleted) return asked === undefined ? left : Math.min(left, Math.max(0, asked));
  const own = number(current, "spec", "terminationGracePeriodSeconds") ?? 30;
  return Math.max(asked ?? (own < 0 ? 1 : own), 0);
}

function check(resource: Resource, current: JsonObject, { uid, resourceVersion }: DeleteRequest): void {
  const subject = { group: resource.group, kind: resource.kind, name: text(current, "metadata", "name") };
  const require = (what: string, wanted: string | undefined, found: string, done: string): void => {
    if (wanted === undefined || wanted === found) return;
    const why = `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${found})`;
    throw conflict(subject, `${why}. The object might have been ${done}`);
  };
  require("UID", uid, text(current, "metadata", "uid"), "deleted and then recreated");
  require("ResourceVersion", resourceVersion, text(current, "metadata", "resourceVersion"), "modified");
}
