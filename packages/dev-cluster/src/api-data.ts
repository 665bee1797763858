// What the API is made of, captured from a real API server: resources, schemas, roles. Read once per process.
import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import { isObject, type Json, type JsonObject, list, object, parseJson, text, texts } from "./json.ts";

export interface Subresource {
  readonly name: string;
  /** "" where it is the one of the resource. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface Resource {
  /** `pods`, `deployments.apps`: what objects are kept under; the same for all versions, and for groups that show each other's. */
  readonly key: string;
  /** Objects are kept in the form of this version: the first of those with this key. */
  readonly isStored: boolean;
  readonly group: string;
  readonly version: string;
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  /** Plural, lower case. */
  readonly name: string;
  readonly kind: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly Subresource[];
  readonly columns: readonly Column[];
  /** Name of its schema; "" where there is none. */
  readonly schema: string;
}

/** By field number: its name, its type, and whether it is one, `*` one whose zero is a value, `[]` many or `{}` by key. */
export type Message = Readonly<Record<string, readonly [name: string, type: string, kind: string]>>;

export interface ApiData {
  /** `v1.36.3` */
  readonly gitVersion: string;
  readonly resources: readonly Resource[];
  /** Those that an API server serves to who asks for them. */
  readonly gatedResources: readonly Resource[];
  /** What nodes may do to these. */
  readonly gatedNodeRules: readonly JsonObject[];
  /** APIServices of what a server serves by itself: name and spec. */
  readonly apiServices: readonly JsonObject[];
  /** OpenAPI v3 schemas by name. */
  readonly schemas: JsonObject;
  /** Protobuf messages by the names of their schemas. */
  readonly messages: Readonly<Record<string, Message>>;
  /** ClusterRoles and ClusterRoleBindings that every cluster has. */
  readonly roles: readonly JsonObject[];
}

export const metricsGroup = "metrics.k8s.io";
const metrics = { group: metricsGroup, version: "v1beta1", verbs: ["get", "list"] } as const;

/** What metrics-server adds to a cluster; it has no schema here. */
const metricsResources: readonly Json[] = [
  { ...metrics, name: "nodes", kind: "NodeMetrics", singular: "", namespaced: false },
  { ...metrics, name: "pods", kind: "PodMetrics", singular: "", namespaced: true },
];

/** Resources that show the objects of another group's, by the keys that they would have. */
const mirrors: Readonly<Record<string, string>> = { "events.events.k8s.io": "events" };

let loaded: ApiData | undefined;

export function apiData(): ApiData {
  loaded ??= read();
  return loaded;
}

function read(): ApiData {
  const file = new URL("../data/api.json.br", import.meta.url);
  const data = parseJson(brotliDecompressSync(readFileSync(file)).toString());
  const schemas = object(data, "schemas");
  const byKind = schemasByKind(schemas);
  const keys = new Set<string>();
  const resources = [...list(data, "resources"), ...metricsResources].map((each) => {
    const resource = resourceOf(each, byKind, keys);
    keys.add(resource.key);
    return resource;
  });
  return {
    gitVersion: text(data, "gitVersion"),
    schemas,
    messages: messagesOf(object(data, "messages")),
    roles: list(data, "roles").filter(isObject),
    resources,
    gatedResources: list(data, "gatedResources").map((each) => resourceOf(each, byKind, keys)),
    gatedNodeRules: list(data, "gatedNodeRules").filter(isObject),
    apiServices: list(data, "apiServices").filter(isObject),
  };
}

function messagesOf(data: JsonObject): Record<string, Message> {
  const messages = Object.entries(data).map(([name, fields]): [string, Message] => {
    const described = Object.entries(object(fields)).map(([number, field]): [string, [string, string, string]] => {
      const [own = "", type = "", kind = ""] = texts(field);
      return [number, [own, type, kind]];
    });
    return [name, Object.fromEntries(described)];
  });
  return Object.fromEntries(messages);
}

/** A resource as discovery tells of it. `byKind`: names of schemas; `known`: keys of those that are there already. */
export function resourceOf(data: Json, byKind: ReadonlyMap<string, string>, known: ReadonlySet<string>): Resource {
  const group = text(data, "group");
  const version = text(data, "version");
  const name = text(data, "name");
  const kind = text(data, "kind");
  const own = group === "" ? name : `${name}.${group}`;
  const key = mirrors[own] ?? own;
  return {
    key,
    isStored: !known.has(key),
    group,
    version,
    apiVersion: group === "" ? version : `${group}/${version}`,
    name,
    kind,
    singular: text(data, "singular"),
    namespaced: object(data)["namespaced"] === true,
    verbs: texts(data, "verbs"),
    shortNames: texts(data, "shortNames"),
    categories: texts(data, "categories"),
    subresources: list(data, "subresources").map((each) => ({
      name: text(each, "name"),
      group: text(each, "group"),
      version: text(each, "version"),
      kind: text(each, "kind"),
      verbs: texts(each, "verbs"),
    })),
    columns: list(data, "columns").map((each) => ({
      name: text(each, "name"),
      type: text(each, "type"),
      format: text(each, "format"),
      description: text(each, "description"),
      priority: Number(object(each)["priority"] ?? 0),
    })),
    schema: byKind.get(`${group}/${version}/${kind}`) ?? "",
  };
}

/** Schema names by `group/version/kind`. */
function schemasByKind(schemas: JsonObject): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, schema] of Object.entries(schemas)) {
    const kinds = list(schema, "x-kubernetes-group-version-kind");
    const [only] = kinds;
    // Those of all groups, as DeleteOptions, are no documents of their own.
    if (only === undefined || kinds.length > 1) continue;
    found.set(`${text(only, "group")}/${text(only, "version")}/${text(only, "kind")}`, name);
  }
  return found;
}

/** The schema of a document by its group, version and kind; "" where none is known. */
export function schemaName(apiVersion: string, kind: string): string {
  const [first = "", second] = apiVersion.split("/");
  const [group, version] = second === undefined ? ["", first] : [first, second];
  for (const [name, schema] of Object.entries(apiData().schemas)) {
    const kinds = list(schema, "x-kubernetes-group-version-kind");
    const matches = kinds.some(
      (each) => text(each, "group") === group && text(each, "version") === version && text(each, "kind") === kind,
    );
    if (matches) return name;
  }
  return "";
}
