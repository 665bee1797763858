// Writes packages/virtual-kubelet/src/kube/types.gen.ts from the API server's own OpenAPI v3 documents, as published in
// the Go module of Kubernetes. Wire truth: timestamps and quantities are strings, what the document requires is required.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const version = process.argv[2] ?? "v1.36.3";
const output = new URL("../packages/virtual-kubelet/src/kube/types.gen.ts", import.meta.url);

/** Documents to read, and the schemas whose closure is generated. */
const roots: Readonly<Record<string, readonly string[]>> = {
  "api__v1_openapi.json": [
    "io.k8s.api.core.v1.Pod",
    "io.k8s.api.core.v1.Node",
    "io.k8s.api.core.v1.Event",
    "io.k8s.api.core.v1.Secret",
    "io.k8s.api.core.v1.ConfigMap",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.ServiceAccount",
    "io.k8s.api.core.v1.Namespace",
    "io.k8s.api.core.v1.Binding",
    "io.k8s.api.authentication.v1.TokenRequest",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta",
  ],
  "apis__coordination.k8s.io__v1_openapi.json": ["io.k8s.api.coordination.v1.Lease"],
  "apis__certificates.k8s.io__v1_openapi.json": ["io.k8s.api.certificates.v1.CertificateSigningRequest"],
  "apis__authentication.k8s.io__v1_openapi.json": ["io.k8s.api.authentication.v1.TokenReview"],
  "apis__authorization.k8s.io__v1_openapi.json": ["io.k8s.api.authorization.v1.SubjectAccessReview"],
  "apis__node.k8s.io__v1_openapi.json": ["io.k8s.api.node.v1.RuntimeClass"],
  "apis__apps__v1_openapi.json": [
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.DaemonSet",
    "io.k8s.api.apps.v1.ReplicaSet",
    "io.k8s.api.apps.v1.StatefulSet",
  ],
  "apis__batch__v1_openapi.json": ["io.k8s.api.batch.v1.Job"],
  "apis__policy__v1_openapi.json": ["io.k8s.api.policy.v1.Eviction", "io.k8s.api.policy.v1.PodDisruptionBudget"],
  "apis__discovery.k8s.io__v1_openapi.json": ["io.k8s.api.discovery.v1.EndpointSlice"],
};

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

const download = execFileSync("go", ["mod", "download", "-json", `k8s.io/kubernetes@${version}`], { encoding: "utf8" });
const moduleDirectory: unknown = JSON.parse(download).Dir;
if (typeof moduleDirectory !== "string") throw new Error(`no module directory for k8s.io/kubernetes@${version}`);

const schemas = new Map<string, Schema>();
const wanted: string[] = [];
for (const [file, names] of Object.entries(roots)) {
  const document: { components: { schemas: Record<string, Schema> } } = JSON.parse(
    readFileSync(join(moduleDirectory, "api/openapi-spec/v3", file), "utf8"),
  );
  for (const [name, schema] of Object.entries(document.components.schemas)) schemas.set(name, schema);
  wanted.push(...names);
}

const scalars: Readonly<Record<string, string>> = {
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "Time",
  "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "MicroTime",
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "Quantity",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "IntOrString",
  "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "Readonly<Record<string, unknown>>",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "unknown",
};

const shortNames = new Map<string, string>();
function nameOf(full: string): string {
  const known = shortNames.get(full);
  if (known !== undefined) return known;
  const parts = full.split(".");
  const short = parts.at(-1) ?? full;
  const taken = [...shortNames.values()].includes(short);
  const name = taken ? `${parts.at(-3) ?? ""}_${short}`.replace(/^./, (letter) => letter.toUpperCase()) : short;
  shortNames.set(full, name);
  return name;
}

const pending: string[] = [];
function typeOf(schema: Schema): string {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (reference !== undefined) {
    const full = reference.replace("#/components/schemas/", "");
    const scalar = scalars[full];
    if (scalar !== undefined) return scalar;
    pending.push(full);
    return nameOf(full);
  }
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `readonly ${wrap(typeOf(schema.items ?? {}))}[]`;
  if (schema.type === "object" && typeof schema.additionalProperties === "object")
    return `Readonly<Record<string, ${typeOf(schema.additionalProperties)}>>`;
  if (schema.type === "object") return "Readonly<Record<string, unknown>>";
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "boolean") return "boolean";
  if (schema.type === "string") return "string";
  return "unknown";
}

function wrap(type: string): string {
  return type.includes(" ") && !type.startsWith("Readonly<") ? `(${type})` : type;
}

function firstSentence(text: string): string {
  const sentence = text.split(/(?<=[.])\s|\n/)[0] ?? "";
  return sentence.replaceAll("*/", "* /").trim();
}

const blocks: string[] = [];
const done = new Set<string>();
for (const name of wanted) nameOf(name);
pending.push(...wanted);
for (let full = pending.shift(); full !== undefined; full = pending.shift()) {
  if (done.has(full)) continue;
  done.add(full);
  const schema = schemas.get(full);
  if (schema === undefined) throw new Error(`schema ${full} is in no document read`);
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(
    ([field, value]) =>
      `  readonly ${/^\w+$/.test(field) ? field : JSON.stringify(field)}${required.has(field) ? "" : "?"}: ${typeOf(value)};`,
  );
  const heading = schema.description === undefined ? "" : `/** ${firstSentence(schema.description)} */\n`;
  blocks.push(`${heading}export interface ${nameOf(full)} {\n${fields.join("\n")}\n}`);
}
blocks.sort((a, b) => (/interface (\w+)/.exec(a)?.[1] ?? "").localeCompare(/interface (\w+)/.exec(b)?.[1] ?? ""));

writeFileSync(
  output,
  `// Generated by scripts/generate-types.ts from the OpenAPI v3 documents of Kubernetes ${version}. Do not edit.

/** RFC 3339, whole seconds, UTC. */
export type Time = string;
/** RFC 3339 with six fractional digits, UTC. */
export type MicroTime = string;
/** A Kubernetes quantity, e.g. "100m", "1Gi". */
export type Quantity = string;
export type IntOrString = number | string;

${blocks.join("\n\n")}
`,
);
console.log(`${blocks.length} types of ${version}`);
