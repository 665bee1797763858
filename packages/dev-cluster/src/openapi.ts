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

const writeParameters = ["dryRun", "fieldManager", "fieldValidation"].map((name) => ({ name, in: "query" }));

/** What can be made and what can be changed, and how: nothing that we know of reads more. */
function pathsOf(resource: Resource): [string, JsonObject][] {
  const { group, version, kind, name, namespaced } = resource;
  const collection = `/${rootOf(resource)}/${namespaced ? "namespaces/{namespace}/" : ""}${name}`;
  const operation = { parameters: writeParameters, "x-kubernetes-group-version-kind": { group, version, kind } };
  return [
    [collection, { post: operation }],
    [`${collection}/{name}`, { patch: operation }],
  ];
}
