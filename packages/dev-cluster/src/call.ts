// One request as handlers see it, without its wire.
import type { User, WriteOptions } from "./access.ts";
import type { Resource } from "./api-data.ts";
import { ApiError, badRequest, unsupportedValue } from "./api-error.ts";
import { type Json, parseJson } from "./json.ts";
import { decodeProtobuf } from "./protobuf.ts";
import type { Route } from "./route.ts";

export interface Call {
  readonly route: Route;
  readonly user: User;
  readonly accept: string;
  readonly contentType: string;
  readonly body: Buffer;
  /** Becomes a Warning header. */
  readonly warn: (text: string) => void;
}

/** A call that is about a resource. */
export interface ResourceCall extends Call {
  readonly resource: Resource;
}

/** "" for what is in none. */
export function namespaceOf({ resource, route }: ResourceCall): string {
  return resource.namespaced ? route.namespace : "";
}

/** Throws BadRequest for what no server takes. */
export function writeOptions(call: Call): WriteOptions {
  const { query } = call.route;
  const dryRun = query.getAll("dryRun");
  const other = dryRun.find((each) => each !== "All");
  if (other !== undefined) throw unsupported("dryRun", other, ["All"]);
  const validation = query.get("fieldValidation") ?? "Warn";
  if (validation !== "Ignore" && validation !== "Warn" && validation !== "Strict")
    throw unsupported("fieldValidation", validation, ["Ignore", "Strict", "Warn"]);
  return {
    user: call.user,
    dryRun: dryRun.length > 0,
    fieldValidation: validation,
    fieldManager: query.get("fieldManager") ?? "",
    warn: call.warn,
  };
}

function unsupported(parameter: string, value: string, supported: readonly string[]): ApiError {
  const { field, message } = unsupportedValue(parameter, value, supported);
  return badRequest(`${field}: ${message}`);
}

const deepest = 1_000;

/** JSON, or YAML where the type says so. Throws BadRequest. */
export async function documentOf(call: Call): Promise<Json> {
  const document = await decoded(call);
  // What is deeper could be kept, but never be written again.
  if (isDeeper(document, deepest)) throw badRequest(`json: exceeded max depth of ${deepest}`);
  return document;
}

function isDeeper(value: Json | undefined, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

async function decoded(call: Call): Promise<Json> {
  const type = call.contentType.split(";")[0]?.trim() ?? "";
  if (type === "application/vnd.kubernetes.protobuf") return decodeProtobuf(call.body);
  if (type.includes("cbor")) {
    throw new ApiError(
      415,
      "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
    );
  }
  try {
    return parseJson(call.body.toString());
  } catch (error) {
    if (!type.includes("yaml")) throw badRequest(`couldn't get version/kind; json parse error: ${String(error)}`);
  }
  const { parse } = await import("yaml");
  try {
    const document: Json = parse(call.body.toString());
    return document;
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${String(error)}`);
  }
}
