// Strategic merge patch, by the merge keys and strategies that the schemas carry.
import { badRequest } from "./api-error.ts";
import { equal, isList, isObject, type Json, type JsonObject, text } from "./json.ts";
import { directives } from "./patches.ts";
import { fieldUse, itemUse, type SchemaUse } from "./schema.ts";

const deletePrefix = "$deleteFromPrimitiveList/";
const orderPrefix = "$setElementOrder/";

function strategicMerge(target: Json | undefined, patch: Json, use: SchemaUse | undefined): Json {
  if (!isObject(patch)) return patch;
  if (patch["$patch"] === "delete") return {};
  const { $patch: directive, $retainKeys: retained, ...fields } = patch;
  if (directive === "replace") return fields;
  const before = isObject(target) ? target : {};
  const result: Record<string, Json | undefined> = isList(retained)
    ? Object.fromEntries(Object.entries(before).filter(([key]) => retained.includes(key)))
    : { ...before };
  const orders = directives(patch, orderPrefix);
  for (const [key, gone] of directives(patch, deletePrefix)) {
    const now = result[key];
    if (isList(now)) result[key] = now.filter((each) => !gone.some((other) => equal(each, other)));
  }
  for (const [key, value] of Object.entries(fields)) {
    if (key.startsWith("$") || value === undefined) continue;
    if (value === null) {
      delete result[key];
      continue;
    }
    const inside = use === undefined ? undefined : fieldUse(use, key);
    result[key] = isList(value) ? mergeLists(result[key], value, inside) : mergeValue(result[key], value, inside);
  }
  for (const [key, order] of orders) {
    const now = result[key];
    const inside = use === undefined ? undefined : fieldUse(use, key);
    if (isList(now)) result[key] = ordered(now, order, mergeKeyOf(inside));
  }
  return result;
}

function mergeValue(target: Json | undefined, patch: Json, use: SchemaUse | undefined): Json {
  return strategicMerge(target, patch, use);
}

function mergeKeyOf(use: SchemaUse | undefined): string {
  return text(use?.site, "x-kubernetes-patch-merge-key");
}

function isMerged(use: SchemaUse | undefined): boolean {
  return text(use?.site, "x-kubernetes-patch-strategy").split(",").includes("merge");
}

function mergeLists(target: Json | undefined, patch: readonly Json[], use: SchemaUse | undefined): Json {
  const isDirective = (each: Json): boolean => isObject(each) && each["$patch"] !== undefined;
  const replaces = patch.some((each) => isObject(each) && each["$patch"] === "replace");
  if (!isMerged(use) || use === undefined || replaces) return patch.filter((each) => !isDirective(each));
  const result: Json[] = isList(target) ? [...target] : [];
  const key = mergeKeyOf(use);
  if (key === "") {
    for (const each of patch) if (!result.some((other) => equal(each, other))) result.push(each);
    return result;
  }
  for (const each of patch) {
    const id = isObject(each) ? each[key] : undefined;
    if (!isObject(each) || id === undefined) {
      throw badRequest(`map: ${JSON.stringify(each)} does not contain declared merge key: ${key}`);
    }
    const index = result.findIndex((other) => isObject(other) && equal(other[key], id));
    if (each["$patch"] === "delete") {
      if (index >= 0) result.splice(index, 1);
    } else if (index < 0) {
      result.push(strategicMerge(undefined, each, itemUse(use)));
    } else {
      result[index] = strategicMerge(result[index], each, itemUse(use));
    }
  }
  return result;
}

/** Those that the order names stand in it; others stay behind the one that they stood behind. */
function ordered(items: readonly Json[], order: readonly Json[], key: string): Json {
  const idOf = (each: Json): Json | undefined => (key !== "" && isObject(each) ? each[key] : each);
  const place = (each: Json): number => order.findIndex((other) => equal(idOf(other), idOf(each)));
  const named = items.filter((each) => place(each) >= 0).sort((a, b) => place(a) - place(b));
  const result: Json[] = [];
  let next = 0;
  for (const each of items) {
    if (place(each) < 0) {
      result.push(each);
      continue;
    }
    const one = named[next++];
    if (one !== undefined) result.push(one);
  }
  return result;
}

/** The same for documents: never anything but an object. */
export function strategicMergeObject(target: JsonObject, patch: JsonObject, use: SchemaUse): JsonObject {
  const merged = strategicMerge(target, patch, use);
  return isObject(merged) ? merged : {};
}
