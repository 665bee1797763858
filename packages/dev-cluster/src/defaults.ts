// What the API server fills in where users say nothing: what is always the same is captured from one, the rest is rules.
import { apiData } from "./api-data.ts";
import { isList, type Json, type JsonObject, list } from "./json.ts";

/** Undefined where nothing is filled in. `value` has all that is filled in before, `given` not. */
type Rule = (value: JsonObject, given: JsonObject) => Json | undefined;

const rolling =
  (other: string): Rule =>
  ({ type }) =>
    type === other ? undefined : {};

/** By the name of the schema without `io.k8s.api.`; nested objects get defaults of their own. */
const rules: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  "core.v1.PodSpec": { serviceAccount: ({ serviceAccountName }) => serviceAccountName },
  "core.v1.Container": {
    imagePullPolicy: ({ image }) => (isLatest(`${image ?? ""}`) ? "Always" : "IfNotPresent"),
  },
  "core.v1.LimitRangeItem": {
    default: ({ type, max }) => (type === "Container" ? max : undefined),
    defaultRequest: (value) => value["default"],
  },
  "core.v1.NodeSpec": { podCIDRs: ({ podCIDR }) => (podCIDR === undefined ? undefined : [podCIDR]) },
  // What is limited is asked for, where nothing else is said.
  "core.v1.ResourceRequirements": { requests: ({ limits }) => limits },
  "core.v1.Volume": { emptyDir: (value) => (Object.keys(value).length === 1 ? {} : undefined) },
  "core.v1.ServiceSpec": {
    internalTrafficPolicy: ({ type }) => (type === "ExternalName" ? undefined : "Cluster"),
    sessionAffinityConfig: ({ sessionAffinity }) => (sessionAffinity === "ClientIP" ? {} : undefined),
  },
  "core.v1.ServicePort": { targetPort: ({ port }) => port },
  "apps.v1.DeploymentStrategy": { rollingUpdate: rolling("Recreate") },
  "apps.v1.StatefulSetUpdateStrategy": { rollingUpdate: rolling("OnDelete") },
  "apps.v1.DaemonSetUpdateStrategy": { rollingUpdate: rolling("OnDelete") },
  "batch.v1.JobSpec": {
    backoffLimit: ({ backoffLimitPerIndex }) => (backoffLimitPerIndex === undefined ? 6 : 2_147_483_647),
    completions: (_, { parallelism }) => (parallelism === undefined ? 1 : undefined),
    podReplacementPolicy: ({ podFailurePolicy }) => (podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed"),
  },
  "rbac.v1.Subject": {
    apiGroup: ({ kind }) => (kind === "ServiceAccount" ? undefined : "rbac.authorization.k8s.io"),
  },
  "networking.v1.NetworkPolicySpec": {
    policyTypes: (value) => (list(value, "egress").length > 0 ? ["Ingress", "Egress"] : ["Ingress"]),
  },
  "resource.v1.ExactDeviceRequest": {
    count: ({ allocationMode }) => (allocationMode === "ExactCount" ? 1 : undefined),
  },
};

/** The fields of an object of this schema that say something, with those that are filled in. */
export function withDefaults(schema: string, fields: JsonObject): JsonObject {
  // Ephemeral containers are no part of what can be made, and so of what was captured.
  const name = schema.replace(/^io\.k8s\.api\./, "").replace("EphemeralContainer", "Container");
  const captured = apiData().defaults[schema.replace("EphemeralContainer", "Container")];
  const said = Object.entries(fields).filter(([, value]) => value !== null && !(isList(value) && value.length === 0));
  let complete: JsonObject = { ...captured, ...Object.fromEntries(said) };
  for (const [field, rule] of Object.entries(rules[name] ?? {})) {
    const filled = complete[field] === undefined ? rule(complete, fields) : undefined;
    if (filled !== undefined) complete = { ...complete, [field]: filled };
  }
  return complete;
}

/** No tag, or the tag `latest`; a digest is neither. */
function isLatest(image: string): boolean {
  if (image.includes("@")) return false;
  const last = image.slice(image.lastIndexOf("/") + 1);
  return !last.includes(":") || last.endsWith(":latest");
}
