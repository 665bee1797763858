// Writes packages/dev-cluster/data/api.json.br: what a real API server says of itself, reduced to what the development cluster
// is driven by: discovery, schemas, columns of tables, what is there from the start, what it makes of objects. Starts a control
// plane; run again for a new version.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { asker } from "../e2e/dev-traffic.ts";
import type { ApiFile, CapturedResource } from "../packages/dev-cluster/src/api-data.ts";
import { type Json, type JsonObject, list, object, text, texts } from "../packages/dev-cluster/src/json.ts";
import { type ControlPlane, startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { captureKinds } from "./capture-kinds.ts";
import { captureMessages } from "./capture-messages.ts";
import { captureSelectable } from "./capture-selectors.ts";

const output = join(import.meta.dirname, "../packages/dev-cluster/data/api.json.br");
const discoveryType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io";
const kubernetes = process.argv[2] ?? "1.36.3";
await using cluster = await startControlPlane({ version: kubernetes });
const get = reader(cluster);

/** Versions in the order of the server's preference. */
const versions = [
  ...list(await get("/api", discoveryType), "items"),
  ...list(await get("/apis", discoveryType), "items"),
].flatMap((group) => list(group, "versions").map((version) => ({ group: text(group, "metadata", "name"), version })));

const schemas = new Map<string, Json>();
const resources: CapturedResource[] = [];
for (const { group, version } of versions) {
  const versionName = text(version, "version");
  const root = group === "" ? `api/${versionName}` : `apis/${group}/${versionName}`;
  const document = await get(`/openapi/v3/${root}`, "application/json");
  for (const [name, schema] of schemasOf(document)) schemas.set(name, schema);
  for (const resource of list(version, "resources")) {
    resources.push(await describe(cluster, document, root, group, versionName, resource));
  }
}
const { gatedResources, gatedNodeRules } = await captureGated(resources);

const initialObjects: JsonObject[] = [];
for (const { group, version, name } of resources) {
  if (!isInitial(group, name)) continue;
  const answer = await get(`/${group === "" ? "api/v1" : `apis/${group}/${version}`}/${name}`, "application/json");
  const kept = list(answer, "items").map((each) =>
    bare(text(answer, "apiVersion"), text(answer, "kind"), object(each)),
  );
  initialObjects.push(...kept);
}
const makeable = resources.filter(({ verbs, kind }) => {
  return verbs.includes("list") && verbs.includes("create") && kind !== "CustomResourceDefinition";
});
// Without controllers, which would change what is made.
await using still = await startControlPlane({ version: kubernetes, controllers: false });
const { made, defaults } = await captureKinds(asker(still), makeable, Object.fromEntries(schemas));
const gitVersion = text(await get("/version", "application/json"), "gitVersion");
const documents = [...schemas].filter(([, schema]) => list(schema, "x-kubernetes-group-version-kind").length > 0);
const messages = captureMessages(
  gitVersion,
  documents.map(([name]) => name),
);
const data: ApiFile = {
  gitVersion,
  messages,
  resources,
  gatedResources,
  gatedNodeRules,
  made,
  defaults,
  initialObjects,
  schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
};
const bytes = Buffer.from(JSON.stringify(data));
const compressed = brotliCompressSync(bytes, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  },
});
writeFileSync(output, compressed);
console.log(
  `${data.gitVersion}: ${resources.length} and ${gatedResources.length} resources, ${schemas.size} schemas, ${Object.keys(messages).length} messages, ${bytes.length} bytes as ${compressed.length}`,
);

