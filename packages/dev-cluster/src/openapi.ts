// /openapi/v3, put together from the captured schemas as far as kubectl reads it: which fields there are, what they mean, how lists
// merge, and that writes take fieldValidation and dryRun.
import { createHash } from "node:crypto";
import { apiData, type Resource } from "./api-data.ts";
import { notHere } from "./api-error.ts";
import { type Json, type JsonObject, list, object, text } from "./json.ts";

/** undefined where there is no such document. */
export function openApi(path: string, served: readonly Resource[]): JsonObject | undefined {
  if (path === "/openapi/v2") throw notHere("/openapi/v2 is there in protobuf alone; /openapi/v3 has the schemas");
  const byRoot = Map.groupBy(served, rootOf);
  if (/^\/openapi\/v3\/?$/.test(path)) return index([...byRoot.keys()]);
  const resources = byRoot.get(path.replace(/^\/openapi\/v3\//, ""));
  return resources && document(resources);
}

function rootOf({ group, apiVersion }: Resource): string {
  return group === "" ? `api/${apiVersion}` : `apis/${apiVersion}`;
}

function index(roots: readonly string[]): JsonObject {
  const hash = createHash("sha256").update(apiData().gitVersion).digest("hex").toUpperCase();
  const entries = roots.map((root) => [root, { serverRelativeURL: `/openapi/v3/${root}?hash=${hash}` }]);
  return { paths: Object.fromEntries(entries) };
}

/** Of the resources of one version. */
function document(resources: readonly Resource[]): JsonObject {
  const versions = new Set(resources.map(({ group, version }) => `${group}/${version}`));
  const isOwn = (kind: Json): boolean => versions.has(`${text(kind, "group")}/${text(kind, "version")}`);
  const wanted = Object.entries(apiData().schemas).flatMap(([name, schema]) =>
    list(schema, "x-kubernetes-group-version-kind").some(isOwn) ? [name] : [],
  );
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: apiData().gitVersion },
    paths: Object.fromEntries(resources.filter(({ schema }) => schema !== "").flatMap(pathsOf)),
    components: { schemas: closure(wanted) },
  };
}

/** These and all that they refer to. */
function closure(names: readonly string[]): JsonObject {
  const found: Record<string, Json> = {};
  const pending = [...names];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found[name] !== undefined) continue;
    found[name] = object(apiData().schemas, name);
    for (const [, other = ""] of JSON.stringify(found[name]).matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      pending.push(other);
  }
  return found;
}

const parameter = (name: string): JsonObject => ({ name, in: "query", schema: { type: "string", uniqueItems: true } });
const writeParameters = ["dryRun", "fieldManager", "fieldValidation"].map(parameter);

function pathsOf(resource: Resource): [string, JsonObject][] {
  const { group, version, kind, name, namespaced } = resource;
  const collection = `/${rootOf(resource)}/${namespaced ? "namespaces/{namespace}/" : ""}${name}`;
  const schema = { $ref: `#/components/schemas/${resource.schema}` };
  const operation = (action: string, parameters: readonly JsonObject[] = [], type?: string): JsonObject => ({
    operationId: `${action}${kind}`,
    parameters,
    responses: { "200": { description: "OK", content: { "application/json": { schema } } } },
    requestBody: type === undefined ? undefined : { content: { [type]: { schema } } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, version, kind },
  });
  const one = {
    get: operation("get"),
    put: operation("put", writeParameters, "application/json"),
    patch: operation("patch", [...writeParameters, parameter("force")], "application/apply-patch+yaml"),
    delete: operation("delete", [parameter("dryRun")]),
  };
  return [
    [collection, { get: operation("list"), post: operation("post", writeParameters, "application/json") }],
    [`${collection}/{name}`, one],
  ];
}
