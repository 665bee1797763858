// Checks parameters and answers against the models of the vendor's SDK: names that nobody knows, values of other types.
import { type FieldType, type SdkModel, sdkModel } from "./sdk-models.ts";

export interface Checked {
  /** With numbers and booleans where parameters have texts of them. */
  readonly value: unknown;
  /** What is wrong, each with its path; empty: nothing. */
  readonly faults: readonly string[];
}

/** Of a request: all values are texts, as on the wire. Pure. `model`: "CreateContainerGroupRequest". */
export function checkedParameters(value: unknown, model: string): Checked {
  const faults: string[] = [];
  return { value: convert(value, typeOf(model), "", { faults, texts: true }), faults };
}

/** Of an answer: values are JSON's own. Pure. */
export function answerFaults(value: unknown, model: string): readonly string[] {
  const faults: string[] = [];
  convert(value, typeOf(model), "", { faults, texts: false });
  return faults;
}

interface Check {
  readonly faults: string[];
  readonly texts: boolean;
}

function typeOf(name: string): FieldType {
  const model = sdkModel(name);
  if (model === undefined) throw new Error(`the SDK has no model ${name}`);
  return { kind: "model", model };
}

function convert(value: unknown, type: FieldType, path: string, check: Check): unknown {
  const wrong = (what: string): undefined => {
    check.faults.push(`${path || "(whole)"}: ${shortly(value)} is not ${what}`);
    return undefined;
  };
  switch (type.kind) {
    case "any":
      return value;
    case "string":
      return typeof value === "string" ? value : wrong("a text");
    case "number":
      return numberOf(value, check) ?? wrong("a number");
    case "boolean":
      return booleanOf(value, check) ?? wrong("true or false");
    case "list":
      if (!Array.isArray(value)) return wrong("a list");
      return value.map((each: unknown, index) => convert(each, type.item, `${path}.${index + 1}`, check));
    case "model":
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong("an object");
      return object(value, type.model, path, check);
  }
}

function object(value: object, { name, fields }: SdkModel, path: string, check: Check): unknown {
  const entries = Object.entries(value).flatMap(([key, each]: [string, unknown]) => {
    const type = fields.get(key);
    const place = path === "" ? key : `${path}.${key}`;
    if (type === undefined) {
      check.faults.push(`${place}: ${name} has no ${key}`);
      return [];
    }
    if (each === undefined) return [];
    return [[key, convert(each, type, place, check)] as const];
  });
  return Object.fromEntries(entries);
}

function numberOf(value: unknown, { texts }: Check): number | undefined {
  if (!texts) return typeof value === "number" && Number.isFinite(value) ? value : undefined;
  return typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}

function booleanOf(value: unknown, { texts }: Check): boolean | undefined {
  if (!texts) return typeof value === "boolean" ? value : undefined;
  // The SDK for Python writes them with a capital.
  if (value === "true" || value === "True") return true;
  return value === "false" || value === "False" ? false : undefined;
}

/** Values may be secrets. */
function shortly(value: unknown): string {
  if (typeof value === "string") return value.length > 20 ? `a text of ${value.length} characters` : `"${value}"`;
  return Array.isArray(value) ? "a list" : typeof value;
}
