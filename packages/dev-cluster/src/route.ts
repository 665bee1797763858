// What a path and a method ask for, in the words of authorisation.
import { apiData, type Resource, type Subresource } from "./api-data.ts";

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
  /** What follows the sub-resource, for proxies. */
  readonly rest: string;
}

export function routeOf(method: string, url: string): Route {
  const parsed = new URL(url, "https://localhost");
  const segments = parsed.pathname
    .split("/")
    .filter((each) => each !== "")
    .map(decode);
  const query = parsed.searchParams;
  const found = resourceAt(segments);
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
    rest: rest.join("/") + (parsed.pathname.endsWith("/") && rest.length > 0 ? "/" : ""),
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function verbOf(method: string, name: string, query: URLSearchParams): string {
  switch (method) {
    case "GET":
    case "HEAD":
      if (["1", "true"].includes(query.get("watch") ?? "")) return "watch";
      return name === "" ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === "" ? "deletecollection" : "delete";
    default:
      return method.toLowerCase();
  }
}

let index: ReadonlyMap<string, Resource> | undefined;

function resourceAt(
  segments: readonly string[],
): { readonly resource: Resource; readonly namespace: string; readonly tail: readonly string[] } | undefined {
  index ??= new Map(apiData().resources.map((each) => [`${each.group}/${each.version}/${each.name}`, each]));
  const isCore = segments[0] === "api";
  if (!isCore && segments[0] !== "apis") return undefined;
  const [group = "", version = ""] = isCore ? ["", segments[1]] : [segments[1], segments[2]];
  const rest = segments.slice(isCore ? 2 : 3);
  const lookUp = (name: string | undefined): Resource | undefined => index?.get(`${group}/${version}/${name}`);
  if (rest[0] === "namespaces" && rest[2] !== undefined) {
    const within = lookUp(rest[2]);
    if (within?.namespaced === true) return { resource: within, namespace: rest[1] ?? "", tail: rest.slice(3) };
  }
  const resource = lookUp(rest[0]);
  return resource === undefined ? undefined : { resource, namespace: "", tail: rest.slice(1) };
}
