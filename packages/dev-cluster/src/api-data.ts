// What the API is made of, captured from a real API server: resources, schemas, what is there from the start.
// Read once per process.
import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import { type Json, type JsonObject, list, object, text, texts } from "./json.ts";

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

/** A resource as discovery tells of it, with the columns of its tables. */
export interface CapturedResource {
  readonly group: string;
  readonly version: string;
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
  /** By which fields lists are selected; what each is to a selector where an object does not have it. */
  readonly selectable: Readonly<Record<string, string>>;
}

/** What a real API server makes of objects of a kind. */
export interface Made {
  /** Counts in metadata.generation what changes beside metadata and status. */
  readonly counts: boolean;
  readonly firstStatus: JsonObject;
  /** Deletion is answered by the object, not by a Status. */
  readonly isShownWhenGone: boolean;
  /** Of new objects, beside their own. */
  readonly finalizers: readonly string[];
  /** May be made by PUT. */
  readonly createdByUpdate: boolean;
}

export interface Resource extends CapturedResource, Made {
  /** `pods`, `deployments.apps`: what objects are kept under; the same for all versions, and for groups that show each other's. */
  readonly key: string;
  /** Objects are kept in the form of this version: the first of those with this key. */
  readonly isStored: boolean;
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  /** Name of its schema; "" where there is none. */
  readonly schema: string;
}

/** By field number: its name, its type, and whether it is one, `*` one whose zero is a value, `[]` many or `{}` by key. */
export type Message = Readonly<Record<string, readonly [name: string, type: string, kind: string]>>;

/** The file, as scripts/capture-api.ts writes it. */
export interface ApiFile {
  /** `v1.36.3` */
  readonly gitVersion: string;
  readonly resources: readonly CapturedResource[];
  /** Those that an API server serves to who asks for them. */
  readonly gatedResources: readonly CapturedResource[];
  /** What nodes may do to these. */
  readonly gatedNodeRules: readonly JsonObject[];
  /** By the keys of resources. */
  readonly made: Readonly<Record<string, Made>>;
  /** By schema: fields that are always filled in alike. */
  readonly defaults: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  /** What every cluster has from the start; namespaces first. */
  readonly initialObjects: readonly JsonObject[];
  /** OpenAPI v3 schemas by name. */
  readonly schemas: JsonObject;
  /** Protobuf messages by the names of their schemas. */
  readonly messages: Readonly<Record<string, Message>>;
}

export interface ApiData extends ApiFile {
  readonly resources: readonly Resource[];
  readonly gatedResources: readonly Resource[];
  /** Names of schemas by `apiVersion/kind`. */
  readonly schemaNames: ReadonlyMap<string, string>;
}

export const metricsGroup = "metrics.k8s.io";
const metrics = { group: metricsGroup, version: "v1beta1", verbs: ["get", "list"] } as const;

/** What metrics-server adds to a cluster; it has no schema here. */
const metricsResources: readonly Json[] = [
  { ...metrics, name: "nodes", kind: "NodeMetrics", namespaced: false },
  { ...metrics, name: "pods", kind: "PodMetrics", namespaced: true },
];

/** Resources that show the objects of another group's, by the keys that they would have. */
const mirrors: Readonly<Record<string, string>> = { "events.events.k8s.io": "events" };

let loaded: ApiData | undefined;

export function apiData(): ApiData {
  loaded ??= read();
  return loaded;
}

function read(): ApiData {
  const content = brotliDecompressSync(readFileSync(new URL("../data/api.json.br", import.meta.url)));
  const file: ApiFile = JSON.parse(content.toString());
  const schemaNames = namesOf(file.schemas);
  const keys = new Set<string>();
  const complete = (captured: CapturedResource): Resource => {
    const { apiVersion, key: own, ...bare } = bareResource(captured);
    const key = mirrors[own] ?? own;
    const isStored = !keys.has(key);
    keys.add(key);
    return {
      ...bare,
      apiVersion,
      key,
      isStored,
      ...file.made[key],
      schema: schemaNames.get(`${apiVersion}/${bare.kind}`) ?? "",
    };
  };
  return {
    ...file,
    resources: [...file.resources.map(complete), ...metricsResources.map(resourceOf)],
    gatedResources: file.gatedResources.map(complete),
    schemaNames,
  };
}

/** One of which no more is known. */
function bareResource(captured: CapturedResource): Resource {
  const { group, version, name } = captured;
  return {
    ...captured,
    key: group === "" ? name : `${name}.${group}`,
    apiVersion: group === "" ? version : `${group}/${version}`,
    isStored: true,
    schema: "",
    counts: false,
    firstStatus: {},
    isShownWhenGone: false,
    finalizers: [],
    createdByUpdate: false,
  };
}

/** A resource of another API server, as its discovery tells of it. */
export function resourceOf(data: Json): Resource {
  const named = (each: Json) => ({
    name: text(each, "name"),
    group: text(each, "group"),
    version: text(each, "version"),
    kind: text(each, "kind"),
    verbs: texts(each, "verbs"),
  });
  return bareResource({
    ...named(data),
    singular: text(data, "singular"),
    namespaced: object(data)["namespaced"] === true,
    shortNames: texts(data, "shortNames"),
    categories: texts(data, "categories"),
    subresources: list(data, "subresources").map(named),
    columns: [],
    selectable: { "metadata.name": "", "metadata.namespace": "" },
  });
}

/** Names of schemas by API version and kind. */
function namesOf(schemas: JsonObject): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, schema] of Object.entries(schemas)) {
    for (const each of list(schema, "x-kubernetes-group-version-kind")) {
      const [group, version] = [text(each, "group"), text(each, "version")];
      found.set(`${group === "" ? version : `${group}/${version}`}/${text(each, "kind")}`, name);
    }
  }
  return found;
}

/** The schema of a document by its API version and kind; "" where none is known. */
export function schemaName(apiVersion: string, kind: string): string {
  return apiData().schemaNames.get(`${apiVersion}/${kind}`) ?? "";
}
