// What a real API server makes of objects: fields that it fills in, the first status of a kind, whether it counts generations.
// Learned from dry runs of one object of every kind, and of some that have parts which those have not.
import { documentsOfKinds } from "../e2e/dev-kinds.ts";
import type { asker } from "../e2e/dev-traffic.ts";
import type { CapturedResource, Made } from "../packages/dev-cluster/src/api-data.ts";
import {
  at,
  isList,
  isObject,
  type Json,
  type JsonObject,
  list,
  object,
  text,
  texts,
} from "../packages/dev-cluster/src/json.ts";
import { samples } from "./capture-samples.ts";

type Ask = ReturnType<typeof asker>;

/** By schema: the fields that are filled in, always with the same. */
export type Defaults = Record<string, Record<string, Json>>;

/** `made` by the keys of resources. Tells of fields that are filled in at times: these are for the rules of the cluster itself. */
export async function captureKinds(
  ask: Ask,
  kinds: readonly CapturedResource[],
  schemas: JsonObject,
): Promise<{ readonly made: Record<string, Made>; readonly defaults: Defaults }> {
  const made: Record<string, Made> = {};
  const learned = new Learned(schemas);
  for (const kind of kinds) {
    const key = kind.group === "" ? kind.name : `${kind.name}.${kind.group}`;
    // The first version is the one that is kept.
    if (made[key] !== undefined) continue;
    const own = documentsOfKinds[key];
    for (const document of [...(own === undefined ? [] : [own]), ...(samples[key] ?? [])]) {
      const sent = sentAs(kind, document);
      const put = { ...json, method: "PUT", path: `${pathOf(kind)}/${text(sent, "metadata", "name")}?dryRun=All` };
      const post = { ...json, method: "POST", path: `${pathOf(kind)}?dryRun=All`, body: JSON.stringify(sent) };
      const { code, body } = await ask(post);
      if (code !== 201) throw new Error(`${key}: ${text(body, "message")}`);
      learned.see(sent, body, kind);
      made[key] ??= {
        finalizers: texts(body, "metadata", "finalizers"),
        createdByUpdate: (await ask({ ...put, body: JSON.stringify(sent) })).code === 201,
        counts: at(body, "metadata", "generation") !== undefined,
        firstStatus: lasting(object(body, "status")),
        isShownWhenGone: text(await deleted(ask, kind, sent), "kind") === kind.kind,
      };
    }
  }
  return { made, defaults: learned.defaults() };
}

const json = { accept: "application/json", contentType: "application/json" };

function pathOf({ group, version, namespaced, name }: CapturedResource): string {
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  return `${root}/${namespaced ? "namespaces/default/" : ""}${name}`;
}

function sentAs({ group, version, kind }: CapturedResource, { metadata, ...content }: JsonObject): JsonObject {
  const apiVersion = group === "" ? version : `${group}/${version}`;
  return { apiVersion, kind, metadata: { name: "x", ...object(metadata) }, ...content };
}

/** Makes an object, and takes it away. Returns what that answers. */
async function deleted(ask: Ask, kind: CapturedResource, sent: JsonObject): Promise<Json> {
  const path = `${pathOf(kind)}/${text(sent, "metadata", "name")}`;
  const must = async (
    method: string,
    place: string,
    body: JsonObject,
    contentType = json.contentType,
  ): Promise<Json> => {
    const answer = await ask({ ...json, method, path: place, contentType, body: JSON.stringify(body) });
    if (answer.code >= 300) throw new Error(`${method} ${place}: ${text(answer.body, "message")}`);
    return answer.body;
  };
  await must("POST", pathOf(kind), sent);
  await must("PATCH", path, { metadata: { finalizers: null } }, "application/merge-patch+json");
  return must("DELETE", path, { gracePeriodSeconds: 0, propagationPolicy: "Background" });
}

/** Without what is of the moment. */
function lasting(status: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => !/^\d{4}-\d\d-\d\dT/.test(`${value}`)));
}

const prefix = "#/components/schemas/";
const core = "io.k8s.api.core.v1";

/** What is filled in when an object is made, but not when it is changed. */
const setOnce: ReadonlySet<string> = new Set([
  "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
  ...["Namespace", "NamespaceSpec", "Node"].map((name) => `${core}.${name}`),
]);

class Learned {
  readonly #schemas: JsonObject;
  /** By schema and field: all that was filled in, as JSON; "" where nothing was. */
  readonly #seen = new Map<string, Map<string, Set<string>>>();

  constructor(schemas: JsonObject) {
    this.#schemas = schemas;
  }

  see(sent: JsonObject, answer: Json, { group, version, kind }: CapturedResource): void {
    const isOwn = (schema: Json | undefined): boolean =>
      JSON.stringify(at(schema, "x-kubernetes-group-version-kind")) === JSON.stringify([{ group, kind, version }]);
    const [name = ""] = Object.entries(this.#schemas).find(([, schema]) => isOwn(schema)) ?? [];
    // The first status is another matter.
    this.#walk({ ...sent, status: at(answer, "status") }, answer, { $ref: `${prefix}${name}` });
  }

  /** What was always filled in alike, and what the schemas themselves say. */
  defaults(): Defaults {
    const result = documented(this.#schemas);
    for (const [schema, fields] of [...this.#seen].sort()) {
      for (const [field, values] of [...fields].sort()) {
        const [only = "", ...others] = [...values];
        if (others.length > 0) {
          console.log(`${schema}.${field}: ${[...values].map((each) => each || "nothing").join(" or ")}`);
        } else if (only !== "") {
          result[schema] = { ...result[schema], [field]: JSON.parse(only) };
        }
      }
    }
    return result;
  }

  /** A CronJob says what its Jobs are told; they get their own defaults when they are made, and so nothing is to learn. */
  #walk(sent: Json, answer: Json, site: JsonObject, isForLater = false): void {
    const [wrapped] = list(site, "allOf");
    const name = (text(site, "$ref") || text(wrapped, "$ref")).replace(prefix, "");
    const schema = name === "" ? site : object(this.#schemas, name);
    if (isList(answer) && isList(sent)) {
      for (const [index, item] of answer.entries()) {
        const given = sent[index];
        if (given !== undefined) this.#walk(given, item, object(schema, "items"));
      }
    }
    if (!isObject(answer) || !isObject(sent) || setOnce.has(name)) return;
    for (const [field, inside] of Object.entries(object(schema, "properties"))) {
      const [given, found] = [sent[field], answer[field]];
      if (given !== undefined) {
        if (found !== undefined) this.#walk(given, found, object(inside), name.endsWith(".JobTemplateSpec"));
        continue;
      }
      const isNested = isObject(found);
      if (!isForLater) this.#note(name, field, isNested ? {} : found);
      if (isNested) this.#walk({}, found, object(inside));
    }
  }

  #note(schema: string, field: string, value: Json | undefined): void {
    const fields = this.#seen.get(schema) ?? new Map<string, Set<string>>();
    this.#seen.set(schema, fields);
    const values = fields.get(field) ?? new Set();
    fields.set(field, values.add(value === undefined ? "" : JSON.stringify(value)));
  }
}

/** The defaults that schemas have; zeros are none. */
function documented(schemas: JsonObject): Defaults {
  const result: Defaults = {};
  for (const [name, schema] of Object.entries(schemas)) {
    for (const [field, site] of Object.entries(object(schema, "properties"))) {
      const fallback = at(site, "default");
      if (!fallback || typeof fallback === "object") continue;
      result[name] = { ...result[name], [field]: fallback };
    }
  }
  return result;
}
