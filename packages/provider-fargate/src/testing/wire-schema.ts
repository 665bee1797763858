// Requests and answers against the shapes that the AWS SDK itself is made from: types, required members, members that there are
// not, values of enumerations. JSON in, values as the SDK has them out, and back.
import { NormalizedSchema } from "@smithy/core/schema";
import { enumerationOf } from "./wire-enums.ts";

/** Anything that NormalizedSchema.of takes. */
export type ShapeRef = Parameters<typeof NormalizedSchema.of>[0];

/** Where JSON has numbers of seconds and base64, the SDK has Date and Uint8Array. */
export type Direction = "fromWire" | "toWire";

export interface Converted {
  readonly value: unknown;
  /** `overrides.containerOverrides[0].cpu: "1" is no number`. */
  readonly faults: readonly string[];
}

export function convert(shape: ShapeRef, value: unknown, direction: Direction): Converted {
  const faults: string[] = [];
  const converted = walk(NormalizedSchema.of(shape), value, { path: "", direction, faults });
  return { value: converted, faults };
}

interface Walk {
  readonly path: string;
  readonly direction: Direction;
  readonly faults: string[];
}

const below = (at: Walk, step: string): Walk => ({
  ...at,
  path: step.startsWith("[") || at.path === "" ? `${at.path}${step}` : `${at.path}.${step}`,
});

function walk(schema: NormalizedSchema, value: unknown, at: Walk): unknown {
  const wrong = (expected: string): undefined => {
    at.faults.push(`${at.path || "the request"}: ${shown(value)} is no ${expected}`);
    return undefined;
  };
  if (schema.isStructSchema()) return isObject(value) ? structure(schema, value, at) : wrong("object");
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) return wrong("list");
    return value.map((item: unknown, index) => walk(schema.getValueSchema(), item, below(at, `[${index}]`)));
  }
  if (schema.isMapSchema()) {
    if (!isObject(value)) return wrong("map");
    const entry = ([key, item]: [string, unknown]): [string, unknown] => [
      key,
      walk(schema.getValueSchema(), item, below(at, key)),
    ];
    return Object.fromEntries(Object.entries(value).map(entry));
  }
  if (schema.isTimestampSchema()) return timestamp(value, at) ?? wrong("time");
  if (schema.isBlobSchema()) return blob(value, at) ?? wrong("blob");
  if (schema.isBooleanSchema()) return typeof value === "boolean" ? value : wrong("boolean");
  if (schema.isNumericSchema()) return typeof value === "number" && Number.isFinite(value) ? value : wrong("number");
  if (schema.isStringSchema()) return typeof value === "string" ? value : wrong("string");
  return value;
}

function structure(schema: NormalizedSchema, value: object, at: Walk): unknown {
  const members = new Map(schema.structIterator());
  const required = requiredOf(schema, [...members.keys()]);
  const result: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    const member = members.get(name);
    const place = below(at, name);
    if (item === undefined || (item === null && at.direction === "toWire")) continue;
    if (member === undefined) at.faults.push(`${place.path}: ${schema.getName()} has no such member`);
    else {
      result[name] = walk(member, item, place);
      checkEnumeration(schema.getName() ?? "", name, item, place);
    }
  }
  for (const name of required)
    if (result[name] === undefined && !at.faults.some((fault) => fault.startsWith(`${below(at, name).path}:`)))
      at.faults.push(`${below(at, name).path}: is required`);
  return result;
}

/** Required members come first; the shape says how many there are. */
function requiredOf(schema: NormalizedSchema, names: readonly string[]): readonly string[] {
  const shape: unknown = schema.getSchema();
  const count: unknown = Array.isArray(shape) ? shape[6] : undefined;
  return typeof count === "number" ? names.slice(0, count) : [];
}

function checkEnumeration(structureName: string, member: string, value: unknown, at: Walk): void {
  const allowed = enumerationOf(structureName, member);
  if (allowed === undefined) return;
  for (const each of Array.isArray(value) ? value : [value])
    if (typeof each === "string" && !allowed.includes(each))
      at.faults.push(`${at.path}: "${each}" is none of ${allowed.join(", ")}`);
}

function timestamp(value: unknown, { direction }: Walk): unknown {
  if (direction === "fromWire") return typeof value === "number" ? new Date(value * 1000) : undefined;
  return value instanceof Date ? value.getTime() / 1000 : undefined;
}

function blob(value: unknown, { direction }: Walk): unknown {
  if (direction === "fromWire")
    return typeof value === "string" ? Uint8Array.from(Buffer.from(value, "base64")) : undefined;
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value)).slice(0, 60);
}
