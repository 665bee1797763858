// Strategic merge patch, by the merge keys and strategies that the schemas carry: edits of all the places that it names.
import { badRequest } from "./api-error.ts";
import { at, equal, isList, isObject, type Json, type JsonObject, object, text } from "./json.ts";
import { type Edit, edit, type Path } from "./places.ts";
import { fieldUse, itemUse, type SchemaUse } from "./schema.ts";

export function strategicMergeObject(target: JsonObject, patch: JsonObject, use: SchemaUse): JsonObject {
  return object(edit(target, editsOf(patch, use, [])));
}

/** `identity`: what a new object begins with. */
function editsOf(
  patch: JsonObject,
  use: SchemaUse | undefined,
  path: Path,
  identity: JsonObject | undefined = undefined,
): readonly Edit[] {
  const { $patch: directive, $retainKeys: retained, ...fields } = patch;
  if (directive === "delete") return [{ path, change: () => (identity === undefined ? {} : undefined) }];
  if (directive === "replace") return [{ path, change: () => fields }];
  if (directive !== undefined && directive !== "merge")
    throw badRequest(`unknown $patch directive ${JSON.stringify(directive)}: merge, replace and delete are known`);
  const begin = (there: Json | undefined): Json => {
    const kept = Object.entries(object(there)).filter(([key]) => !isList(retained) || retained.includes(key));
    return { ...identity, ...Object.fromEntries(kept) };
  };
  const named = (
    prefix: string,
    change: (value: Json, place: Path, inside: SchemaUse | undefined) => readonly Edit[],
  ): readonly Edit[] =>
    Object.entries(fields).flatMap(([key, value]) => {
      const name = key.slice(prefix.length);
      if (!key.startsWith(prefix) || name.startsWith("$")) return [];
      return change(value ?? null, [...path, `f:${name}`], use === undefined ? undefined : fieldUse(use, name));
    });
  return [
    { path, change: begin },
    ...named("$deleteFromPrimitiveList/", (gone, place) => {
      const items = isList(gone) ? gone : [];
      return items.map((each) => ({ path: [...place, `v:${JSON.stringify(each)}`], change: () => undefined }));
    }),
    ...named("", valueEdits),
    ...named("$setElementOrder/", (order, place, inside) => [
      { path: place, change: (now) => (isList(now) && isList(order) ? ordered(now, order, mergeKeyOf(inside)) : now) },
    ]),
  ];
}

function valueEdits(value: Json, path: Path, use: SchemaUse | undefined): readonly Edit[] {
  if (isObject(value)) return editsOf(value, use, path);
  if (!isList(value)) return [{ path, change: () => value ?? undefined }];
  const isMerged = text(use?.site, "x-kubernetes-patch-strategy").split(",").includes("merge");
  if (use === undefined || !isMerged || value.some((each) => text(each, "$patch") === "replace")) {
    return [{ path, change: () => value.filter((each) => at(each, "$patch") === undefined) }];
  }
  const key = mergeKeyOf(use);
  return value.flatMap((each): readonly Edit[] => {
    if (key === "") return [{ path: [...path, `v:${JSON.stringify(each)}`], change: () => each }];
    const id = at(each, key);
    if (!isObject(each) || id === undefined)
      throw badRequest(`map: ${JSON.stringify(each)} does not contain declared merge key: ${key}`);
    const identity = { [key]: id };
    return editsOf(each, itemUse(use), [...path, `k:${JSON.stringify(identity)}`], identity);
  });
}

function mergeKeyOf(use: SchemaUse | undefined): string {
  return text(use?.site, "x-kubernetes-patch-merge-key");
}

/** Those that the order names stand in it; others stay behind the one that they stood behind. */
function ordered(items: readonly Json[], order: readonly Json[], key: string): Json {
  const idOf = (each: Json): Json | undefined => (key !== "" && isObject(each) ? each[key] : each);
  const place = (each: Json): number => order.findIndex((other) => equal(idOf(other), idOf(each)));
  const named = items.filter((each) => place(each) >= 0).sort((a, b) => place(a) - place(b));
  const places = named.values();
  return items.map((each) => (place(each) < 0 ? each : (places.next().value ?? each)));
}
