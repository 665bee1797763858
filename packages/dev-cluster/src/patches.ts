// JSON patch (RFC 6902) and JSON merge patch (RFC 7396).
import { ApiError, badRequest } from "./api-error.ts";
import { at, equal, isList, isObject, type Json, type JsonObject, text } from "./json.ts";
import { edit, find, type Path } from "./places.ts";

export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const edits = Object.entries(patch).map(([key, value]) => ({
    path: [`f:${key}`],
    change: (there: Json | undefined) => (value === null || value === undefined ? undefined : mergePatch(there, value)),
  }));
  return edit(isObject(target) ? target : {}, edits) ?? {};
}

/** A document that is copied into itself doubles each time. */
const copyLimit = 3 * 2 ** 20;

/** Throws BadRequest for what is no JSON patch, 422 for one that does not fit. */
export function jsonPatch(target: JsonObject, patch: Json): JsonObject {
  if (!isList(patch))
    throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  let copied = 0;
  const document = patch.reduce<Json>((now, operation) => {
    if (text(operation, "op") === "copy") copied += JSON.stringify(placeOf(now, text(operation, "from")).value).length;
    if (copied > copyLimit) throw unfit(`copies of more than ${copyLimit} bytes`);
    return apply(now, operation);
  }, target);
  return isObject(document) ? document : {};
}

function apply(document: Json, operation: Json): Json {
  const [path, from] = [text(operation, "path"), text(operation, "from")];
  const value = at(operation, "value") ?? null;
  switch (text(operation, "op")) {
    case "add":
      return added(document, path, value);
    case "replace":
      return replaced(document, path, value);
    case "remove":
      return replaced(document, path, undefined);
    case "copy":
      return added(document, path, placeOf(document, from).value);
    case "move":
      return added(replaced(document, from, undefined), path, placeOf(document, from).value);
    case "test":
      if (equal(placeOf(document, path).value, value)) return document;
      throw unfit(`testing value ${path} failed: test failed`);
    default:
      throw badRequest(`Unexpected kind: ${text(operation, "op")}`);
  }
}

function unfit(why: string): ApiError {
  return new ApiError(422, "Invalid", `the server rejected our request due to an error in our request: ${why}`, {});
}

/** What a JSON pointer points to. Throws 422 where there is nothing. */
function placeOf(document: Json, pointer: string): { readonly path: Path; readonly value: Json } {
  if (pointer !== "" && !pointer.startsWith("/")) throw unfit(`missing path ${pointer}`);
  let value: Json | undefined = document;
  const path = pointer
    .split("/")
    .slice(1)
    .map((part) => {
      const name = isList(value) ? `#${numberOf(part)}` : `f:${unescaped(part)}`;
      value = find(value, [name]);
      return name;
    });
  if (value === undefined) throw unfit(`missing path ${pointer}`);
  return { path, value };
}

/** undefined takes it away. */
function replaced(document: Json, pointer: string, value: Json | undefined): Json {
  return edit(document, [{ path: placeOf(document, pointer).path, change: () => value }]) ?? {};
}

function added(document: Json, pointer: string, value: Json): Json {
  if (pointer === "") return value;
  const parent = pointer.slice(0, pointer.lastIndexOf("/"));
  const last = pointer.slice(parent.length + 1);
  const { path, value: within } = placeOf(document, parent);
  if (isObject(within)) return edit(document, [{ path: [...path, `f:${unescaped(last)}`], change: () => value }]) ?? {};
  if (!isList(within)) throw unfit(`missing path ${pointer}`);
  const index = last === "-" ? within.length : numberOf(last);
  if (!(index <= within.length)) throw unfit(`invalid index ${pointer}`);
  return edit(document, [{ path, change: () => within.toSpliced(index, 0, value) }]) ?? {};
}

/** NaN for what is no index. */
function numberOf(part: string): number {
  return /^\d+$/.test(part) ? Number(part) : Number.NaN;
}

function unescaped(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}
