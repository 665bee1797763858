// Checks what passes on the wire against the vendor's models: types, required fields, fields that nobody knows or may write, values
// of enumerations.
import {
  addedFields,
  addedModels,
  knownValues,
  type ModelProperty,
  type ModelType,
  sdkModels,
  wholeNumbers,
} from "./known-models.ts";

export const apiVersions = ["2023-05-01", "2025-09-01"] as const;
export type ApiVersion = (typeof apiVersions)[number];

export interface CheckedAs {
  /** Class name of the SDK, e.g. "ContainerGroup". */
  readonly model: string;
  readonly version: ApiVersion;
  /** Nobody writes fields that are the cloud's own. */
  readonly direction: "request" | "answer";
}

/** What is wrong, each with its path; empty: nothing. */
export function modelFaults(value: unknown, as: CheckedAs): readonly string[] {
  const faults: string[] = [];
  checkType(value, { name: "Composite", className: as.model }, "", "", { as, fault: (text) => faults.push(text) });
  return faults;
}

interface Check {
  readonly as: CheckedAs;
  fault(text: string): void;
}

/** A model's fields as a tree: names with dots lead into objects that have no model of their own. */
interface Field {
  readonly children: Map<string, Field>;
  property?: ModelProperty;
}

function checkType(value: unknown, type: ModelType, path: string, field: string, check: Check): void {
  const expected = mismatch(value, type, path, field, check);
  if (expected !== undefined) check.fault(`${path || "(whole)"}: is ${kindOf(value)}, not ${expected}`);
}

/** What it should be and is not; what is wrong inside of it is told. */
function mismatch(value: unknown, type: ModelType, path: string, field: string, check: Check): string | undefined {
  switch (type.name) {
    case "Composite":
      if (!isObject(value)) return type.className;
      checkModel(value, type.className ?? "", path, check);
      return undefined;
    case "Sequence":
      if (!Array.isArray(value)) return "a list";
      for (const [index, each] of value.entries())
        if (type.element !== undefined) checkType(each, type.element.type, `${path}[${index}]`, field, check);
      return undefined;
    case "Dictionary":
      if (!isObject(value)) return "an object";
      for (const [key, each] of Object.entries(value))
        if (type.value !== undefined) checkType(each, type.value.type, `${path}[${key}]`, "", check);
      return undefined;
    case "Number":
      if (typeof value !== "number" || !Number.isFinite(value)) return "a number";
      if (wholeNumbers.has(field) && !Number.isInteger(value)) check.fault(`${path}: ${value} is not a whole number`);
      return undefined;
    case "Boolean":
      return typeof value === "boolean" ? undefined : "true or false";
    case "DateTime":
      return isTime(value) ? undefined : "a time";
    case "any":
      return undefined;
    default:
      if (typeof value !== "string") return "a text";
      checkValues(value, type, path, field, check);
      return undefined;
  }
}

function checkValues(value: string, type: ModelType, path: string, field: string, check: Check): void {
  const known = type.allowedValues ?? knownValues[field];
  const isNew = field === "ContainerGroup.properties.sku" && value === "NotSpecified";
  if (known === undefined || known.includes(value) || (isNew && check.as.version === "2025-09-01")) return;
  check.fault(`${path}: ${value} is none of ${known.join(", ")}`);
}

function checkModel(value: Readonly<Record<string, unknown>>, className: string, path: string, check: Check): void {
  const added = check.as.version === "2025-09-01";
  const model = sdkModels.get(className) ?? (added ? addedModels.get(className) : undefined);
  if (model?.modelProperties === undefined) throw new Error(`the SDK has no model ${className}`);
  const fields = [...Object.values(model.modelProperties), ...(added ? (addedFields[className] ?? []) : [])];
  checkFields(value, treeOf(fields), className, path, check);
}

function checkFields(
  value: Readonly<Record<string, unknown>>,
  tree: Field,
  name: string,
  path: string,
  check: Check,
): void {
  for (const key of Object.keys(value))
    if (!tree.children.has(key)) check.fault(`${at(path, key)}: no field of ${name} in ${check.as.version}`);
  for (const [key, { property, children }] of tree.children) {
    const each = value[key];
    const where = at(path, key);
    if (property === undefined) {
      const isNeeded = requiredIn(children, check, name);
      if (each === undefined && !isNeeded) continue;
      if (!isObject(each)) check.fault(`${where}: ${each === undefined ? "is missing" : "must be an object"}`);
      else checkFields(each, { children }, `${name}.${key}`, where, check);
    } else if (each === undefined) {
      if (isRequired(property, check, name)) check.fault(`${where}: is missing`);
    } else if (property.readOnly === true && check.as.direction === "request") {
      check.fault(`${where}: only the cloud writes it`);
    } else checkType(each, property.type, where, `${name}.${key}`, check);
  }
}

/** 2025-09-01 lets these be told by a profile. */
const noMoreRequired: ReadonlySet<string> = new Set([
  "Container.properties.image",
  "Container.properties.resources",
  "ContainerGroup.properties.osType",
]);

function isRequired(property: ModelProperty, check: Check, name: string): boolean {
  if (property.required !== true) return false;
  const field = property.serializedName.split(".").at(-1) ?? "";
  if (check.as.version === "2025-09-01" && noMoreRequired.has(`${name}.${field}`)) return false;
  // Secrets are asked for and never told.
  return !(check.as.direction === "answer" && `${name}.${field}` === "LogAnalytics.workspaceKey");
}

function requiredIn(children: ReadonlyMap<string, Field>, check: Check, name: string): boolean {
  return [...children.values()].some(
    (child) => child.property !== undefined && isRequired(child.property, check, `${name}.properties`),
  );
}

function treeOf(properties: readonly ModelProperty[]): Field {
  const root: Field = { children: new Map() };
  for (const property of properties) {
    let at = root;
    for (const name of property.serializedName.split(".")) {
      const next: Field = at.children.get(name) ?? { children: new Map() };
      at.children.set(name, next);
      at = next;
    }
    at.property = property;
  }
  return root;
}

const at = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTime = (value: unknown): boolean =>
  typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value);

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : typeof value;
}
