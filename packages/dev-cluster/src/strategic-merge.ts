// Strategic merge patch, by the merge keys and strategies that the schemas carry.
import { badRequest } from "./api-error.ts";
import { at, equal, isList, isObject, type Json, type JsonObject, list, text } from "./json.ts";
import { fieldUse, itemUse, type SchemaUse } from "./schema.ts";

const deletePrefix = "$deleteFromPrimitiveList/";
const orderPrefix = "$setElementOrder/";

/** Never anything but an object for an object. */
export function strategicMergeObject(target: JsonObject, patch: JsonObject, use: SchemaUse): JsonObject {
  const merged = strategicMerge(target, patch, use);
  return isObject(merged) ? merged : {};
}

function strategicMerge(target: Json | undefined, patch: Json, use: SchemaUse | undefined): Json {
  if (!isObject(patch)) return patch;
  if (patch["$patch"] === "delete") return {};
  const { $patch: directive, $retainKeys: retained, ...fields } = patch;
  if (directive === "replace") return fields;
  const before = Object.entries(isObject(target) ? target : {});
  const result: Record<string, Json | undefined> = Object.fromEntries(
    isList(retained) ? before.filter(([key]) => retained.includes(key)) : before,
  );
  const insideOf = (key: string): SchemaUse | undefined => (use === undefined ? undefined : fieldUse(use, key));
  /** What a directive says of lists that are there. */
  const direct = (prefix: string, change: (now: readonly Json[], said: readonly Json[], key: string) => Json): void => {
    for (const directed of Object.keys(fields).filter((each) => each.startsWith(prefix))) {
      const key = directed.slice(prefix.length);
      const now = result[key];
      if (isList(now)) result[key] = change(now, list(fields, directed), key);
    }
  };
  direct(deletePrefix, (now, gone) => now.filter((each) => !gone.some((other) => equal(each, other))));
  for (const [key, value] of Object.entries(fields)) {
    if (key.startsWith("$") || value === undefined) continue;
    if (value === null) delete result[key];
    else
      result[key] = isList(value)
        ? mergeLists(result[key], value, insideOf(key))
        : strategicMerge(result[key], value, insideOf(key));
  }
  direct(orderPrefix, (now, order, key) => ordered(now, order, mergeKeyOf(insideOf(key))));
  return result;
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
    const index = result.findIndex((other) => equal(at(other, key), id));
    const isGone = each["$patch"] === "delete";
    const merged = isGone ? [] : [strategicMerge(result[index], each, itemUse(use))];
    result.splice(index < 0 ? result.length : index, 1, ...merged);
  }
  return result;
}

/** Those that the order names stand in it; others stay behind the one that they stood behind. */
function ordered(items: readonly Json[], order: readonly Json[], key: string): Json {
  const idOf = (each: Json): Json | undefined => (key !== "" && isObject(each) ? each[key] : each);
  const place = (each: Json): number => order.findIndex((other) => equal(idOf(other), idOf(each)));
  const named = items.filter((each) => place(each) >= 0).sort((a, b) => place(a) - place(b));
  const places = named.values();
  return items.map((each) => (place(each) < 0 ? each : (places.next().value ?? each)));
}
