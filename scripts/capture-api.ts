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
/** Groups that make others, or show the objects of another group in another form: there is no conversion. */
const foreignGroups = ["apiextensions.k8s.io", "apiregistration.k8s.io", "events.k8s.io"];

await using cluster = await startControlPlane({ version: process.argv[2] ?? "1.36.3" });
const get = reader(cluster.kubeconfig, cluster.server);

const groups = [...list(await get("/api", discoveryType), "items"), ...list(await get("/apis", discoveryType), "items")]
  .filter((group) => !foreignGroups.includes(text(group, "metadata", "name")))
  // One version of each: the one that the server prefers. There is no conversion.
  .map((group) => ({ name: text(group, "metadata", "name"), version: list(group, "versions")[0] ?? null }));

const schemas = new Map<string, Json>();
const resources: Json[] = [];
for (const { name: group, version } of groups) {
  const versionName = text(version, "version");
  const root = group === "" ? `api/${versionName}` : `apis/${group}/${versionName}`;
  const document = await get(`/openapi/v3/${root}`, "application/json");
  for (const [name, schema] of entries(document, "components", "schemas")) schemas.set(name, schema);
  for (const resource of list(version, "resources")) {
    resources.push({ group, version: versionName, ...(await describe(root, resource)) });
  }
}

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
  `${data.gitVersion}: ${resources.length} resources, ${schemas.size} schemas, ${Object.keys(messages).length} messages, ${bytes.length} bytes as ${compressed.length}`,
);

/** A resource of the aggregated discovery, with the columns of its tables. */
async function describe(root: string, resource: Json): Promise<{ [key: string]: Json }> {
  const name = text(resource, "resource");
  const verbs = list(resource, "verbs");
  const listable = verbs.includes("list");
  const columns = listable ? list(await get(`/${root}/${name}`, tableType), "columnDefinitions") : [];
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

function reader(kubeconfig: string, server: string): (path: string, accept: string) => Promise<Json> {
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
