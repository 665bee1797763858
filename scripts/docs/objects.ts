// Kubernetes objects in docs, by the schemas and rules of the development cluster.
import { Api } from "../../packages/dev-cluster/src/api.ts";
import { apiData, type Resource } from "../../packages/dev-cluster/src/api-data.ts";
import { bootstrap } from "../../packages/dev-cluster/src/bootstrap.ts";
import {
  isList,
  isObject,
  type Json,
  type JsonObject,
  object,
  put,
  text,
} from "../../packages/dev-cluster/src/json.ts";
import { Store } from "../../packages/dev-cluster/src/store.ts";
import { errorText } from "../../packages/virtual-kubelet/src/errors.ts";
import { hint } from "../../packages/virtual-kubelet/src/host/closest.ts";

/** What stands around a fragment: the least that is valid. */
const podSpec: JsonObject = { containers: [{ name: "main", image: "registry.example/app:1" }] };
const labels: JsonObject = { app: "x" };
const workload = (kind: string, more: JsonObject = {}): JsonObject => ({
  apiVersion: "apps/v1",
  kind,
  metadata: { name: "x" },
  spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec }, ...more },
});
const skeletons: Readonly<Record<string, JsonObject>> = {
  Pod: { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: podSpec },
  Deployment: workload("Deployment"),
  DaemonSet: workload("DaemonSet"),
  StatefulSet: workload("StatefulSet", { serviceName: "x" }),
  Job: {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "x" },
    spec: { template: { spec: { ...podSpec, restartPolicy: "Never" } } },
  },
  Node: { apiVersion: "v1", kind: "Node", metadata: { name: "x" } },
  Service: { apiVersion: "v1", kind: "Service", metadata: { name: "x" }, spec: { ports: [{ port: 80 }] } },
};
export const fragmentKinds: readonly string[] = Object.keys(skeletons);

/** Undefined: it is none. */
export function isKubernetesObject(value: unknown): value is JsonObject {
  const json = asJson(value);
  return isObject(json) && typeof json["apiVersion"] === "string" && typeof json["kind"] === "string";
}

/** A part of an object, at a path such as `spec.containers[0]`, with what must stand around it. */
export function completed(kind: string, path: string, part: unknown): JsonObject | undefined {
  const skeleton = skeletons[kind];
  return skeleton === undefined ? undefined : object(placed(skeleton, keysOf(path), asJson(part)));
}

export function keysOf(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([all, index]) => (index === undefined ? all : Number(index)));
}

function placed(around: Json | undefined, [key, ...rest]: readonly (string | number)[], part: Json): Json {
  if (key === undefined) return merged(around, part);
  if (typeof key === "number") {
    const items = isList(around) ? around : [];
    return Array.from({ length: Math.max(items.length, key + 1) }, (_, at) =>
      at === key ? placed(items[at], rest, part) : (items[at] ?? null),
    );
  }
  const map = object(around);
  return put(map, [key], placed(map[key], rest, part));
}

function merged(below: Json | undefined, above: Json): Json {
  if (!isObject(below) || !isObject(above)) return above;
  let result = below;
  for (const [key, value] of Object.entries(above))
    if (value !== undefined) result = put(result, [key], merged(below[key], value));
  return result;
}

const asJson = (value: unknown): Json => {
  const json: Json = JSON.parse(JSON.stringify(value ?? null));
  return json;
};

export class ObjectChecker {
  readonly #api: Api;

  constructor() {
    this.#api = new Api({ store: new Store(), now: Date.now });
    bootstrap(this.#api, "");
  }

  /** What is wrong with it, by the API; nothing where it is right. Objects of foreign groups need a name. */
  faults(given: JsonObject): string[] {
    const apiVersion = text(given, "apiVersion");
    const kind = text(given, "kind");
    if (kind === "List") {
      const { items } = given;
      return isList(items) ? items.filter(isObject).flatMap((item) => this.faults(item)) : ["items: must be a list"];
    }
    const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
    const ofGroup = apiData().resources.filter((each) => each.group === group);
    if (ofGroup.length === 0) return foreignFaults(given);
    const versions = [...new Set(ofGroup.map((each) => each.version))];
    if (!versions.includes(version ?? ""))
      return [`apiVersion ${apiVersion}: there is no such version; of this group there is ${versions.join(", ")}`];
    const resource = ofGroup.find((each) => each.kind === kind);
    if (resource === undefined) {
      const kinds = ofGroup.map((each) => each.kind);
      const elsewhere = apiData().resources.find((each) => each.kind === kind);
      const meant = elsewhere === undefined ? hint(kind, kinds) : ` (it is of ${elsewhere.apiVersion})`;
      return [`kind ${kind}: ${apiVersion} has no such kind${meant || `; it has ${kinds.join(", ")}`}`];
    }
    return this.#created(resource, given);
  }

  #created(resource: Resource, given: JsonObject): string[] {
    const said: string[] = [];
    const own = text(given, "metadata", "namespace") || "default";
    const namespace = resource.namespaced ? own : "";
    try {
      if (resource.namespaced) this.#namespace(own, text(given, "spec", "serviceAccountName") || "default");
      this.#api.create(resource, namespace, given, {
        user: { name: "docs", groups: ["system:masters"] },
        dryRun: true,
        fieldValidation: "Strict",
        fieldManager: "docs",
        warn: (warning) => said.push(warning),
      });
    } catch (error) {
      said.push(errorText(error));
    }
    return said;
  }

  /** With the account that its pods need. */
  #namespace(name: string, account: string): void {
    const { store } = this.#api;
    if (store.get("namespaces", "", name) === undefined)
      this.#api.create(this.#api.resource("namespaces"), "", { metadata: { name } });
    if (store.get("serviceaccounts", name, account) === undefined)
      this.#api.create(this.#api.resource("serviceaccounts"), name, { metadata: { name: account } });
  }
}

function foreignFaults(given: JsonObject): string[] {
  const named = text(given, "metadata", "name") !== "" || text(given, "metadata", "generateName") !== "";
  return named ? [] : ["metadata.name: missing"];
}
