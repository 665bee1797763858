// /api, /apis and the lists under them, in both forms, and /version.
import { apiData, type Resource } from "./api-data.ts";
import type { Json, JsonObject } from "./json.ts";

export interface Discovered {
  readonly body: JsonObject;
  readonly contentType?: string;
}

/** undefined where the path is no discovery path. */
export function discovery(
  path: string,
  accept: string,
  server: string,
  served: readonly Resource[],
): Discovered | undefined {
  const [root, group, version, ...more] = path.split("/").filter((each) => each !== "");
  if (path === "/version") return { body: versionInfo() };
  if (more.length > 0 || (root !== "api" && root !== "apis")) return undefined;
  const own = served.filter((each) => (each.group === "") === (root === "api"));
  if (group === undefined && /g=apidiscovery\.k8s\.io/.test(accept)) return aggregated(own);
  if (group === undefined) return { body: root === "api" ? coreVersions(server) : groupList(own) };
  if (root === "api")
    return version === undefined ? resourceList(own.filter((each) => each.version === group)) : undefined;
  const ofGroup = own.filter((each) => each.group === group);
  if (version !== undefined) return resourceList(ofGroup.filter((each) => each.version === version));
  const [found] = groups(ofGroup);
  return found && { body: { kind: "APIGroup", apiVersion: "v1", ...found } };
}

function versionInfo(): JsonObject {
  const { gitVersion } = apiData();
  const [major = "", minor = ""] = gitVersion.slice(1).split(".");
  return { major, minor, gitVersion, compiler: "node", platform: "dev-cluster" };
}

function coreVersions(serverAddress: string): JsonObject {
  const serverAddressByClientCIDRs = [{ clientCIDR: "0.0.0.0/0", serverAddress }];
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs };
}

/** By group; versions within have the preferred one first. */
function byGroup(served: readonly Resource[]): [string, [string, readonly Resource[]][]][] {
  return [...Map.groupBy(served, ({ group }) => group)].map(([group, resources]) => [
    group,
    [...Map.groupBy(resources, ({ version }) => version)],
  ]);
}

function groups(served: readonly Resource[]): readonly JsonObject[] {
  return byGroup(served).map(([name, byVersion]) => {
    const versions = byVersion.map(([version]) => ({ groupVersion: `${name}/${version}`, version }));
    return { name, versions, preferredVersion: versions[0] };
  });
}

function groupList(served: readonly Resource[]): JsonObject {
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups(served) };
}

/** An empty list is not there. */
const some = (each: readonly Json[]): Json | undefined => (each.length === 0 ? undefined : each);

/** Of one version; undefined where it has none. */
function resourceList(served: readonly Resource[]): Discovered | undefined {
  const [first] = served;
  if (first === undefined) return undefined;
  const resources = served.flatMap(({ name, singular, namespaced, kind, verbs, ...each }): Json[] => [
    {
      name,
      singularName: singular,
      namespaced,
      kind,
      verbs,
      shortNames: some(each.shortNames),
      categories: some(each.categories),
    },
    ...each.subresources.map((sub) => ({
      name: `${name}/${sub.name}`,
      singularName: "",
      namespaced,
      group: sub.group || undefined,
      version: sub.version || undefined,
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ]);
  // The core group's is older than its form.
  const apiVersion = first.group === "" ? undefined : "v1";
  return { body: { kind: "APIResourceList", apiVersion, groupVersion: first.apiVersion, resources } };
}

/** The whole in one document. */
function aggregated(served: readonly Resource[]): Discovered {
  const items = byGroup(served).map(([name, byVersion]) => ({
    metadata: { name: name || undefined, creationTimestamp: null },
    versions: byVersion.map(([version, own]) => ({ version, resources: own.map(describe), freshness: "Current" })),
  }));
  return {
    body: { kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items },
    contentType: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
  };
}

function describe(resource: Resource): JsonObject {
  const subresources = resource.subresources.map(({ name, group, version, kind, verbs }) => ({
    subresource: name,
    responseKind: { group, version, kind },
    verbs,
  }));
  return {
    resource: resource.name,
    responseKind: { group: "", version: "", kind: resource.kind },
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: resource.verbs,
    shortNames: some(resource.shortNames),
    categories: some(resource.categories),
    subresources: some(subresources),
  };
}
