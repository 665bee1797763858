// API servers that are registered with APIServices: where they are, whether they answer, what they have, and how they are asked.
import type { IncomingHttpHeaders } from "node:http";
import { text as wordsOf } from "node:stream/consumers";
import type { User } from "./access.ts";
import type { Api } from "./api.ts";
import { type Resource, resourceOf } from "./api-data.ts";
import { ApiError } from "./api-error.ts";
import type { KeyPair } from "./certificates.ts";
import { withCondition } from "./conditions.ts";
import { type Json, type JsonObject, list, number, object, parseJson, put, text } from "./json.ts";
import { pass, type Target } from "./proxy.ts";
import type { Route } from "./route.ts";

/** The user that they know this server by; others may not say who asks. */
export const frontProxyUser = "front-proxy-client";

const key = "apiservices.apiregistration.k8s.io";
const checkMs = 30_000;
/** While it does not answer. */
const retryMs = 5_000;
const checkDeadlineMs = 5_000;

/** Is a controller: it keeps the condition Available of APIServices. */
export class Aggregation {
  readonly name = "api-services";
  readonly hears: Readonly<Record<string, (changed: JsonObject) => readonly string[]>>;
  readonly #api: Api;
  readonly #client: KeyPair;
  /** What each of them says that it has, by the names of their APIServices. */
  readonly #resources = new Map<string, readonly Resource[]>();

  /** `client`: what this server is to them. */
  constructor(api: Api, client: KeyPair) {
    this.#api = api;
    this.#client = client;
    const nameOf = (each: JsonObject): string => text(each, "metadata", "name");
    const ofPlace = (changed: JsonObject): readonly string[] => {
      const isThere = (each: JsonObject): boolean =>
        text(each, "spec", "service", "namespace") === text(changed, "metadata", "namespace") &&
        text(each, "spec", "service", "name") === nameOf(changed);
      return api.store.list(key).filter(isThere).map(nameOf);
    };
    this.hears = { [key]: (changed) => [nameOf(changed)], services: ofPlace, endpoints: ofPlace };
  }

  /** What is served, here and by others; what is registered takes the place of what is here. */
  served(): readonly Resource[] {
    const others = [...this.#resources.values()].flat();
    if (others.length === 0) return this.#api.resources;
    const taken = new Set(others.map(({ apiVersion }) => apiVersion));
    return [...this.#api.resources.filter(({ apiVersion }) => !taken.has(apiVersion)), ...others];
  }

  /** Anything may be asked of a version that is registered. */
  find(group: string, version: string, name: string): Resource | undefined {
    if (this.#registered(group, version) === undefined) return undefined;
    const known = this.#resources.get(`${version}.${group}`)?.find((each) => each.name === name);
    return known ?? resourceOf({ group, version, name, namespaced: true });
  }

  /** Where a request for what another server serves goes; undefined for all others. Throws ApiError where that is not there. */
  targetOf({ path, query }: Route): Target | undefined {
    const [, root, group = "", version = ""] = path.split("/");
    const service = root === "apis" ? this.#registered(group, version) : undefined;
    if (service === undefined) return undefined;
    try {
      return this.#target(service, path + (query.size === 0 ? "" : `?${query}`));
    } catch (error) {
      throw error instanceof ApiError ? unreachable(error.message) : error;
    }
  }

  readonly sync = async (name: string): Promise<number | undefined> => {
    const found = this.#api.store.get(key, "", name);
    if (found === undefined || object(found, "spec")["service"] === undefined) {
      this.#resources.delete(name);
      if (found !== undefined) this.#tell(name, "True", "Local", "Local APIServices are always available");
      return undefined;
    }
    try {
      this.#resources.set(name, await this.#discover(found));
      this.#tell(name, "True", "Passed", "all checks passed");
      return checkMs;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#resources.delete(name);
      this.#tell(name, "False", error.reason, error.message);
      return retryMs;
    }
  };

  /** Throws ApiError with the reason why it is not available. */
  async #discover(service: JsonObject): Promise<readonly Resource[]> {
    const [group, version] = [text(service, "spec", "group"), text(service, "spec", "version")];
    const target = this.#target(service, `/apis/${group}/${version}`);
    const url = `https://${target.host}:${target.port}${target.path}`;
    const identity = identityHeaders({ name: "system:kube-aggregator", groups: ["system:masters"] });
    const asked = { method: "GET", headers: { ...identity, accept: "application/json" } };
    try {
      const incoming = await pass(target, asked, AbortSignal.timeout(checkDeadlineMs));
      const said = await wordsOf(incoming);
      if (incoming.statusCode !== 200) throw new Error(`bad status: ${incoming.statusCode}`);
      return resourcesOf(list(parseJson(said), "resources"), group, version);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw unavailable("FailedDiscoveryCheck", `failing or missing response from ${url}: Get "${url}": ${why}`);
    }
  }

  #tell(name: string, status: "True" | "False", reason: string, message: string): void {
    const condition = { type: "Available", status, reason, message };
    const to = (current: JsonObject): JsonObject => {
      const conditions = withCondition(list(current, "status", "conditions"), condition, this.#api.now());
      return put(current, ["status", "conditions"], conditions);
    };
    this.#api.update(this.#api.resource(key), "", name, { subresource: "status", to });
  }

  /** The APIService of a version that another server serves. */
  #registered(group: string, version: string): JsonObject | undefined {
    const found = this.#api.store.get(key, "", `${version}.${group}`);
    return object(found, "spec")["service"] === undefined ? undefined : found;
  }

  #target(registered: JsonObject, path: string): Target {
    const { service, caBundle, insecureSkipTLSVerify } = object(registered, "spec");
    const [namespace, name] = [text(service, "namespace"), text(service, "name")];
    const place = this.#place(namespace, name, number(service, "port") ?? 443);
    const tls = {
      client: this.#client,
      ca: Buffer.from(text(caBundle), "base64").toString() || undefined,
      serverName: `${name}.${namespace}.svc`,
      accepts: insecureSkipTLSVerify === true ? "any" : "verified",
    } as const;
    return { ...place, path, tls, unreachable };
  }

