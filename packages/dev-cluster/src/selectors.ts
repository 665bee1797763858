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
    pattern: new RegExp(`^${name}\\s+(?<operator>in|notin)\\s*\\((?<values>[^)]*)\\)$`),
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

/** Where fields are that have other names in selectors, or are objects. */
const places: Readonly<Record<string, string>> = {
  source: "source.component",
  "status.successful": "status.succeeded",
};

/** Of a `fieldSelector` parameter. Throws BadRequest. */
export function fieldMatcher(selector: string, { selectable }: Pick<Resource, "selectable">): Matcher {
  if (selector.trim() === "") return () => true;
  const terms = selector.split(",").map((term) => {
    const match = /^([^=!]+?)(==|=|!=)(.*)$/.exec(term);
    if (match === null) throw badRequest(`invalid field selector ${JSON.stringify(selector)}`);
    const [, field = "", operator, wanted = ""] = match;
    const absent = Object.hasOwn(selectable, field) ? selectable[field] : undefined;
    if (absent === undefined) throw badRequest(`field label not supported: ${field}`);
    return { path: (places[field] ?? field).split("."), equal: operator !== "!=", wanted, absent };
  });
  return (candidate) =>
    terms.every(({ path, equal, wanted, absent }) => (`${at(candidate, ...path) ?? absent}` === wanted) === equal);
}
