// JSON patch (RFC 6902) and JSON merge patch (RFC 7396).
import { ApiError, badRequest } from "./api-error.ts";
import { at, equal, isList, isObject, type Json, type JsonObject, put, text } from "./json.ts";

export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json | undefined> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** Throws BadRequest for what is no JSON patch, 422 for one that does not fit. */
export function jsonPatch(target: JsonObject, patch: Json): JsonObject {
  if (!isList(patch))
    throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  const document = patch.reduce<Json>(apply, target);
  return isObject(document) ? document : {};
}

function apply(document: Json, operation: Json): Json {
  const path = pointer(text(operation, "path"));
  const from = pointer(text(operation, "from"));
  const value = at(operation, "value") ?? null;
  switch (text(operation, "op")) {
    case "add":
      return edit(document, path, value, true);
    case "replace":
      return edit(document, path, value, false);
    case "remove":
      return edit(document, path, undefined, false);
    case "copy":
      return edit(document, path, find(document, from), true);
    case "move":
      return edit(edit(document, from, undefined, false), path, find(document, from), true);
    case "test":
      if (equal(find(document, path), value)) return document;
      throw unfit(`testing value ${text(operation, "path")} failed: test failed`);
    default:
      throw badRequest(`Unexpected kind: ${text(operation, "op")}`);
  }
}

function pointer(path: string): readonly string[] {
  const parts = path.split("/").slice(1);
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function unfit(why: string): ApiError {
  return new ApiError(422, "Invalid", `the server rejected our request due to an error in our request: ${why}`, {});
}

function find(document: Json, path: readonly string[]): Json {
  const found = path.reduce<Json | undefined>(
    (here, key) => (isList(here) ? here[Number(key)] : at(here, key)),
    document,
  );
  if (found === undefined) throw unfit(`missing path /${path.join("/")}`);
  return found;
}

/** A copy with another value at a path, in the place of one that is there or added; undefined takes it away. */
function edit(document: Json, path: readonly string[], value: Json | undefined, isAdded: boolean): Json {
  const [key, ...rest] = path;
  if (key === undefined) return value ?? {};
  const isNew = isAdded && rest.length === 0;
  if (isList(document)) {
    const index = key === "-" ? document.length : Number(key);
    if (!Number.isInteger(index) || index < 0 || index > document.length - (isNew ? 0 : 1))
      throw unfit(`invalid index /${path.join("/")}`);
    const inside = rest.length > 0 ? edit(document[index] ?? null, rest, value, isAdded) : value;
    return document.toSpliced(index, isNew ? 0 : 1, ...(inside === undefined ? [] : [inside]));
  }
  const there = at(document, key);
  if (!isObject(document) || (there === undefined && !isNew)) throw unfit(`missing path /${path.join("/")}`);
  return put(document, [key], rest.length > 0 ? edit(there ?? null, rest, value, isAdded) : value);
}