  #place(namespace: string, name: string, port: number): Pick<Target, "host" | "port"> {
    const service = this.#api.store.get("services", namespace, name);
    if (service === undefined)
      throw unavailable("ServiceNotFound", `service/${name} in ${JSON.stringify(namespace)} is not present`);
    if (text(service, "spec", "type") === "ExternalName") return { host: text(service, "spec", "externalName"), port };
    const named = list(service, "spec", "ports").find((each) => number(each, "port") === port);
    const portName = text(named, "name");
    for (const subset of list(this.#api.store.get("endpoints", namespace, name), "subsets")) {
      const host = text(list(subset, "addresses")[0], "ip");
      const open = list(subset, "ports").find((each) => text(each, "name") === portName);
      const found = number(open, "port");
      if (host !== "" && found !== undefined) return { host, port: found };
    }
    const endpoints = `endpoints for service/${name} in ${JSON.stringify(namespace)}`;
    const why = `${endpoints} have no addresses with port name ${JSON.stringify(portName)}`;
    throw unavailable("MissingEndpoints", why);
  }
}

function unavailable(reason: string, message: string): ApiError {
  return new ApiError(503, reason, message);
}

function unreachable(why: string): ApiError {
  return unavailable("ServiceUnavailable", `error trying to reach service: ${why}`);
}

/** Resources with their sub-resources, which an APIResourceList has beside them. */
function resourcesOf(listed: readonly Json[], group: string, version: string): readonly Resource[] {
  return listed.flatMap((each) => {
    const name = text(each, "name");
    if (name.includes("/")) return [];
    const parts = listed.filter((other) => text(other, "name").startsWith(`${name}/`));
    const subresources = parts.map((part) => ({ ...object(part), name: text(part, "name").slice(name.length + 1) }));
    const data = { ...object(each), singular: text(each, "singularName"), group, version, subresources };
    return [resourceOf(data)];
  });
}

/** The headers of a request, with who asks in the place of whatever it says of that. */
export function onBehalfOf(user: User, headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const others = Object.entries(headers).filter(([name]) => !/^(x-remote-|impersonate-)/.test(name));
  return { ...Object.fromEntries(others), ...identityHeaders(user) };
}

function identityHeaders({ name, groups, uid, extra = {} }: User): IncomingHttpHeaders {
  const extras = Object.entries(extra).map(([own, values]) => [
    `x-remote-extra-${encodeURIComponent(own)}`,
    [...values],
  ]);
  return {
    "x-remote-user": name,
    "x-remote-group": [...groups],
    ...(uid === undefined ? {} : { "x-remote-uid": uid }),
    ...Object.fromEntries(extras),
  };
}
