// The configuration file's schema as JSON Schema, for the values of the chart: read off the program's own.
import * as v from "valibot";
import { fileSchema } from "../../packages/virtual-kubelet/src/program/config-schema.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What the chart itself sets, or what does not go with it: its metrics port is not on loopback. */
const chartsOwn = [
  ...["kubeconfig", "kubeContext", "metricsAddr", "kubelet.certFile", "kubelet.keyFile", "kubelet.certDir"],
  ...[
    "kubelet.serverTLSBootstrap",
    "kubelet.bootstrapKubeconfig",
    "kubelet.rotateCertificates",
    "webView.insecureWithoutAuthentication",
  ],
];

/** Of `config`: what holds for all instances lacks the nodes. */
export function configJsonSchema(nodes: "with nodes" | "without nodes"): JsonSchema {
  const schema = jsonSchemaOf(fileSchema, "");
  if (!isRecord(schema["properties"])) throw new Error("the configuration file has no settings");
  const { nodes: list, ...rest } = schema["properties"];
  if (nodes === "without nodes") return { ...schema, properties: rest };
  return {
    ...schema,
    properties: { ...rest, nodes: { ...(isRecord(list) ? list : {}), minItems: 1 } },
    required: ["nodes"],
  };
}

function jsonSchemaOf(schema: unknown, path: string): JsonSchema {
  if (!isRecord(schema)) throw new Error(`${path}: no schema`);
  if (schema["wrapped"] !== undefined) return jsonSchemaOf(schema["wrapped"], path);
  if (Array.isArray(schema["pipe"])) {
    const [first, ...actions]: readonly unknown[] = schema["pipe"];
    const text = actions.find((action) => isRecord(action) && action["type"] === "description");
    const description =
      isRecord(text) && typeof text["description"] === "string" ? { description: text["description"] } : {};
    return { ...jsonSchemaOf(first, path), ...description };
  }
  const { type, entries } = schema;
  if (type === "object" && isRecord(entries)) return objectSchema(entries, path);
  if (type === "array") return { type: "array", items: jsonSchemaOf(schema["item"], `${path}[]`) };
  if (type === "record") return { type: "object", additionalProperties: jsonSchemaOf(schema["value"], `${path}{}`) };
  if (type === "picklist" && Array.isArray(schema["options"])) return { enum: schema["options"] };
  if (type === "unknown") return {};
  if (type === "custom" && isLeaf(schema)) return leafSchema(schema, path);
  throw new Error(`${path}: ${String(type)} is not known here`);
}

function objectSchema(entries: Readonly<Record<string, unknown>>, path: string): JsonSchema {
  const taken = Object.entries(entries)
    .map(([key, inner]) => ({ key, inner, at: path === "" ? key : `${path}.${key}` }))
    .filter(({ at }) => !chartsOwn.includes(at));
  const required = taken
    .filter(({ inner }) => !isRecord(inner) || inner["type"] !== "exact_optional")
    .map(({ key }) => key);
  return {
    type: "object",
    additionalProperties: false,
    ...(required.length > 0 ? { required } : {}),
    properties: Object.fromEntries(taken.map(({ key, inner, at }) => [key, jsonSchemaOf(inner, at)])),
  };
}

const isLeaf = (schema: unknown): schema is v.GenericSchema =>
  isRecord(schema) && schema["kind"] === "schema" && typeof schema["~run"] === "function";

/** A leaf checks by a function: what it takes is found by asking it. */
function leafSchema(schema: v.GenericSchema, path: string): JsonSchema {
  if (v.is(schema, true) && v.is(schema, false)) return { type: "boolean" };
  const range = /from (-?\d+) to (-?\d+)$/.exec(v.safeParse(schema, {}).issues?.[0].message ?? "");
  if (range !== null) {
    const whole = !v.is(schema, 0.5);
    // A port that is chosen when the program starts is one that no policy can let through.
    const minimum = /(?:^|\.|\])port$/.test(path) ? 1 : Number(range[1]);
    return { type: whole ? "integer" : "number", minimum, maximum: Number(range[2]) };
  }
  if (v.is(schema, 1)) return { type: "number", ...(v.is(schema, -1) ? {} : { minimum: 0 }) };
  return { type: "string" };
}
