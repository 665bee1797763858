// Documents against their schemas: what does not belong there goes, what has the wrong form is refused, defaults are filled in.
import { apiData } from "./api-data.ts";
import { type ApiError, badRequest, type Cause, requiredValue, unsupportedValue } from "./api-error.ts";
import { withDefaults } from "./defaults.ts";
import { at, isList, isObject, type Json, type JsonObject, list, object, text, texts } from "./json.ts";
import { canonicalQuantity } from "./quantity.ts";

const prefix = "#/components/schemas/";
const quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";

export interface SchemaUse {
  /** The name, where the schema has one. */
  readonly name: string;
  readonly schema: JsonObject;
  /** Where it is used: has the strategies of lists. */
  readonly site: JsonObject;
}

export function namedSchema(name: string): SchemaUse {
  const schema = object(apiData().schemas, name);
  return { name, schema, site: schema };
}

/** Follows references. */
function useOf(site: Json | undefined): SchemaUse {
  const [wrapped] = list(site, "allOf");
  const reference = text(site, "$ref") || text(wrapped, "$ref");
  if (!reference.startsWith(prefix)) return { name: "", schema: object(site), site: object(site) };
  const name = reference.slice(prefix.length);
  return { name, schema: object(apiData().schemas, name), site: object(site) };
}

/** The schema of a field; undefined where the schema knows no such field. */
export function fieldUse(use: SchemaUse, field: string): SchemaUse | undefined {
  const property = at(use.schema, "properties", field);
  if (property !== undefined) return useOf(property);
  const others = use.schema["additionalProperties"];
  return isObject(others) ? useOf(others) : undefined;
}

export function itemUse(use: SchemaUse): SchemaUse {
  return useOf(use.schema["items"]);
}

/** True where anything may stand. */
export function isOpen({ name, schema }: SchemaUse): boolean {
  if (schema["type"] === undefined && schema["oneOf"] === undefined) return true;
  if (name.endsWith(".FieldsV1") || name.endsWith(".RawExtension")) return true;
  return schema["type"] === "object" && schema["properties"] === undefined && !isObject(schema["additionalProperties"]);
}

export interface Conformed {
  readonly value: JsonObject;
  /** Paths of fields that the schema does not have. */
  readonly unknown: readonly string[];
  readonly causes: readonly Cause[];
}

/**
 * The document as its schema has it: unknown fields and nulls gone, quantities in their canonical form, defaults filled in.
 * Throws BadRequest where a value has the wrong type. `kind` is for messages.
 */
export function conform(document: JsonObject, name: string, kind: string, apiVersion: string): Conformed {
  const walk = new Walk(kind, apiVersion);
  const value = walk.value(document, namedSchema(name), "");
  return { value: isObject(value) ? value : {}, unknown: walk.unknown, causes: walk.causes };
}

/** `found`: the kind that the document has. */
export function undecodable(kind: string, version: string, why: string, found: string = kind): ApiError {
  return badRequest(`${found} in version "${version}" cannot be handled as a ${kind}: ${why}`);
}

class Walk {
  readonly unknown: string[] = [];
  readonly causes: Cause[] = [];
  readonly #kind: string;
  readonly #version: string;

  constructor(kind: string, apiVersion: string) {
    this.#kind = kind;
    this.#version = apiVersion;
  }

  value(value: Json, use: SchemaUse, path: string): Json {
    if (use.name === quantity) return this.#quantity(value, path);
    if (isOpen(use)) return value;
    const type = use.schema["type"];
    if (type === "object") return this.#object(value, use, path);
    if (type === "array") return this.#list(value, use, path);
    const fits =
      use.schema["oneOf"] === undefined
        ? fitsType(value, type)
        : fitsType(value, "integer") || fitsType(value, "string");
    if (!fits) throw this.#mismatch(value, typeof type === "string" ? type : "intstr.IntOrString", path);
    const allowed = texts(use.site, "enum");
    if (allowed.length > 0 && typeof value === "string" && value !== "" && !allowed.includes(value)) {
      this.causes.push(unsupportedValue(path, value, allowed));
    }
    return value;
  }

