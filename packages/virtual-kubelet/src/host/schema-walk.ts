// Reads a valibot schema as data: its fields with their texts, and the keys of a value that it does not know.
import * as v from "valibot";
import { hint } from "./closest.ts";
import { shown } from "./config-words.ts";

export type Path = readonly (string | number)[];

export interface SchemaFault {
  readonly path: Path;
  readonly message: string;
}

interface Described {
  readonly schema: unknown;
  readonly description: string | undefined;
  readonly duration: boolean;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Takes the wrappers (optional, pipe) off, collecting what their metadata says; the outermost description counts. */
function unwrap(schema: unknown, description?: string, duration = false): Described {
  if (!isRecord(schema)) return { schema, description, duration };
  if (!Array.isArray(schema["pipe"])) {
    return schema["wrapped"] === undefined
      ? { schema, description, duration }
      : unwrap(schema["wrapped"], description, duration);
  }
  const [first, ...actions]: readonly unknown[] = schema["pipe"];
  let text = description;
  let isDuration = duration;
  for (const action of actions) {
    if (!isRecord(action)) continue;
    if (action["type"] === "description" && typeof action["description"] === "string") text ??= action["description"];
    if (action["type"] === "metadata" && isRecord(action["metadata"]))
      isDuration ||= action["metadata"]["duration"] === true;
  }
  return unwrap(first, text, isDuration);
}

function entriesOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  const isObject = isRecord(schema) && (schema["type"] === "object" || schema["type"] === "strict_object");
  return isObject && isRecord(schema["entries"]) ? schema["entries"] : undefined;
}
function itemOf(schema: unknown): unknown {
  return isRecord(schema) && schema["type"] === "array" ? schema["item"] : undefined;
}

/** Of a map, what each of its values is. */
function mapValueOf(schema: unknown): unknown {
  return isRecord(schema) && schema["type"] === "record" ? schema["value"] : undefined;
}

/** Every key of `value` that no object of the schema names, with the key that may have been meant; and lists in place of maps. */
export function unknownKeys(schema: unknown, value: unknown, path: Path = []): SchemaFault[] {
  const bare = unwrap(schema).schema;
  const entries = entriesOf(bare);
  // valibot takes a list for an object without entries.
  const mapMeant = entries !== undefined || (isRecord(bare) && bare["type"] === "record");
  if (mapMeant && Array.isArray(value)) return [{ path, message: `${shown(value)} must be a map` }];
  if (entries !== undefined && isRecord(value)) {
    const known = Object.keys(entries);
    let isListed = false;
    return Object.entries(value).flatMap(([key, inner]) => {
      const at = [...path, key];
      if (Object.hasOwn(entries, key)) return unknownKeys(entries[key], inner, at);
      const meant = hint(key, known);
      // Once for all of a map: the list may be long.
      const listed = meant !== "" || isListed ? meant : `; known here: ${known.join(", ")}`;
      isListed ||= meant === "";
      return [{ path: at, message: `unknown setting${listed}` }];
    });
  }
  const each = mapValueOf(bare);
  if (each !== undefined && isRecord(value))
    return Object.entries(value).flatMap(([key, inner]) => unknownKeys(each, inner, [...path, key]));
  const item = itemOf(bare);
  if (item !== undefined && Array.isArray(value)) {
    return value.flatMap((inner: unknown, index) => unknownKeys(item, inner, [...path, index]));
  }
  return [];
}

export interface Field {
  /** Lists show as `nodes[]`, maps of sections as `prices.<name>`. */
  readonly path: string;
  readonly description: string;
  readonly duration: boolean;
  /** Has fields of its own. */
  readonly section: boolean;
}

/** Every setting of a schema, parents before children. */
export function fieldsOf(schema: unknown, prefix = ""): Field[] {
  const bare = unwrap(schema).schema;
  const entries = entriesOf(bare);
  if (entries === undefined) return [];
  return Object.entries(entries).flatMap(([key, inner]) => {
    const { schema: field, description, duration } = unwrap(inner);
    const item = itemOf(field);
    const path = `${prefix}${key}${item === undefined ? "" : "[]"}`;
    const each = mapValueOf(field);
    const nested = each === undefined ? fieldsOf(item ?? field, `${path}.`) : fieldsOf(each, `${path}.<name>.`);
    if (description === undefined) return nested;
    return [{ path, description, duration, section: nested.length > 0 }, ...nested];
  });
}

/** A valibot issue as ours: the value at fault, then what it must be. */
export function issueFault(issue: v.BaseIssue<unknown>): SchemaFault {
  const path: (string | number)[] = [];
  for (const { key } of issue.path ?? []) path.push(typeof key === "number" ? key : String(key));
  if (issue.input === undefined) return { path, message: "missing" };
  const options =
    issue.kind === "schema" && issue.type === "picklist" ? issue.message.replace(/^.*? of /, "").split(", ") : [];
  const meant = typeof issue.input === "string" ? hint(issue.input, options) : "";
  return { path, message: `${shown(issue.input)} ${issue.message}${meant}` };
}

/** The output with the parts at fault left out, so that one slip does not hide or feign others; and the faults. */
export function parseLeniently<T>(
  schema: v.GenericSchema<unknown, T>,
  input: unknown,
): { readonly output: T | undefined; readonly faults: readonly SchemaFault[] } {
  const first = v.safeParse(schema, input);
  if (first.success) return { output: first.output, faults: [] };
  const faults = first.issues.map(issueFault);
  const left: unknown = structuredClone(input);
  let result: v.SafeParseResult<typeof schema> = first;
  for (let round = 0; round < 10 && !result.success; round++) {
    for (const issue of result.issues.toReversed()) {
      const path = (issue.path ?? []).map(({ key }) => key);
      // What is missing cannot be taken out: what lacks it can.
      remove(left, issue.input === undefined ? path.slice(0, -1) : path);
    }
    result = v.safeParse(schema, left);
  }
  return { output: result.success ? result.output : undefined, faults };
}

function remove(tree: unknown, path: readonly unknown[]): void {
  let at = tree;
  for (const key of path.slice(0, -1)) {
    at = typeof at === "object" && at !== null ? Reflect.get(at, String(key)) : undefined;
  }
  const last = path.at(-1);
  if (Array.isArray(at) && typeof last === "number") at.splice(last, 1);
  else if (typeof at === "object" && at !== null && last !== undefined) Reflect.deleteProperty(at, String(last));
}