/** Kinds that are there for those who ask for them alone, in the newest version that has them, and what nodes may do to them; their schemas are added. */
async function captureGated(
  ungated: readonly CapturedResource[],
): Promise<{ readonly gatedResources: CapturedResource[]; readonly gatedNodeRules: JsonObject[] }> {
  const flags = ["--feature-gates=AllAlpha=true,AllBeta=true", "--runtime-config=api/all=true"];
  await using open = await startControlPlane({ version: kubernetes, controllers: false, apiServerArgs: flags });
  const ask = reader(open);
  const nameOf = (group: string, resource: string): string => `${resource}.${group}`;
  const known = new Set(ungated.map((each) => nameOf(each.group, each.name)));
  const found: CapturedResource[] = [];
  for (const item of list(await ask("/apis", discoveryType), "items")) {
    const group = text(item, "metadata", "name");
    for (const offered of list(item, "versions")) {
      const version = text(offered, "version");
      for (const resource of list(offered, "resources")) {
        const name = nameOf(group, text(resource, "resource"));
        if (known.has(name)) continue;
        known.add(name);
        const root = `apis/${group}/${version}`;
        const document = await ask(`/openapi/v3/${root}`, "application/json");
        found.push(await describe(open, document, root, group, version, resource));
        addSchemas(document, text(resource, "responseKind", "kind"));
      }
    }
  }
  const names = new Set(found.map((each) => nameOf(each.group, each.name)));
  const nodes = await ask("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node", "application/json");
  const isGated = (rule: Json): boolean =>
    texts(rule, "apiGroups").some((group) => texts(rule, "resources").some((name) => names.has(nameOf(group, name))));
  return {
    gatedResources: found,
    gatedNodeRules: list(nodes, "rules")
      .filter(isGated)
      .map((rule) => object(rule)),
  };
}

/** Those of a kind and its lists, and what they need. */
function addSchemas(document: Json, kind: string): void {
  const all = new Map(schemasOf(document));
  const pending = [...all.keys()].filter((name) => [kind, `${kind}List`].includes(name.split(".").at(-1) ?? ""));
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const schema = all.get(name);
    if (schema === undefined || schemas.has(name)) continue;
    schemas.set(name, schema);
    for (const [, other = ""] of JSON.stringify(schema).matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      pending.push(other);
  }
}

type Ask = (path: string, accept: string) => Promise<Json>;

function schemasOf(document: Json): [string, Json][] {
  return Object.entries(object(document, "components", "schemas")).map(([name, schema]) => [name, schema ?? null]);
}

/** A resource of the aggregated discovery, with the columns of its tables. */
async function describe(
  plane: ControlPlane,
  document: Json,
  root: string,
  group: string,
  version: string,
  resource: Json,
): Promise<CapturedResource> {
  const name = text(resource, "resource");
  const verbs = texts(resource, "verbs");
  const path = `/${root}/${name}`;
  const isListed = verbs.includes("list");
  const columns = isListed ? list(await reader(plane)(path, tableType), "columnDefinitions") : [];
  const kind = text(resource, "responseKind", "kind");
  const schemas = object(document, "components", "schemas");
  return {
    group,
    version,
    name,
    kind,
    singular: text(resource, "singularResource"),
    namespaced: text(resource, "scope") === "Namespaced",
    verbs,
    shortNames: texts(resource, "shortNames"),
    categories: texts(resource, "categories"),
    subresources: list(resource, "subresources").map((each) => ({
      name: text(each, "subresource"),
      group: text(each, "responseKind", "group"),
      version: text(each, "responseKind", "version"),
      kind: text(each, "responseKind", "kind"),
      verbs: texts(each, "verbs"),
    })),
    columns: columns.map((each) => ({
      name: text(each, "name"),
      type: text(each, "type"),
      format: text(each, "format"),
      description: text(each, "description"),
      priority: Number(object(each)["priority"] ?? 0),
    })),
    selectable: isListed ? await captureSelectable(asker(plane), path, kind, schemas) : {},
  };
}

/** What is the same in every cluster, and of use here. */
function isInitial(group: string, name: string): boolean {
  return (
    ["rbac.authorization.k8s.io", "flowcontrol.apiserver.k8s.io", "scheduling.k8s.io"].includes(group) ||
    ["namespaces", "apiservices", "servicecidrs"].includes(name)
  );
}

/** Without what is of one cluster. */
function bare(apiVersion: string, listKind: string, { metadata, status: _, ...content }: JsonObject): JsonObject {
  const kept = Object.entries(object(metadata)).filter(([key]) =>
    ["name", "namespace", "labels", "annotations"].includes(key),
  );
  return { apiVersion, kind: listKind.replace(/List$/, ""), metadata: Object.fromEntries(kept), ...content };
}

function reader(plane: ControlPlane): Ask {
  const ask = asker(plane);
  return async (path, accept) => {
    const { code, body } = await ask({ method: "GET", path, accept, contentType: "", body: "" });
    if (code !== 200) throw new Error(`${path}: ${code} ${JSON.stringify(body).slice(0, 300)}`);
    return body;
  };
}