  #object(value: Json, use: SchemaUse, path: string): Json {
    if (!isObject(value)) throw this.#mismatch(value, use.name.split(".").at(-1) || "map", path);
    // A CronJob says what its Jobs are told; they get their defaults when they are made.
    const isForLater = use.name.endsWith(".batch.v1.JobSpec") && path.startsWith("spec.jobTemplate");
    const isStatus = path === "status" || path.startsWith("status.");
    const filled = isForLater || isStatus ? {} : withDefaults(use.name, value);
    const found = new Map<string, Json>();
    for (const [key, field] of Object.entries({ ...value, ...filled })) {
      if (field === undefined) continue;
      const inside = fieldUse(use, key);
      const isMap = use.schema["properties"] === undefined;
      const place = isMap ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
      if (inside === undefined) this.unknown.push(place);
      else if (field !== null) {
        const settled = this.value(field, inside, place);
        // Nothing in them says as much as nothing: Go leaves them out.
        if (!isEmpty(settled, inside) || texts(use.schema, "required").includes(key)) found.set(key, settled);
      } else if (Object.hasOwn(filled, key)) {
        found.set(key, null);
      }
    }
    const result = Object.fromEntries(found);
    if (!isStatus) this.#require(result, use, path);
    return result;
  }

  /** What is required of objects: something in strings and other objects. Lists may be left out, but for containers. */
  #require(value: JsonObject, use: SchemaUse, path: string): void {
    for (const field of texts(use.schema, "required")) {
      const site = fieldUse(use, field);
      const type = site?.schema["type"];
      const given = value[field];
      const missing =
        (type === "string" && (given === undefined || given === "")) ||
        (type === "object" && given === undefined && !isOpen(site ?? use) && field !== "metadata") ||
        (field === "containers" && (!isList(given) || given.length === 0));
      if (missing && !mayBeEmpty.includes(`${use.name.split(".").at(-1)}.${field}`)) {
        this.causes.push(requiredValue(path === "" ? field : `${path}.${field}`));
      }
    }
  }

  #list(value: Json, use: SchemaUse, path: string): Json {
    if (!isList(value)) {
      const of = itemUse(use).name.split(".").slice(-2).join(".");
      throw this.#mismatch(value, `[]${of || "string"}`, path);
    }
    const item = itemUse(use);
    return value.map((each, index) => this.value(each, item, `${path}[${index}]`));
  }

  #quantity(value: Json, path: string): Json {
    const canonical =
      typeof value === "string" || typeof value === "number" ? canonicalQuantity(`${value}`) : undefined;
    if (canonical !== undefined) return canonical;
    const rule = "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    throw undecodable(this.#kind, this.#version, `quantities must match the regular expression ${rule} (${path})`);
  }

  #mismatch(value: Json, wanted: string, path: string): Error {
    const type = isList(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
    const field = `${this.#kind}.${path.replaceAll(/\[[^\]]*\]/g, "")}`;
    const why = `json: cannot unmarshal ${type} into Go struct field ${field} of type ${wanted}`;
    return undecodable(this.#kind, this.#version, why);
  }
}

/** Lists and maps without anything in them. */
function isEmpty(value: Json, { schema }: SchemaUse): boolean {
  if (isList(value)) return value.length === 0;
  return isObject(value) && isObject(schema["additionalProperties"]) && Object.keys(value).length === 0;
}

/** Required by the documents, not by the API. */
const mayBeEmpty: readonly string[] = ["Subject.name", "Event.eventTime", "CertificateSigningRequestSpec.request"];

function fitsType(value: Json, type: Json | undefined): boolean {
  if (type === "integer") return typeof value === "number" && Number.isInteger(value);
  return typeof value === type;
}
