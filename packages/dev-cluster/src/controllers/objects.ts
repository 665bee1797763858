// What controllers read of objects.
import { createHash } from "node:crypto";
import { type Json, type JsonObject, list, number, object, put, text } from "../json.ts";

export const nameOf = (of: Json | undefined): string => text(of, "metadata", "name");
export const namespaceOf = (of: Json | undefined): string => text(of, "metadata", "namespace");
export const uidOf = (of: Json | undefined): string => text(of, "metadata", "uid");
export const labelsOf = (of: Json | undefined): JsonObject => object(of, "metadata", "labels");
export const annotationsOf = (of: Json | undefined): JsonObject => object(of, "metadata", "annotations");
export const bornAt = (of: Json | undefined): number => Date.parse(text(of, "metadata", "creationTimestamp"));
/** Epoch milliseconds of the last of times; those that are not said do not count. */
export const latest = (...times: readonly string[]): number =>
  Math.max(...times.map((each) => Date.parse(each)).filter(Number.isFinite));
export const generationOf = (of: Json | undefined): number => number(of, "metadata", "generation") ?? 0;
/** How many pods are asked for. */
export const replicasOf = (of: Json | undefined): number => number(of, "spec", "replicas") ?? 1;
export const isGoing = (of: Json | undefined): boolean => text(of, "metadata", "deletionTimestamp") !== "";
export const isFinished = (pod: Json): boolean => ["Succeeded", "Failed"].includes(text(pod, "status", "phase"));
export const isActive = (pod: Json): boolean => !isGoing(pod) && !isFinished(pod);
/** Of its containers, those that begin it first. */
export const statusesOf = (pod: Json): readonly Json[] => [
  ...list(pod, "status", "initContainerStatuses"),
  ...list(pod, "status", "containerStatuses"),
];
/** Names of the claims that its volumes are of. */
export const claimsOf = (pod: Json): readonly string[] =>
  list(pod, "spec", "volumes")
    .map((each) => text(each, "persistentVolumeClaim", "claimName"))
    .filter((name) => name !== "");
export const keyOf = (of: Json | undefined): string => `${namespaceOf(of)}/${nameOf(of)}`;

/** A pod's; "" before it is bound. */
export const nodeNameOf = (pod: Json): string => text(pod, "spec", "nodeName");

export function splitKey(key: string): readonly [namespace: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/** What one object says of another. */
export function referenceTo(of: JsonObject): JsonObject {
  const { apiVersion, kind } = of;
  return { apiVersion, kind, name: nameOf(of), namespace: namespaceOf(of) || undefined, uid: uidOf(of) };
}

/** In the metadata of what an owner controls. */
export function ownedBy(owner: JsonObject): { readonly ownerReferences: readonly Json[] } {
  const { namespace: _, ...reference } = referenceTo(owner);
  return { ownerReferences: [{ ...reference, controller: true, blockOwnerDeletion: true }] };
}

export function controllerOf(of: Json): Json | undefined {
  return list(of, "metadata", "ownerReferences").find((each) => object(each)["controller"] === true);
}

/** Key of the owner that controls an object; none where that is of another kind. */
export function keysOfOwner(of: JsonObject, kind: string): readonly string[] {
  const owner = controllerOf(of);
  return text(owner, "kind") === kind ? [`${namespaceOf(of)}/${text(owner, "name")}`] : [];
}

/** Those that are too many by a limit, the lowest first. */
export function surplus<T>(all: readonly T[], limit: number, orderOf: (each: T) => number): readonly T[] {
  return all.toSorted((a, b) => orderOf(a) - orderOf(b)).slice(0, Math.max(0, all.length - limit));
}

/** A copy without some items of a list, and without the list where none is left. */
export function without(of: JsonObject, path: readonly string[], isOut: (item: Json) => boolean): JsonObject {
  const left = list(of, ...path).filter((each) => !isOut(each));
  return put(of, path, left.length > 0 ? left : undefined);
}

/** Ten letters and digits that make no words, the same for the same. */
export function hashOf(of: Json): string {
  const letters = "bcdfghjklmnpqrstvwxz2456789";
  const digest = createHash("sha256").update(JSON.stringify(of)).digest();
  return [...digest.subarray(0, 10)].map((byte) => letters[byte % letters.length]).join("");
}
