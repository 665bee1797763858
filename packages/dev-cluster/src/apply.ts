// Server-side apply in its simple form: what a manager applied before and does not apply now goes, what it applies is set,
// what another manager applied is a conflict. Managers that write in other ways own nothing.
import { timestamp } from "./access.ts";
import type { Resource } from "./api-data.ts";
import { ApiError, badRequest } from "./api-error.ts";
import { at, equal, isList, isObject, type Json, type JsonObject, list, object, put, text, texts } from "./json.ts";
import { fieldUse, isOpen, itemUse, namedSchema, type SchemaUse } from "./schema.ts";

export interface Application {
  readonly resource: Resource;
  /** Empty where there is none yet. */
  readonly current: JsonObject;
  readonly document: JsonObject;
  readonly manager: string;
  /** Takes over what others applied. */
  readonly force: boolean;
  readonly subresource: string;
  readonly time: number;
}

/** Fields as FieldsV1 has them: `f:name`, `k:{"name":"x"}`, `v:"x"`. */
type FieldSet = JsonObject;

export function apply(application: Application): JsonObject {
  const { resource, current, manager, subresource } = application;
  if (manager === "") throw badRequest("fieldManager is required for apply patch");
  const document = withoutManaged(application.document);
  const use = namedSchema(resource.schema);
  const applied = fieldsOf(document, use, true);
  const entries = list(current, "metadata", "managedFields");
  const isOwn = (entry: Json): boolean =>
    text(entry, "manager") === manager && text(entry, "subresource") === subresource;
  const others = entries.filter((entry) => !isOwn(entry));
  if (!application.force) refuseConflicts(application, document, use, others);
  const before = object(entries.find(isOwn), "fieldsV1");
  const released = without(before, applied);
  const kept = others.reduce<FieldSet>((set, entry) => without(set, object(entry, "fieldsV1")), released);
  const pruned = objectOr(remove(current, kept, use));
  const merged = objectOr(merge(pruned, document, use));
  const entry = {
    manager,
    operation: "Apply",
    apiVersion: resource.apiVersion,
    time: timestamp(application.time),
    fieldsType: "FieldsV1",
    fieldsV1: applied,
    ...(subresource === "" ? {} : { subresource }),
  };
  const former = entries.find(isOwn);
  // The same again is no change.
  const own = former !== undefined && equal(object(former, "fieldsV1"), applied) ? former : entry;
  const rest = application.force
    ? others.map((each) =>
        put(object(each), ["fieldsV1"], without(object(each, "fieldsV1"), changed(current, document, use, applied))),
      )
    : others;
  return put(merged, ["metadata", "managedFields"], [own, ...rest]);
}

function withoutManaged(document: JsonObject): JsonObject {
  return put(document, ["metadata", "managedFields"], undefined);
}

