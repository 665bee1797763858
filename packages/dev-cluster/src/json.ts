// JSON values as the API speaks them: immutable, so that one object may be shared by the store, its history and all watchers.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** What JSON text says. Throws a SyntaxError. */
export function parseJson(text: string): Json {
  const value: Json = JSON.parse(text);
  return value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The value at a path of keys; undefined where there is none. */
export function at(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  let here = value;
  for (const key of path) {
    if (!isObject(here) || !Object.hasOwn(here, key)) return undefined;
    here = here[key];
  }
  return here;
}

/** The string at a path; "" where there is none. */
export function text(value: Json | undefined, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : "";
}

/** The number at a path; undefined where there is none. */
export function number(value: Json | undefined, ...path: readonly string[]): number | undefined {
  const found = at(value, ...path);
  return typeof found === "number" ? found : undefined;
}

/** The list at a path; empty where there is none. */
export function list(value: Json | undefined, ...path: readonly string[]): readonly Json[] {
  const found = at(value, ...path);
  return isList(found) ? found : [];
}

/** The strings of the list at a path. */
export function texts(value: Json | undefined, ...path: readonly string[]): readonly string[] {
  return list(value, ...path).filter((each) => typeof each === "string");
}

/** The object at a path; empty where there is none. */
export function object(value: Json | undefined, ...path: readonly string[]): JsonObject {
  const found = at(value, ...path);
  return isObject(found) ? found : {};
}

/** A copy with another value at a path; undefined takes the key away. Objects on the way are made. */
export function put(value: JsonObject, path: readonly string[], replacement: Json | undefined): JsonObject {
  const [key, ...rest] = path;
  if (key === undefined) return isObject(replacement) ? replacement : value;
  if (rest.length > 0) {
    if (replacement === undefined && at(value, key) === undefined) return value;
    return { ...value, [key]: put(object(value, key), rest, replacement) };
  }
  if (replacement !== undefined) return { ...value, [key]: replacement };
  if (!Object.hasOwn(value, key)) return value;
  const { [key]: _, ...others } = value;
  return others;
}

/** A copy with some keys replaced at a path; undefined takes a key away. */
export function merge(value: JsonObject, path: readonly string[], changes: JsonObject): JsonObject {
  let result = value;
  for (const [key, change] of Object.entries(changes)) result = put(result, [...path, key], change);
  return result;
}

/** Equal as JSON; a key without a value is no key. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isList(a) && isList(b)) return a.length === b.length && a.every((each, index) => equal(each, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => equal(at(a, key), at(b, key)));
}
