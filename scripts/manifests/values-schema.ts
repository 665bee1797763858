// deploy/chart/values.schema.json: what values the chart takes. Whatever is not here is refused.
import { configJsonSchema, type JsonSchema } from "./config-json-schema.ts";

const text: JsonSchema = { type: "string" };
const flag: JsonSchema = { type: "boolean" };
const port: JsonSchema = { type: "integer", minimum: 1, maximum: 65_535 };
const oneOf = (...options: readonly (string | boolean)[]): JsonSchema => ({ enum: options });
const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });
/** Of Kubernetes' own shape: the API server checks it. null takes away what stands below. */
const object: JsonSchema = { type: ["object", "null"] };
const objects: JsonSchema = list({ type: "object" });
const named: JsonSchema = list({ type: "object", required: ["name"] });
const texts: JsonSchema = { type: ["object", "null"], additionalProperties: text };
const maybe = (pattern: string): JsonSchema => ({ type: "string", pattern: `^(${pattern})?$` });
const dnsName = "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?";
const label: JsonSchema = maybe("[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?");
const uuid = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
const duration: JsonSchema = { type: "string", pattern: "^[0-9]+(ms|s|m|h)$" };

const section = (properties: Readonly<Record<string, JsonSchema>>, required: readonly string[] = []): JsonSchema => ({
  type: "object",
  additionalProperties: false,
  ...(required.length > 0 ? { required } : {}),
  properties,
});

/** What holds for all instances and may be said of one. */
const settings: Readonly<Record<string, JsonSchema>> = {
  resolvePods: oneOf("auto", true, false),
  certificate: section({ source: oneOf("selfSigned", "csr", "secret"), secretName: maybe(dnsName) }),
  serviceAccount: section({ create: flag, name: maybe(dnsName), annotations: texts }),
  rbac: section({ create: flag }),
  credentials: section({
    secretName: maybe(dnsName),
    as: oneOf("env", "files"),
    mountPath: { type: "string", pattern: "^/." },
  }),
  workloadIdentity: section({
    azure: section({ clientID: maybe(uuid), tenantID: maybe(uuid) }),
    aws: section({ roleARN: maybe("arn:aws[a-z-]*:iam::[0-9]{12}:role/.+") }),
    alibabaCloud: section({
      roleARN: maybe("acs:ram::[0-9]+:role/.+"),
      oidcProviderARN: maybe("acs:ram::[0-9]+:oidc-provider/.+"),
    }),
    projectToken: flag,
  }),
  env: named,
  envFrom: objects,
  volumes: named,
  volumeMounts: named,
  extraArgs: list(text),
  resources: section({ requests: object, limits: object, claims: objects }),
  podLabels: texts,
  podAnnotations: texts,
  podSecurityContext: object,
  securityContext: object,
  hostNetwork: flag,
  hostPID: flag,
  terminationGracePeriodSeconds: { type: "integer", minimum: 0, maximum: 86_400 },
  priorityClassName: maybe(dnsName),
  nodeSelector: texts,
  tolerations: objects,
  affinity: section({ nodeAffinity: object, podAffinity: object, podAntiAffinity: object }),
  topologySpreadConstraints: objects,
  metrics: section({ port }),
  webView: section({ service: flag, viewerRole: flag }),
  networkPolicy: section({
    enabled: flag,
    kubeletFrom: objects,
    metricsFrom: objects,
    webViewFrom: objects,
    egress: section({
      restrict: flag,
      apiServer: section({ to: objects, ports: { ...list(port), minItems: 1 } }),
      to: objects,
    }),
  }),
};

const instanceName: JsonSchema = { type: "string", pattern: "^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?$" };

export function valuesSchema(): JsonSchema {
  const instance = section({ name: instanceName, config: configJsonSchema("with nodes"), ...settings }, [
    "name",
    "config",
  ]);
  const image = section(
    {
      repository: {
        type: "string",
        minLength: 1,
        pattern: "^[^\\s@]+$",
        description: "Yours to say: no registry is assumed.",
      },
      tag: maybe("[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}"),
      digest: maybe("sha256:[0-9a-f]{64}"),
      pullPolicy: oneOf("Always", "IfNotPresent", "Never"),
      pullSecrets: list({ type: "string", pattern: `^${dnsName}$` }),
    },
    ["repository"],
  );
  const { properties } = section({
    image,
    nameOverride: label,
    fullnameOverride: label,
    instances: { type: "array", minItems: 1, items: instance },
    config: configJsonSchema("without nodes"),
    ...settings,
    serviceMonitor: section({
      enabled: flag,
      namespace: maybe(dnsName),
      labels: texts,
      interval: duration,
      scrapeTimeout: duration,
    }),
    prometheusRule: section({
      enabled: flag,
      namespace: maybe(dnsName),
      labels: texts,
      runbookPrefix: maybe('https?://[^\\s"]*/'),
    }),
    // Of Helm, for charts that have this one as a part.
    global: object,
  });
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart virtual-kubelet",
    type: "object",
    additionalProperties: false,
    required: ["image", "instances"],
    properties,
  };
}
