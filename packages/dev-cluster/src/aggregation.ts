// API servers that are registered with APIServices: where they are, whether they answer, what they have, and how they are asked.
import type { IncomingHttpHeaders } from "node:http";
import type { User } from "./access.ts";
import type { Api } from "./api.ts";
import { type Resource, resourceOf } from "./api-data.ts";
import { ApiError, noSuchResource } from "./api-error.ts";
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

interface Fault {
  readonly reason: string;
  readonly message: string;
}

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
    const ofPlace = (changed: JsonObject): readonly string[] => {
      const [namespace, name] = [text(changed, "metadata", "namespace"), text(changed, "metadata", "name")];
      const isThere = (each: JsonObject): boolean =>
        text(each, "spec", "service", "namespace") === namespace && text(each, "spec", "service", "name") === name;
      return api.store
        .list(key)
        .filter(isThere)
        .map((each) => text(each, "metadata", "name"));
    };
    this.hears = { [key]: (changed) => [text(changed, "metadata", "name")], services: ofPlace, endpoints: ofPlace };
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
    if (this.#service(group, version) === undefined) return undefined;
    const known = this.#resources.get(`${version}.${group}`)?.find((each) => each.name === name);
    return known ?? resourceOf({ group, version, name, namespaced: true });
  }

  serves(route: Route): boolean {
    return this.#asked(route) !== undefined;
  }

  /** Where a request for what another server serves goes. Throws ApiError where that is not there. */
  targetOf(route: Route): Target {
    const service = this.#asked(route);
    if (service === undefined) throw noSuchResource();
    const { path, query } = route;
    const target = this.#target(service, path + (query.size === 0 ? "" : `?${query}`));
    if ("reason" in target)
      throw new ApiError(503, "ServiceUnavailable", `error trying to reach service: ${target.message}`);
    return target;
  }

  async sync(name: string): Promise<number | undefined> {
    const found = this.#api.store.get(key, "", name);
    if (found === undefined || object(found, "spec")["service"] === undefined) {
      this.#resources.delete(name);
      const message = "Local APIServices are always available";
      if (found !== undefined) this.#tell(found, "True", { reason: "Local", message });
      return undefined;
    }
    const fault = await this.#check(found, name);
    if (fault !== undefined) this.#resources.delete(name);
    this.#tell(
      found,
      fault === undefined ? "True" : "False",
      fault ?? { reason: "Passed", message: "all checks passed" },
    );
    return fault === undefined ? checkMs : retryMs;
  }

  async #check(service: JsonObject, name: string): Promise<Fault | undefined> {
    const [group, version] = [text(service, "spec", "group"), text(service, "spec", "version")];
    const target = this.#target(service, `/apis/${group}/${version}`);
    if ("reason" in target) return target;
    const url = `https://${target.host}:${target.port}${target.path}`;
    const fault = (why: string): Fault => ({
      reason: "FailedDiscoveryCheck",
      message: `failing or missing response from ${url}: ${why}`,
    });
    try {
      const headers = {
        ...identityHeaders({ name: "system:kube-aggregator", groups: ["system:masters"] }),
        accept: "application/json",
      };
      const asked = { method: "GET", headers, signal: AbortSignal.timeout(checkDeadlineMs) };
      const incoming = await pass(target, asked, Buffer.alloc(0));
      const chunks: Buffer[] = await incoming.toArray();
      if (incoming.statusCode !== 200) return fault(`bad status from ${url}: ${incoming.statusCode}`);
      const resources = list(parseJson(Buffer.concat(chunks).toString()), "resources");
      this.#resources.set(name, resourcesOf(resources, group, version));
      return undefined;
    } catch (error) {
      return fault(`Get "${url}": ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #tell(service: JsonObject, status: "True" | "False", why: Fault): void {
    const to = (current: JsonObject): JsonObject => {
      const conditions = withCondition(
        list(current, "status", "conditions"),
        { type: "Available", status, ...why },
        this.#api.now(),
      );
      return put(current, ["status", "conditions"], conditions);
    };
    this.#api.update(this.#api.resource(key), "", text(service, "metadata", "name"), { subresource: "status", to });
  }

  #asked({ path }: Route): JsonObject | undefined {
    const [, root, group = "", version = ""] = path.split("/");
    return root === "apis" ? this.#service(group, version) : undefined;
  }

  /** The APIService of a version that another server serves. */
  #service(group: string, version: string): JsonObject | undefined {
    const found = this.#api.store.get(key, "", `${version}.${group}`);
    return object(found, "spec")["service"] === undefined ? undefined : found;
  }

  #target(service: JsonObject, path: string): Target | Fault {
    const namespace = text(service, "spec", "service", "namespace");
    const name = text(service, "spec", "service", "name");
    const place = this.#place(namespace, name, number(service, "spec", "service", "port") ?? 443);
    if ("reason" in place) return place;
    const bundle = Buffer.from(text(service, "spec", "caBundle"), "base64").toString();
    const tls = {
      client: this.#client,
      ca: bundle === "" ? undefined : bundle,
      serverName: `${name}.${namespace}.svc`,
      accepts: object(service, "spec")["insecureSkipTLSVerify"] === true ? "any" : "verified",
    } as const;
    const unreachable = (why: string): ApiError =>
      new ApiError(503, "ServiceUnavailable", `error trying to reach service: ${why}`);
    return { ...place, path, tls, unreachable };
  }

  #place(namespace: string, name: string, port: number): Pick<Target, "host" | "port"> | Fault {
    const service = this.#api.store.get("services", namespace, name);
    if (service === undefined)
      return { reason: "ServiceNotFound", message: `service/${name} in ${JSON.stringify(namespace)} is not present` };
    if (text(service, "spec", "type") === "ExternalName") return { host: text(service, "spec", "externalName"), port };
    const portName = text(
      list(service, "spec", "ports").find((each) => number(each, "port") === port),
      "name",
    );
    for (const subset of list(this.#api.store.get("endpoints", namespace, name), "subsets")) {
      const host = text(list(subset, "addresses")[0], "ip");
      const found = number(
        list(subset, "ports").find((each) => text(each, "name") === portName),
        "port",
      );
      if (host !== "" && found !== undefined) return { host, port: found };
    }
    const message = `endpoints for service/${name} in ${JSON.stringify(namespace)} have no addresses with port name ${JSON.stringify(portName)}`;
    return { reason: "MissingEndpoints", message };
  }
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