function objectOr(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** Keys of the items of a list; undefined where the list is one value. */
function keysOf(use: SchemaUse): readonly string[] | "set" | undefined {
  const type = text(use.site, "x-kubernetes-list-type");
  if (type === "set") return "set";
  return type === "map" ? texts(use.site, "x-kubernetes-list-map-keys") : undefined;
}

function itemKey(item: Json, keys: readonly string[] | "set", use: SchemaUse): string {
  if (keys === "set") return `v:${JSON.stringify(item)}`;
  const properties = object(itemUse(use).schema, "properties");
  const values = keys.map((key): [string, Json] => [key, at(item, key) ?? object(properties, key)["default"] ?? ""]);
  return `k:${JSON.stringify(Object.fromEntries(values))}`;
}

const identity: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata.name", "metadata.namespace"]);

function fieldsOf(value: Json, use: SchemaUse | undefined, isTop: boolean, path = ""): FieldSet {
  if (use === undefined || isOpen(use)) return {};
  if (isObject(value)) {
    if (text(use.site, "x-kubernetes-map-type") === "atomic" || text(use.schema, "x-kubernetes-map-type") === "atomic")
      return {};
    const fields = Object.entries(value).flatMap(([key, field]): [string, FieldSet][] => {
      const place = path === "" ? key : `${path}.${key}`;
      if (field === undefined || field === null || (isTop && identity.has(place))) return [];
      const isMetadata = isTop && key === "metadata";
      const owned = fieldsOf(field, fieldUse(use, key), isMetadata, place);
      // A name alone owns nothing.
      return isMetadata && Object.keys(owned).length === 0 ? [] : [[`f:${key}`, owned]];
    });
    return Object.fromEntries(fields);
  }
  const keys = isList(value) ? keysOf(use) : undefined;
  if (!isList(value) || keys === undefined) return {};
  const items = value.map((item): [string, FieldSet] => {
    return [itemKey(item, keys, use), keys === "set" ? {} : { ".": {}, ...fieldsOf(item, itemUse(use), false) }];
  });
  return Object.fromEntries(items);
}

/** Those of `set` that are not in `other`. */
function without(set: FieldSet, other: FieldSet): FieldSet {
  const left = Object.entries(set).flatMap(([key, inside]): [string, Json][] => {
    if (!(key in other)) return [[key, inside ?? {}]];
    const rest = without(object(inside), object(other, key));
    return Object.keys(rest).length === 0 ? [] : [[key, rest]];
  });
  return Object.fromEntries(left);
}

function remove(value: Json | undefined, set: FieldSet, use: SchemaUse | undefined): Json | undefined {
  if (isObject(value)) {
    let result: JsonObject = value;
    for (const [key, inside] of Object.entries(set)) {
      if (!key.startsWith("f:")) continue;
      const name = key.slice(2);
      const isLeaf = Object.keys(object(inside)).length === 0;
      const field = use === undefined ? undefined : fieldUse(use, name);
      const left = isLeaf ? undefined : remove(result[name], object(inside), field);
      result = put(result, [name], left);
    }
    return result;
  }
  const keys = isList(value) && use !== undefined ? keysOf(use) : undefined;
  if (!isList(value) || keys === undefined || use === undefined) return value;
  return value.flatMap((item) => {
    const inside = set[itemKey(item, keys, use)];
    if (inside === undefined) return [item];
    if (keys === "set" || at(inside, ".") !== undefined) return [];
    return [remove(item, object(inside), itemUse(use)) ?? item];
  });
}

function merge(target: Json | undefined, applied: Json, use: SchemaUse | undefined): Json {
  if (isObject(applied) && use !== undefined && !isOpen(use)) {
    let result: JsonObject = isObject(target) ? target : {};
    for (const [key, value] of Object.entries(applied)) {
      if (value === undefined) continue;
      result = put(result, [key], value === null ? undefined : merge(result[key], value, fieldUse(use, key)));
    }
    return result;
  }
  const keys = isList(applied) && use !== undefined ? keysOf(use) : undefined;
  if (!isList(applied) || keys === undefined || use === undefined) return applied;
  const result = isList(target) ? [...target] : [];
  for (const item of applied) {
    const index = result.findIndex((other) => itemKey(other, keys, use) === itemKey(item, keys, use));
    if (index < 0) result.push(item);
    else if (keys !== "set") result[index] = merge(result[index], item, itemUse(use));
  }
  return result;
}

/** Those applied fields whose value would become another one. */
function changed(current: Json | undefined, document: Json, use: SchemaUse | undefined, set: FieldSet): FieldSet {
  if (Object.keys(set).length === 0) return {};
  const differing = Object.entries(set).flatMap(([key, inside]): [string, Json][] => {
    if (key === ".") return [];
    if (key.startsWith("f:")) {
      const name = key.slice(2);
      const [now, then] = [at(document, name), at(current, name)];
      if (equal(now, then)) return [];
      if (Object.keys(object(inside)).length === 0) return [[key, {}]];
      const rest = changed(then, now ?? null, use === undefined ? undefined : fieldUse(use, name), object(inside));
      return Object.keys(rest).length === 0 ? [] : [[key, rest]];
    }
    const keys = use === undefined ? undefined : keysOf(use);
    if (use === undefined || keys === undefined || !isList(document)) return [];
    const find = (items: Json | undefined): Json | undefined =>
      isList(items) ? items.find((item) => itemKey(item, keys, use) === key) : undefined;
    const rest = changed(find(current), find(document) ?? null, itemUse(use), object(inside));
    return Object.keys(rest).length === 0 ? [] : [[key, rest]];
  });
  return Object.fromEntries(differing);
}

function refuseConflicts(
  { current }: Application,
  document: JsonObject,
  use: SchemaUse,
  others: readonly Json[],
): void {
  const causes = others.flatMap((entry) => {
    const owned = object(entry, "fieldsV1");
    const wanted = fieldsOf(document, use, true);
    const taken = paths(changed(current, document, use, intersection(wanted, owned)), "");
    return taken.map((field) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${JSON.stringify(text(entry, "manager"))}`,
      field,
    }));
  });
  if (causes.length === 0) return;
  const [first] = causes;
  const said =
    causes.length === 1
      ? `1 conflict: ${first?.message}: ${first?.field}`
      : `${causes.length} conflicts: ${causes.map(({ message, field }) => `${message}: ${field}`).join("\n")}`;
  const plural = causes.length === 1 ? "" : "s";
  throw new ApiError(
    409,
    "Conflict",
    `Apply failed with ${said.replace(/^(\d+) conflicts?/, `$1 conflict${plural}`)}`,
    { causes },
  );
}

function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const both = Object.entries(a).flatMap(([key, inside]): [string, Json][] => {
    if (!(key in b)) return [];
    const common = intersection(object(inside), object(b, key));
    const isLeaf = Object.keys(object(inside)).length + Object.keys(object(b, key)).length === 0;
    return isLeaf || Object.keys(common).length > 0 ? [[key, common]] : [];
  });
  return Object.fromEntries(both);
}

function paths(set: FieldSet, prefix: string): readonly string[] {
  return Object.entries(set).flatMap(([key, inside]) => {
    const place = key.startsWith("f:")
      ? `${prefix}.${key.slice(2)}`
      : `${prefix}[${key.slice(2).replaceAll(/[{}]/g, "").replaceAll(":", "=")}]`;
    const deeper = object(inside);
    return Object.keys(deeper).length === 0 ? [place] : paths(deeper, place);
  });
}
