// The boundary where JSON becomes typed objects: what the rest may rely on is checked here, what nobody needs is dropped.
import type { KubeObject, Resource, Stored } from "./resource.ts";

/** A JSON object, to be looked into. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Is this an object as the API server stores it: with metadata that has name, uid and resourceVersion? Then it is one of
 * `of`, as far as it is checked; apiVersion and kind, which lists leave out, are filled in, and managedFields, nearly
 * half of the memory an object takes, dropped.
 */
export function isStored<T extends KubeObject>(value: unknown, of: Resource<T>): value is Stored<T> {
  if (!isObject(value)) return false;
  const { metadata } = value;
  if (!isObject(metadata)) return false;
  if (typeof metadata["name"] !== "string" || typeof metadata["uid"] !== "string") return false;
  if (typeof metadata["resourceVersion"] !== "string") return false;
  // Undefined, not deleted: deleting makes a slower and larger object.
  if (metadata["managedFields"] !== undefined) metadata["managedFields"] = undefined;
  if (value["kind"] === undefined) {
    value["apiVersion"] = of.group === "" ? of.version : `${of.group}/${of.version}`;
    value["kind"] = of.kind;
  }
  return true;
}
