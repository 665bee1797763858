// Server-side apply in its simple form: what a manager applied before and does not apply now goes, what it applies is set,
// what another manager applied is a conflict. Managers that write in other ways own nothing.
import { timestamp } from "./access.ts";
import type { Resource } from "./api-data.ts";
import { ApiError, badRequest } from "./api-error.ts";
import { at, equal, isList, isObject, type Json, type JsonObject, list, object, put, text, texts } from "./json.ts";
import { edit, find, type Path } from "./places.ts";
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

/** What a document sets. */
interface Setting {
  readonly path: Path;
  readonly value: Json;
  /** False where others may have something within, or beside: an item of a list, an object without fields. */
  readonly isWhole: boolean;
}

export function apply({ resource, current, document, manager, force, subresource, time }: Application): JsonObject {
  if (manager === "") throw badRequest("fieldManager is required for apply patch");
  const use = namedSchema(resource.schema);
  const settings = settingsOf(put(document, ["metadata", "managedFields"], undefined), use, []);
  const applied = settings.map(({ path }) => joined(path)).filter((path) => !identity.has(path));
  const entries = list(current, "metadata", "managedFields");
  const former = entries.find((each) => text(each, "manager") === manager && text(each, "subresource") === subresource);
  const others = entries.filter((each) => each !== former);
  const taken = settings
    .filter(({ path, value, isWhole }) => isWhole && !equal(find(current, path), value))
    .map(({ path }) => joined(path));
  if (!force) refuseConflicts(taken, others);
  const held = new Set([...applied, ...others.flatMap((each) => pathsOf(at(each, "fieldsV1")))].flatMap(placesTo));
  const released = new Set(pathsOf(at(former, "fieldsV1")).filter((path) => !held.has(path)));
  const gone = [...released].filter((path) => placesTo(path).filter((each) => released.has(each)).length === 1);
  const next = edit(current, [
    ...gone
      .map((path) => path.split(separator))
      .filter((path) => find(current, path) !== undefined)
      .map((path) => ({ path, change: () => undefined })),
    ...settings.map(({ path, value, isWhole }) => ({
      path,
      change: (there: Json | undefined) => (isWhole ? value : (there ?? value)),
    })),
  ]);
  const fieldsV1 = fieldsOf(applied);
  const apiVersion = resource.apiVersion;
  const entry = { manager, operation: "Apply", apiVersion, time: timestamp(time), fieldsType: "FieldsV1", fieldsV1 };
  // The same again is no change.
  const isSame = former !== undefined && equal(at(former, "fieldsV1"), fieldsV1);
  const own = isSame ? former : subresource === "" ? entry : { ...entry, subresource };
  const lost = new Set(taken);
  const left = others.map((each) => {
    const kept = pathsOf(at(each, "fieldsV1")).filter((path) => !lost.has(path));
    return put(object(each), ["fieldsV1"], fieldsOf(kept));
  });
  return put(object(next), ["metadata", "managedFields"], [own, ...left]);
}

const separator = "\n";
const joined = (path: Path): string => path.join(separator);

/** All on the way to a path, and the path. */
function placesTo(path: string): readonly string[] {
  const names = path.split(separator);
  return names.map((_, index) => joined(names.slice(0, index + 1)));
}

/** Nobody owns them. */
const identity: ReadonlySet<string> = new Set([
  "f:apiVersion",
  "f:kind",
  "f:metadata",
  ...["name", "namespace"].map((field) => joined(["f:metadata", `f:${field}`])),
]);

function settingsOf(value: Json, use: SchemaUse | undefined, path: Path): readonly Setting[] {
  if (value === null) return [];
  const whole = [{ path, value, isWhole: true }];
  if (use === undefined || isOpen(use)) return whole;
  const has = (extension: string, wanted: string): boolean =>
    [use.site, use.schema].some((each) => text(each, `x-kubernetes-${extension}-type`) === wanted);
  if (isObject(value) && !has("map", "atomic")) {
    const fields = Object.entries(value).flatMap(([name, field]) =>
      settingsOf(field ?? null, fieldUse(use, name), [...path, `f:${name}`]),
    );
    return fields.length > 0 ? fields : [{ path, value: {}, isWhole: false }];
  }
  if (!isList(value) || !(has("list", "map") || has("list", "set"))) return whole;
  const items = value.flatMap((item): readonly Setting[] => {
    if (has("list", "set")) return [{ path: [...path, `v:${JSON.stringify(item)}`], value: item, isWhole: false }];
    const keys = keysOf(item, use);
    const place = [...path, `k:${JSON.stringify(keys)}`];
    return [{ path: place, value: keys, isWhole: false }, ...settingsOf(item, itemUse(use), place)];
  });
  return items.length > 0 ? items : [{ path, value: [], isWhole: false }];
}

/** What tells an item of a list from the others. */
function keysOf(item: Json, use: SchemaUse): JsonObject {
  const properties = object(itemUse(use).schema, "properties");
  const names = texts(use.site, "x-kubernetes-list-map-keys");
  return Object.fromEntries(names.map((name) => [name, at(item, name) ?? at(properties, name, "default") ?? ""]));
}

/** The paths that a set has. */
function pathsOf(fields: Json | undefined, path: Path = []): readonly string[] {
  const inside = Object.entries(object(fields));
  if (inside.length === 0) return path.length === 0 ? [] : [joined(path)];
  return inside.flatMap(([name, deeper]) => (name === "." ? [joined(path)] : pathsOf(deeper, [...path, name])));
}

/** The set that has these paths. */
function fieldsOf(paths: readonly string[]): JsonObject {
  const edits = paths.map((path) => {
    const names = path.split(separator);
    const place = names.at(-1)?.startsWith("k:") ? [...names, "."] : names;
    return { path: place.map((name) => `f:${name}`), change: (there: Json | undefined) => there ?? {} };
  });
  return object(edit({}, edits));
}

function refuseConflicts(taken: readonly string[], others: readonly Json[]): void {
  const causes = others.flatMap((entry) => {
    const owned = new Set(pathsOf(at(entry, "fieldsV1")));
    const message = `conflict with ${JSON.stringify(text(entry, "manager"))}`;
    const shared = taken.filter((path) => owned.has(path));
    return shared.map((path) => ({ reason: "FieldManagerConflict", message, field: shown(path) }));
  });
  if (causes.length === 0) return;
  const said = causes.map(({ message, field }) => `${message}: ${field}`);
  const title = causes.length === 1 ? "1 conflict" : `${causes.length} conflicts`;
  throw new ApiError(409, "Conflict", `Apply failed with ${title}: ${said.join("\n")}`, { causes });
}

/** `.spec.containers[name="x"].image` */
function shown(path: string): string {
  const names = path.split(separator).map((name) => {
    if (name.startsWith("f:")) return `.${name.slice(2)}`;
    return `[${name.slice(2).replaceAll(/[{}]/g, "").replaceAll(":", "=")}]`;
  });
  return names.join("");
}
