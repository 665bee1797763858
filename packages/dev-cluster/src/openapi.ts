// /openapi/v3 and /openapi/v2, put together from the captured schemas as far as kubectl reads them: which fields there are,
// what they mean, how lists merge, and that writes take fieldValidation and dryRun.
import { createHash } from "node:crypto";
import { apiData, type Resource } from "./api-data.ts";
import { isList, isObject, type Json, type JsonObject, object, parseJson, text } from "./json.ts";

const prefix = "#/components/schemas/";

/** undefined where there is no such document. */
export function openApi(path: string, served: readonly Resource[]): JsonObject | undefined {
  if (path === "/openapi/v3" || path === "/openapi/v3/") return index(served);
  if (path === "/openapi/v2") return swagger();
  const root = path.replace(/^\/openapi\/v3\//, "");
  const resources = served.filter((each) => rootOf(each) === root);
  return resources.length === 0 ? undefined : document(resources);
}

function rootOf({ group, apiVersion }: Resource): string {
  return group === "" ? `api/${apiVersion}` : `apis/${apiVersion}`;
}

function index(served: readonly Resource[]): JsonObject {
  const hash = createHash("sha256").update(apiData().gitVersion).digest("hex").toUpperCase();
  const roots = new Set(served.map(rootOf));
  return {
    paths: Object.fromEntries(
      [...roots].map((root) => [root, { serverRelativeURL: `/openapi/v3/${root}?hash=${hash}` }]),
    ),
  };
}

const documents = new Map<string, JsonObject>();

function document(resources: readonly Resource[]): JsonObject {
  const [first] = resources;
  if (first === undefined) return {};
  const about = `${rootOf(first)} ${resources.map(({ name }) => name).join(" ")}`;
  const known = documents.get(about);
  if (known !== undefined) return known;
  const own = `${first.group}/${first.version}`;
  const wanted = Object.entries(apiData().schemas)
    .filter(([, schema]) => {
      const kinds = schema === undefined ? [] : object(schema)["x-kubernetes-group-version-kind"];
      return isList(kinds) && kinds.some((each) => `${text(each, "group")}/${text(each, "version")}` === own);
    })
    .map(([name]) => name);
  const made = {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: apiData().gitVersion },
    paths: Object.fromEntries(resources.filter(({ schema }) => schema !== "").flatMap(pathsOf)),
    components: { schemas: closure(wanted) },
  };
  documents.set(about, made);
  return made;
}

function closure(names: readonly string[]): JsonObject {
  const found: Record<string, Json> = {};
  const pending = [...names];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found[name] !== undefined) continue;
    const schema = object(apiData().schemas, name);
    found[name] = schema;
    for (const match of JSON.stringify(schema).matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      pending.push(match[1] ?? "");
  }
  return found;
}

const parameter = (name: string): JsonObject => ({ name, in: "query", schema: { type: "string", uniqueItems: true } });
const writeParameters = ["dryRun", "fieldManager", "fieldValidation"].map(parameter);

function pathsOf(resource: Resource): [string, JsonObject][] {
  const kind = { group: resource.group, version: resource.version, kind: resource.kind };
  const scope = resource.namespaced ? "namespaces/{namespace}/" : "";
  const collection = `/${rootOf(resource)}/${scope}${resource.name}`;
  const schema = { $ref: `${prefix}${resource.schema}` };
  const operation = (action: string, type: string, parameters: readonly JsonObject[]): JsonObject => ({
    operationId: `${action}${resource.kind}`,
    parameters,
    responses: { "200": { description: "OK", content: { "application/json": { schema } } } },
    ...(type === "" ? {} : { requestBody: { content: { [type]: { schema } } } }),
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": kind,
  });
  return [
    [collection, { get: operation("list", "", []), post: operation("post", "application/json", writeParameters) }],
    [
      `${collection}/{name}`,
      {
        get: operation("get", "", []),
        put: operation("put", "application/json", writeParameters),
        patch: operation("patch", "application/apply-patch+yaml", [...writeParameters, parameter("force")]),
        delete: operation("delete", "", [parameter("dryRun")]),
      },
    ],
  ];
}

let wholeSwagger: JsonObject | undefined;

/** Definitions alone: nothing that we know of reads more of it. */
function swagger(): JsonObject {
  wholeSwagger ??= {
    swagger: "2.0",
    info: { title: "Kubernetes", version: apiData().gitVersion },
    paths: {},
    definitions: object(flatten(parseJson(JSON.stringify(apiData().schemas).replaceAll(prefix, "#/definitions/")))),
  };
  return wholeSwagger;
}

/** OpenAPI v2 has references beside other keys, and no oneOf. */
function flatten(value: Json): Json {
  if (isList(value)) return value.map(flatten);
  if (!isObject(value)) return value;
  const { allOf, oneOf, default: _, ...others } = value;
  const rest = Object.fromEntries(Object.entries(others).map(([key, each]) => [key, flatten(each ?? null)]));
  if (oneOf !== undefined) return { ...rest, type: "string" };
  const [only] = isList(allOf) ? allOf : [];
  return isObject(only) ? { ...rest, ...only } : rest;
}
