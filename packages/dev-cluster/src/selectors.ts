// Label and field selectors: as text in requests, as documents in workloads.
import type { Resource } from "./api-data.ts";
import { badRequest } from "./api-error.ts";
import { at, isObject, type Json, type JsonObject, list, object, text, texts } from "./json.ts";

export type Labels = JsonObject;
export type Matcher = (object: JsonObject) => boolean;

interface Requirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

const key = "[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?";
const value = "(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?";
const patterns = {
  set: new RegExp(`^(${key})\\s+(in|notin)\\s+\\(([^)]*)\\)$`),
  equality: new RegExp(`^(${key})\\s*(==|=|!=)\\s*(${value})$`),
  exists: new RegExp(`^(!?)\\s*(${key})$`),
};

/** Of a `labelSelector` parameter. Throws BadRequest. */
export function labelMatcher(selector: string): Matcher {
  if (selector.trim() === "") return () => true;
  const requirements = splitOutsideParentheses(selector).map((part) => requirementOf(part.trim(), selector));
  return (candidate) => requirements.every((each) => meets(object(candidate, "metadata", "labels"), each));
}

function splitOutsideParentheses(selector: string): readonly string[] {
  return selector.split(/,(?![^(]*\))/);
}

function requirementOf(part: string, selector: string): Requirement {
  const set = patterns.set.exec(part);
  if (set !== null) {
    const [, name = "", operator, values = ""] = set;
    return {
      key: name,
      operator: operator === "in" ? "In" : "NotIn",
      values: values.split(",").map((each) => each.trim()),
    };
  }
  const equality = patterns.equality.exec(part);
  if (equality !== null) {
    const [, name = "", operator, wanted = ""] = equality;
    return { key: name, operator: operator === "!=" ? "NotIn" : "In", values: [wanted] };
  }
  const exists = patterns.exists.exec(part);
  if (exists === null) throw badRequest(`unable to parse requirement: ${JSON.stringify(selector)}`);
  return { key: exists[2] ?? "", operator: exists[1] === "!" ? "DoesNotExist" : "Exists", values: [] };
}

function meets(labels: Labels, { key: name, operator, values }: Requirement): boolean {
  const found = Object.hasOwn(labels, name) ? labels[name] : undefined;
  if (operator === "Exists") return found !== undefined;
  if (operator === "DoesNotExist") return found === undefined;
  const isIn = typeof found === "string" && values.includes(found);
  return operator === "In" ? isIn : !isIn;
}

/** Of a LabelSelector document; an absent one matches nothing, an empty one everything. */
export function selects(selector: Json | undefined, labels: Labels): boolean {
  if (!isObject(selector)) return false;
  const equal = Object.entries(object(selector, "matchLabels")).every(([name, wanted]) => labels[name] === wanted);
  return equal && list(selector, "matchExpressions").every((each) => matchesExpression(each, labels));
}

/** One of `matchExpressions`: of labels, and of nodes with Gt and Lt. */
export function matchesExpression(expression: Json, labels: Labels): boolean {
  const operator = text(expression, "operator");
  const name = text(expression, "key");
  const values = texts(expression, "values");
  if (operator === "Gt" || operator === "Lt") {
    const found = Number(text(labels, name) || Number.NaN);
    const limit = Number(values[0]);
    return operator === "Gt" ? found > limit : found < limit;
  }
  if (operator === "In" || operator === "NotIn" || operator === "Exists" || operator === "DoesNotExist") {
    return meets(labels, { key: name, operator, values });
  }
  return false;
}

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
  events: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  "events.events.k8s.io": [
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
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
