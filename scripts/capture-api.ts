// Writes packages/dev-cluster/data/api.json.br: what a real API server says of itself, reduced to what the development cluster
// is driven by: discovery, schemas, columns of tables, cluster roles. Starts a control plane; run again for a new version.
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { captureMessages } from "./capture-messages.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const output = join(import.meta.dirname, "../packages/dev-cluster/data/api.json.br");
const discoveryType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io";
const kubernetes = process.argv[2] ?? "1.36.3";
await using cluster = await startControlPlane({ version: kubernetes });
const get = reader(cluster.kubeconfig, cluster.server);

/** Versions in the order of the server's preference. */
const versions = [
  ...list(await get("/api", discoveryType), "items"),
  ...list(await get("/apis", discoveryType), "items"),
].flatMap((group) => list(group, "versions").map((version) => ({ group: text(group, "metadata", "name"), version })));

const schemas = new Map<string, Json>();
const resources: Json[] = [];
for (const { group, version } of versions) {
  const versionName = text(version, "version");
  const root = group === "" ? `api/${versionName}` : `apis/${group}/${versionName}`;
  const document = await get(`/openapi/v3/${root}`, "application/json");
  for (const [name, schema] of entries(document, "components", "schemas")) schemas.set(name, schema);
  for (const resource of list(version, "resources")) {
    resources.push({ group, version: versionName, ...(await describe(get, root, resource)) });
  }
}
const { gatedResources, gatedNodeRules } = await captureGated(resources);

const roles = list(await get("/apis/rbac.authorization.k8s.io/v1/clusterroles", "application/json"), "items");
const bindings = list(await get("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "application/json"), "items");
const gitVersion = text(await get("/version", "application/json"), "gitVersion");
const documents = [...schemas].filter(([, schema]) => list(schema, "x-kubernetes-group-version-kind").length > 0);
const messages = captureMessages(
  gitVersion,
  documents.map(([name]) => name),
);
const data = {
  gitVersion,
  messages,
  resources,
  gatedResources,
  gatedNodeRules,
  apiServices: list(await get("/apis/apiregistration.k8s.io/v1/apiservices", "application/json"), "items").map(
    (each) => ({ name: text(each, "metadata", "name"), spec: at(each, ["spec"]) ?? null }),
  ),
  schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
  roles: [
    ...roles.map((role) => bare("ClusterRole", role)),
    ...bindings.map((role) => bare("ClusterRoleBinding", role)),
  ],
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
  ungated: readonly Json[],
): Promise<{ readonly gatedResources: Json[]; readonly gatedNodeRules: Json[] }> {
  const flags = ["--feature-gates=AllAlpha=true,AllBeta=true", "--runtime-config=api/all=true"];
  await using open = await startControlPlane({ version: kubernetes, controllers: false, apiServerArgs: flags });
  const ask = reader(open.kubeconfig, open.server);
  const nameOf = (group: string, resource: string): string => `${resource}.${group}`;
  const known = new Set(ungated.map((each) => nameOf(text(each, "group"), text(each, "name"))));
  const found: Json[] = [];
  for (const item of list(await ask("/apis", discoveryType), "items")) {
    const group = text(item, "metadata", "name");
    for (const offered of list(item, "versions")) {
      const version = text(offered, "version");
      for (const resource of list(offered, "resources")) {
        const name = nameOf(group, text(resource, "resource"));
        if (known.has(name)) continue;
        known.add(name);
        const root = `apis/${group}/${version}`;
        found.push({ group, version, ...(await describe(ask, root, resource)) });
        addSchemas(await ask(`/openapi/v3/${root}`, "application/json"), text(resource, "responseKind", "kind"));
      }
    }
  }
  const names = new Set(found.map((each) => nameOf(text(each, "group"), text(each, "name"))));
  const nodes = await ask("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node", "application/json");
  const isGated = (rule: Json): boolean =>
    list(rule, "apiGroups").some((group) => list(rule, "resources").some((name) => names.has(`${name}.${group}`)));
  return { gatedResources: found, gatedNodeRules: list(nodes, "rules").filter(isGated) };
}

/** Those of a kind and its lists, and what they need. */
function addSchemas(document: Json, kind: string): void {
  const all = new Map(entries(document, "components", "schemas"));
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

/** A resource of the aggregated discovery, with the columns of its tables. */
async function describe(ask: Ask, root: string, resource: Json): Promise<{ [key: string]: Json }> {
  const name = text(resource, "resource");
  const verbs = list(resource, "verbs");
  const listable = verbs.includes("list");
  const columns = listable ? list(await ask(`/${root}/${name}`, tableType), "columnDefinitions") : [];
  return {
    name,
    kind: text(resource, "responseKind", "kind"),
    singular: text(resource, "singularResource"),
    namespaced: text(resource, "scope") === "Namespaced",
    verbs,
    shortNames: list(resource, "shortNames"),
    categories: list(resource, "categories"),
    subresources: list(resource, "subresources").map((each) => ({
      name: text(each, "subresource"),
      group: text(each, "responseKind", "group"),
      version: text(each, "responseKind", "version"),
      kind: text(each, "responseKind", "kind"),
      verbs: list(each, "verbs"),
    })),
    columns,
  };
}

function bare(kind: string, object: Json): Json {
  const fields = entries(object).filter(([key]) => key !== "metadata");
  const metadata = entries(object, "metadata").filter(([key]) => ["name", "labels", "annotations"].includes(key));
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind,
    metadata: Object.fromEntries(metadata),
    ...Object.fromEntries(fields),
  };
}

function at(value: Json | undefined, path: readonly string[]): Json | undefined {
  let here: Json | undefined = value;
  for (const key of path) {
    if (here === null || typeof here !== "object" || Array.isArray(here)) return undefined;
    here = here[key];
  }
  return here;
}

function list(value: Json, ...path: string[]): Json[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

function text(value: Json, ...path: string[]): string {
  const found = at(value, path);
  return typeof found === "string" ? found : "";
}

function entries(value: Json, ...path: string[]): [string, Json][] {
  const found = at(value, path);
  return found !== undefined && found !== null && typeof found === "object" && !Array.isArray(found)
    ? Object.entries(found)
    : [];
}

function reader(kubeconfig: string, server: string): Ask {
  const config: Json = JSON.parse(readFileSync(kubeconfig, "utf8"));
  const decode = (base64: string): string => Buffer.from(base64, "base64").toString();
  const [context] = list(config, "clusters");
  const [user] = list(config, "users");
  const ca = decode(text(context ?? null, "cluster", "certificate-authority-data"));
  const cert = decode(text(user ?? null, "user", "client-certificate-data"));
  const key = decode(text(user ?? null, "user", "client-key-data"));
  return (path, accept) =>
    new Promise((settle, reject) => {
      request(`${server}${path}`, { ca, cert, key, headers: { Accept: accept } }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk)).once("error", reject);
        incoming.once("end", () => {
          const answer = Buffer.concat(chunks).toString();
          if (incoming.statusCode === 200) settle(JSON.parse(answer));
          else reject(new Error(`${path}: ${incoming.statusCode} ${answer.slice(0, 300)}`));
        });
      })
        .once("error", reject)
        .end();
    });
}
