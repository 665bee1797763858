// JSON patch (RFC 6902) and JSON merge patch (RFC 7396).
import { ApiError, badRequest } from "./api-error.ts";
import { equal, isList, isObject, type Json, type JsonObject, list, text } from "./json.ts";

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
  if (patch.length > 10_000) {
    throw new ApiError(
      413,
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is 10000, got ${patch.length}`,
    );
  }
  let document: Json = target;
  for (const operation of patch) document = apply(document, operation);
  return isObject(document) ? document : {};
}

function apply(document: Json, operation: Json): Json {
  const path = pointer(text(operation, "path"));
  const from = pointer(text(operation, "from"));
  const value = isObject(operation) ? (operation["value"] ?? null) : null;
  switch (text(operation, "op")) {
    case "add":
      return edit(document, path, () => value, "add");
    case "replace":
      return edit(document, path, () => value, "replace");
    case "remove":
      return edit(document, path, () => undefined, "remove");
    case "copy":
      return edit(document, path, () => find(document, from), "add");
    case "move": {
      const moved = find(document, from);
      return edit(
        edit(document, from, () => undefined, "remove"),
        path,
        () => moved,
        "add",
      );
    }
    case "test":
      if (equal(find(document, path), value)) return document;
      throw unfit(`testing value ${text(operation, "path")} failed: test failed`);
    default:
      throw badRequest(`Unexpected kind: ${text(operation, "op")}`);
  }
}

function pointer(path: string): readonly string[] {
  return path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function unfit(why: string): ApiError {
  return new ApiError(422, "Invalid", `the server rejected our request due to an error in our request: ${why}`, {});
}

function find(document: Json, path: readonly string[]): Json {
  let here: Json | undefined = document;
  for (const key of path) {
    if (isList(here)) here = here[Number(key)];
    else here = isObject(here) && Object.hasOwn(here, key) ? here[key] : undefined;
  }
  if (here === undefined) throw unfit(`missing path /${path.join("/")}`);
  return here;
}

function edit(
  document: Json,
  path: readonly string[],
  change: () => Json | undefined,
  how: "add" | "replace" | "remove",
): Json {
  const [key, ...rest] = path;
  if (key === undefined) return change() ?? {};
  if (isList(document)) {
    const index = key === "-" ? document.length : Number(key);
    const last = how === "add" && rest.length === 0 ? document.length : document.length - 1;
    if (!Number.isInteger(index) || index < 0 || index > last) throw unfit(`invalid index /${path.join("/")}`);
    if (rest.length > 0) return document.with(index, edit(document[index] ?? null, rest, change, how));
    const value = change();
    if (how === "add") return document.toSpliced(index, 0, value ?? null);
    return value === undefined ? document.toSpliced(index, 1) : document.with(index, value);
  }
  if (!isObject(document)) throw unfit(`missing path /${path.join("/")}`);
  const there = Object.hasOwn(document, key) ? document[key] : undefined;
  if (there === undefined && (rest.length > 0 || how !== "add")) throw unfit(`missing path /${path.join("/")}`);
  const value = rest.length > 0 ? edit(there ?? null, rest, change, how) : change();
  const { [key]: _, ...others } = document;
  return value === undefined ? others : { ...document, [key]: value };
}

/** The items of a list patch by directive, for strategic merges. */
export function directives(patch: JsonObject, prefix: string): ReadonlyMap<string, readonly Json[]> {
  const found = new Map<string, readonly Json[]>();
  for (const key of Object.keys(patch)) {
    if (key.startsWith(prefix)) found.set(key.slice(prefix.length), list(patch, key));
  }
  return found;
}
