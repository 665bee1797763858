// What a path and a method ask for, in the words of authorisation.
import type { Resource, Subresource } from "./api-data.ts";
import { badRequest } from "./api-error.ts";

export interface Route {
  /** get, list, watch, create, update, patch, delete, deletecollection; for paths of no resource the method in lower case. */
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** undefined: a path of no resource, e.g. /version. */
  readonly resource: Resource | undefined;
  readonly namespace: string;
  readonly name: string;
  /** "" where the object itself is meant. */
  readonly subresource: string;
  /** undefined where the resource has none of this name. */
  readonly sub: Subresource | undefined;
  /** What follows the sub-resource, for proxies: escaped, as in paths. */
  readonly rest: string;
}

export function routeOf(method: string, url: string, find: FindResource): Route {
  const parsed = URL.parse(url, "https://localhost");
  if (parsed === null) throw badRequest("the request has no path that can be read");
  const segments = parsed.pathname
    .split("/")
    .filter((each) => each !== "")
    .map(decode);
  const query = parsed.searchParams;
  const found = resourceAt(segments, find);
  const none = { path: parsed.pathname, query, namespace: "", name: "", subresource: "", sub: undefined, rest: "" };
  if (found === undefined) return { ...none, verb: method.toLowerCase(), resource: undefined };
  const { resource, namespace, tail } = found;
  const [name = "", subresource = "", ...rest] = tail;
  return {
    verb: verbOf(method, name, query),
    path: parsed.pathname,
    query,
    resource,
    // A namespace is an object within itself, to authorisation.
    namespace: resource.key === "namespaces" ? name : namespace,
    name,
    subresource,
    sub: resource.subresources.find((each) => each.name === subresource),
    rest: rest.map(encodeURIComponent).join("/") + (parsed.pathname.endsWith("/") && rest.length > 0 ? "/" : ""),
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

const writes: Readonly<Record<string, string>> = { POST: "create", PUT: "update", PATCH: "patch" };

function verbOf(method: string, name: string, query: URLSearchParams): string {
  if (method === "DELETE") return name === "" ? "deletecollection" : "delete";
  if (method !== "GET" && method !== "HEAD") return writes[method] ?? method.toLowerCase();
  if (["1", "true"].includes(query.get("watch") ?? "")) return "watch";
  return name === "" ? "list" : "get";
}

/** The resource of this group, version and plural; undefined where there is none. */
export type FindResource = (group: string, version: string, name: string) => Resource | undefined;

/** Among those that are served. */
export function finderOf(served: readonly Resource[]): FindResource {
  const index = new Map(served.map((each) => [`${each.group}/${each.version}/${each.name}`, each]));
  return (group, version, name) => index.get(`${group}/${version}/${name}`);
}

function resourceAt(
  segments: readonly string[],
  find: FindResource,
): { readonly resource: Resource; readonly namespace: string; readonly tail: readonly string[] } | undefined {
  const isCore = segments[0] === "api";
  if (!isCore && segments[0] !== "apis") return undefined;
  const [group = "", version = ""] = isCore ? ["", segments[1]] : [segments[1], segments[2]];
  const rest = segments.slice(isCore ? 2 : 3);
  if (rest[0] === "namespaces" && rest[2] !== undefined) {
    const within = find(group, version, rest[2]);
    if (within?.namespaced === true) return { resource: within, namespace: rest[1] ?? "", tail: rest.slice(3) };
  }
  const resource = find(group, version, rest[0] ?? "");
  return resource === undefined ? undefined : { resource, namespace: "", tail: rest.slice(1) };
}
