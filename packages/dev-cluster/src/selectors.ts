// Label and field selectors: as text in requests, as documents in workloads.
import type { Resource } from "./api-data.ts";
import { badRequest } from "./api-error.ts";
import { at, isObject, type Json, type JsonObject, list, object, text, texts } from "./json.ts";

export type Labels = JsonObject;
export type Matcher = (object: JsonObject) => boolean;

/** As in `matchExpressions`. */
interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values: readonly string[];
}

const name = "(?<name>[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?)";
const value = "(?<values>(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?)";
const forms: readonly { readonly pattern: RegExp; readonly operators: Readonly<Record<string, string>> }[] = [
  {
    pattern: new RegExp(`^${name}\\s+(?<operator>in|notin)\\s+\\((?<values>[^)]*)\\)$`),
    operators: { in: "In", notin: "NotIn" },
  },
  {
    pattern: new RegExp(`^${name}\\s*(?<operator>==|=|!=)\\s*${value}$`),
    operators: { "==": "In", "=": "In", "!=": "NotIn" },
  },
  { pattern: new RegExp(`^(?<operator>!?)\\s*${name}$`), operators: { "": "Exists", "!": "DoesNotExist" } },
];

/** Of a `labelSelector` parameter. Throws BadRequest. */
export function labelMatcher(selector: string): Matcher {
  if (selector.trim() === "") return () => true;
  const outsideParentheses = /,(?![^(]*\))/;
  const requirements = selector.split(outsideParentheses).map((part) => requirementOf(part.trim(), selector));
  return (candidate) => requirements.every((each) => meets(object(candidate, "metadata", "labels"), each));
}

function requirementOf(part: string, selector: string): Requirement {
  for (const { pattern, operators } of forms) {
    const found = pattern.exec(part)?.groups;
    if (found === undefined) continue;
    const values = (found["values"] ?? "").split(",").map((each) => each.trim());
    return { key: found["name"] ?? "", operator: operators[found["operator"] ?? ""] ?? "", values };
  }
  throw badRequest(`unable to parse requirement: ${JSON.stringify(selector)}`);
}

function meets(labels: Labels, { key, operator, values }: Requirement): boolean {
  const found = at(labels, key);
  const isIn = typeof found === "string" && values.includes(found);
  switch (operator) {
    case "In":
      return isIn;
    case "NotIn":
      return !isIn;
    case "Exists":
      return found !== undefined;
    case "DoesNotExist":
      return found === undefined;
    case "Gt":
      return Number.parseInt(`${found}`, 10) > Number(values[0]);
    case "Lt":
      return Number.parseInt(`${found}`, 10) < Number(values[0]);
    default:
      return false;
  }
}

/** Of a LabelSelector document; an absent one matches nothing, an empty one everything. */
export function selects(selector: Json | undefined, labels: Labels): boolean {
  if (!isObject(selector)) return false;
  const equal = Object.entries(object(selector, "matchLabels")).every(([key, wanted]) => labels[key] === wanted);
  return equal && list(selector, "matchExpressions").every((each) => matchesExpression(each, labels));
}

/** One of `matchExpressions`: of labels, and of nodes with Gt and Lt. */
export function matchesExpression(expression: Json, labels: Labels): boolean {
  const [key, operator] = [text(expression, "key"), text(expression, "operator")];
  return meets(labels, { key, operator, values: texts(expression, "values") });
}

const ofReference = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

/** Fields that the API server can select by, beside metadata.name and metadata.namespace; by resource and group. */
const selectable: Readonly<Record<string, readonly string[]>> = {
  pods: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
  ],
  nodes: ["spec.unschedulable"],
  namespaces: ["status.phase"],
  events: [...ofReference.map((field) => `involvedObject.${field}`), "reason", "reportingComponent", "source", "type"],
  "events.events.k8s.io": [
    ...ofReference.map((field) => `regarding.${field}`),
    "reason",
    "reportingController",
    "type",
  ],
  secrets: ["type"],
  services: ["spec.clusterIP", "spec.type"],
  replicationcontrollers: ["status.replicas"],
  "replicasets.apps": ["status.replicas"],
  "jobs.batch": ["status.successful"],
  "resourceslices.resource.k8s.io": ["spec.nodeName", "spec.driver"],
  "clustertrustbundles.certificates.k8s.io": ["spec.signerName"],
  "podcertificaterequests.certificates.k8s.io": ["spec.nodeName", "spec.podName", "spec.signerName"],
  "certificatesigningrequests.certificates.k8s.io": ["spec.signerName"],
};

/** Of a `fieldSelector` parameter. Throws BadRequest. */
export function fieldMatcher(selector: string, { name, group }: Pick<Resource, "name" | "group">): Matcher {
  if (selector.trim() === "") return () => true;
  const resource = group === "" ? name : `${name}.${group}`;
  const terms = selector.split(",").map((term) => {
    const match = /^([^=!]+?)(==|=|!=)(.*)$/.exec(term);
    if (match === null) throw badRequest(`invalid field selector ${JSON.stringify(selector)}`);
    const [, field = "", operator, wanted = ""] = match;
    const known = ["metadata.name", "metadata.namespace", ...(selectable[resource] ?? [])];
    if (!known.includes(field)) throw badRequest(`field label not supported: ${field}`);
    return { path: pathOf(field, resource), equal: operator !== "!=", wanted };
  });
  return (candidate) =>
    terms.every(({ path, equal, wanted }) => {
      const found = at(candidate, ...path);
      const shown = found === undefined || found === null ? absent(path) : `${typeof found === "object" ? "" : found}`;
      return (shown === wanted) === equal;
    });
}

function pathOf(field: string, resource: string): readonly string[] {
  if (resource === "events" && field === "source") return ["source", "component"];
  if (field === "status.successful") return ["status", "succeeded"];
  return field.split(".");
}

function absent(path: readonly string[]): string {
  const last = path.at(-1);
  if (last === "unschedulable" || last === "hostNetwork") return "false";
  return last === "replicas" || last === "succeeded" ? "0" : "";
}
