// HorizontalPodAutoscalers as autoscaling/v1 has them: one target of cpu as a field, all else of v2 in annotations.
import {
  at,
  isList,
  isObject,
  type Json,
  type JsonObject,
  list,
  merge,
  number,
  object,
  parseJson,
  put,
  text,
} from "./json.ts";

const prefix = "autoscaling.alpha.kubernetes.io/";

/** Where metrics say what they are, by their type. */
const inner: Readonly<Record<string, string>> = {
  Resource: "resource",
  Pods: "pods",
  Object: "object",
  External: "external",
  ContainerResource: "containerResource",
};

/** `target` in specs, `current` in the status. */
type Role = "target" | "current";

const amounts = ["averageUtilization", "value", "averageValue"] as const;

/** The name of an amount in v1: `targetAverageValue`. That of objects is `averageValue`. */
function amountName(type: string, role: Role, amount: string): string {
  if (type === "Object" && amount === "averageValue") return amount;
  return `${role}${amount.charAt(0).toUpperCase()}${amount.slice(1)}`;
}

/** Fields in the order that Go writes them in: annotations are compared as text. */
function toOlder(metric: Json, role: Role): Json {
  const type = text(metric, "type");
  const field = inner[type] ?? "";
  const { metric: identity, describedObject, [role]: found, name, container } = object(metric, field);
  const named = amounts.map((amount): [string, Json | undefined] => [
    amountName(type, role, amount),
    at(found, amount),
  ]);
  const { averageValue, ...amountsFirst } = Object.fromEntries(named);
  const { kind, name: described, apiVersion } = object(describedObject);
  const selector = at(identity, "selector");
  const fields = {
    name,
    target: isObject(describedObject) ? merge({}, [], { kind, name: described, apiVersion }) : undefined,
    metricName: at(identity, "name"),
    metricSelector: type === "External" ? selector : undefined,
    ...amountsFirst,
    selector: type === "External" ? undefined : selector,
    averageValue,
    container,
  };
  return { type, [field]: merge({}, [], fields) };
}

function toNewer(metric: Json, role: Role): Json {
  const type = text(metric, "type");
  const field = inner[type] ?? "";
  const given = object(metric, field);
  const found = amounts.map((amount): [string, Json | undefined] => [amount, given[amountName(type, role, amount)]]);
  const said = Object.fromEntries(found.filter(([, value]) => value !== undefined));
  const targetType = Object.hasOwn(said, "averageUtilization")
    ? "Utilization"
    : Object.hasOwn(said, "averageValue")
      ? "AverageValue"
      : "Value";
  const { metricName } = given;
  const selector = given[type === "External" ? "metricSelector" : "selector"];
  return {
    type,
    [field]: merge({}, [], {
      name: given["name"],
      container: given["container"],
      describedObject: given["target"],
      metric: metricName === undefined ? undefined : merge({ name: metricName }, [], { selector }),
      [role]: { ...(role === "target" ? { type: targetType } : {}), ...said },
    }),
  };
}

/** Of cpu, as a share of what is asked for. */
function isShareOfCpu(metric: Json, role: Role): boolean {
  return text(metric, "resource", "name") === "cpu" && shareOf(metric, role) !== undefined;
}
const shareOf = (metric: Json | undefined, role: Role): number | undefined =>
  number(metric, "resource", role, "averageUtilization");

/** The keys of Go's own structures, which this annotation has. */
function withKeys(value: Json, first: (letter: string) => string): Json {
  if (isList(value)) return value.map((each) => withKeys(each, first));
  if (!isObject(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, each]) => [`${first(key.charAt(0))}${key.slice(1)}`, withKeys(each ?? null, first)]),
  );
}

function annotatedBehavior(behavior: JsonObject): Json {
  const ways = Object.entries(behavior).map(([way, rule]) => [
    way,
    { ...object(rule), tolerance: at(rule, "tolerance") },
  ]);
  return withKeys(Object.fromEntries(ways), (letter) => letter.toUpperCase());
}

/** What an annotation says; undefined where there is none that can be read. */
function annotated(of: JsonObject, name: string): Json | undefined {
  const said = text(of, "metadata", "annotations", `${prefix}${name}`);
  try {
    return said === "" ? undefined : parseJson(said);
  } catch {
    // As the API server does: nobody has to write them.
    return undefined;
  }
}

/** Of autoscaling/v1 as v2 has it. */
export function newerAutoscaler(given: JsonObject): JsonObject {
  const { targetCPUUtilizationPercentage: share, ...spec } = object(given, "spec");
  const { currentCPUUtilizationPercentage: _, ...status } = object(given, "status");
  const target = { type: "Utilization", averageUtilization: share ?? null };
  const cpu = share === undefined ? [] : [{ type: "Resource", resource: { name: "cpu", target } }];
  const metrics = [...list(annotated(given, "metrics")).map((each) => toNewer(each, "target")), ...cpu];
  const behavior = annotated(given, "behavior");
  const current = list(annotated(given, "current-metrics")).map((each) => toNewer(each, "current"));
  const annotations = Object.entries(object(given, "metadata", "annotations")).filter(
    ([key]) => !key.startsWith(prefix),
  );
  const bare = put(
    given,
    ["metadata", "annotations"],
    annotations.length === 0 ? undefined : Object.fromEntries(annotations),
  );
  return merge(bare, [], {
    spec: merge(spec, [], {
      metrics: metrics.length === 0 ? undefined : metrics,
      behavior: behavior === undefined ? undefined : withKeys(behavior, (letter) => letter.toLowerCase()),
    }),
    status: merge(status, [], {
      currentMetrics: current.length === 0 ? null : current,
      conditions: annotated(given, "conditions"),
    }),
  });
}

/** Of autoscaling/v2 as v1 has it. */
export function olderAutoscaler(kept: JsonObject): JsonObject {
  const { metrics: _, behavior, ...spec } = object(kept, "spec");
  const { currentMetrics: __, conditions, ...status } = object(kept, "status");
  const metrics = list(kept, "spec", "metrics");
  const current = list(kept, "status", "currentMetrics");
  const others = metrics.filter((each) => !isShareOfCpu(each, "target")).map((each) => toOlder(each, "target"));
  const notes: Readonly<Record<string, Json | undefined>> = {
    behavior: isObject(behavior) ? annotatedBehavior(behavior) : undefined,
    conditions,
    "current-metrics": current.map((each) => toOlder(each, "current")),
    metrics: others,
  };
  let shown = merge(kept, [], {
    spec: merge(spec, [], {
      targetCPUUtilizationPercentage: shareOf(
        metrics.find((each) => isShareOfCpu(each, "target")),
        "target",
      ),
    }),
    status: merge({ currentReplicas: 0, ...status }, [], {
      currentCPUUtilizationPercentage: shareOf(
        current.find((each) => isShareOfCpu(each, "current")),
        "current",
      ),
    }),
  });
  for (const [name, note] of Object.entries(notes)) {
    if (note === undefined || (isList(note) && note.length === 0)) continue;
    shown = put(shown, ["metadata", "annotations", `${prefix}${name}`], JSON.stringify(note));
  }
  return shown;
}
