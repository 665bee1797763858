// By which fields a real API server selects objects of a resource: all that a schema has are tried.
import type { asker } from "../e2e/dev-traffic.ts";
import { type Json, type JsonObject, list, object, text } from "../packages/dev-cluster/src/json.ts";

/** Fields that only selectors know, by resource. */
const unwritten: Readonly<Record<string, JsonObject>> = { jobs: { "status.successful": { type: "integer" } } };

/** Fields, with what each is to a selector where an object does not have it. `schemas` has the one of the kind. */
export async function captureSelectable(
  ask: ReturnType<typeof asker>,
  path: string,
  kind: string,
  schemas: JsonObject,
): Promise<Record<string, string>> {
  const own = Object.keys(schemas).find((name) => name.split(".").at(-1) === kind) ?? "";
  const candidates = { ...unwritten[path.split("/").at(-1) ?? ""] };
  for (const [field, site] of Object.entries(propertiesOf({ $ref: own }, schemas))) {
    candidates[field] = site;
    for (const [inner, deeper] of Object.entries(propertiesOf(site ?? null, schemas)))
      candidates[`${field}.${inner}`] = deeper;
  }
  const accept = "application/json";
  const tried = Object.entries(candidates).map(async ([field, site]): Promise<[string, string][]> => {
    const query = `fieldSelector=${encodeURIComponent(`${field}=x`)}`;
    const { code } = await ask({ method: "GET", path: `${path}?${query}`, accept, contentType: "", body: "" });
    return code === 200 ? [[field, zeros[text(site, "type")] ?? ""]] : [];
  });
  return Object.fromEntries((await Promise.all(tried)).flat());
}

const zeros: Readonly<Record<string, string>> = { boolean: "false", integer: "0" };

function propertiesOf(site: Json, schemas: JsonObject): JsonObject {
  const [wrapped] = list(site, "allOf");
  const name = (text(site, "$ref") || text(wrapped, "$ref")).replace("#/components/schemas/", "");
  return object(schemas, name, "properties");
}
