// /api, /apis and the lists under them, in both forms, and /version.
import { apiData, type Resource } from "./api-data.ts";
import type { Json, JsonObject } from "./json.ts";

const aggregatedType = /g=apidiscovery\.k8s\.io/;

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
  const segments = path.split("/").filter((each) => each !== "");
  const [root, group, version] = segments;
  if (root === "version" && segments.length === 1) return { body: versionInfo() };
  if (root === "api") {
    if (segments.length === 1)
      return aggregatedType.test(accept) ? aggregated("", served) : { body: coreVersions(server) };
    return segments.length === 2 && group === "v1" ? resourceList("", "v1", served) : undefined;
  }
  if (root !== "apis") return undefined;
  if (segments.length === 1) return aggregatedType.test(accept) ? aggregated("*", served) : { body: groupList(served) };
  if (segments.length === 2) {
    const found = groups(served).find((each) => each["name"] === group);
    return found === undefined ? undefined : { body: { kind: "APIGroup", apiVersion: "v1", ...found } };
  }
  return segments.length === 3 ? resourceList(group ?? "", version ?? "", served) : undefined;
}

function versionInfo(): JsonObject {
  const { gitVersion } = apiData();
  const [major = "", minor = ""] = gitVersion.slice(1).split(".");
  return {
    major,
    minor,
    gitVersion,
    gitCommit: "",
    gitTreeState: "",
    buildDate: "",
    goVersion: "",
    compiler: "node",
    platform: "dev-cluster",
  };
}

function coreVersions(server: string): JsonObject {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: server }],
  };
}

function groups(served: readonly Resource[]): readonly JsonObject[] {
  const named = served.filter(({ group }) => group !== "");
  return [...Map.groupBy(named, ({ group }) => group)].map(([name, resources]) => {
    const versions = [...byVersion(resources).keys()].map((version) => ({
      groupVersion: `${name}/${version}`,
      version,
    }));
    return { name, versions, preferredVersion: versions[0] };
  });
}

/** The preferred one first. */
function byVersion(resources: readonly Resource[]): ReadonlyMap<string, readonly Resource[]> {
  return Map.groupBy(resources, ({ version }) => version);
}

function groupList(served: readonly Resource[]): JsonObject {
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups(served) };
}

function resourceList(group: string, version: string, served: readonly Resource[]): Discovered | undefined {
  const own = served.filter((each) => each.group === group && each.version === version);
  const [first] = own;
  if (first === undefined) return undefined;
  const resources = own.flatMap((each): Json[] => [
    {
      name: each.name,
      singularName: each.singular,
      namespaced: each.namespaced,
      kind: each.kind,
      verbs: each.verbs,
      ...(each.shortNames.length > 0 ? { shortNames: each.shortNames } : {}),
      ...(each.categories.length > 0 ? { categories: each.categories } : {}),
    },
    ...each.subresources.map((sub) => ({
      name: `${each.name}/${sub.name}`,
      singularName: "",
      namespaced: each.namespaced,
      ...(sub.group === "" ? {} : { group: sub.group }),
      ...(sub.version === "" ? {} : { version: sub.version }),
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ]);
  // The core group's is older than its form.
  const form = first.group === "" ? {} : { apiVersion: "v1" };
  return { body: { kind: "APIResourceList", ...form, groupVersion: first.apiVersion, resources } };
}

/** The whole in one document; of the core group, or of all others. */
function aggregated(which: "" | "*", served: readonly Resource[]): Discovered {
  const byGroup = Map.groupBy(
    served.filter(({ group }) => (which === "") === (group === "")),
    ({ group }) => group,
  );
  const items = [...byGroup].map(([name, resources]) => ({
    metadata: name === "" ? { creationTimestamp: null } : { name, creationTimestamp: null },
    versions: [...byVersion(resources)].map(([version, own]) => ({
      version,
      resources: own.map(describe),
      freshness: "Current",
    })),
  }));
  return {
    body: { kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items },
    contentType: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
  };
}

function describe(resource: Resource): JsonObject {
  return {
    resource: resource.name,
    responseKind: { group: "", version: "", kind: resource.kind },
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(resource.shortNames.length > 0 ? { shortNames: resource.shortNames } : {}),
    ...(resource.categories.length > 0 ? { categories: resource.categories } : {}),
    ...(resource.subresources.length === 0
      ? {}
      : {
          subresources: resource.subresources.map(({ name, group, version, kind, verbs }) => ({
            subresource: name,
            responseKind: { group, version, kind },
            verbs,
          })),
        }),
  };
}
