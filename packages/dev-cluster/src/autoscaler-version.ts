// HorizontalPodAutoscalers as autoscaling/v1 has them: one target of cpu as a field, all else of v2 in annotations.
import { at, type Json, type JsonObject, list, merge, number, object, parseJson, put, text } from "./json.ts";

const prefix = "autoscaling.alpha.kubernetes.io/";

/** What a metric is to have in specs, what it has in the status. */
type Role = "target" | "current";

const ofResource = { name: "name", "*AverageUtilization": "*.averageUtilization", "*AverageValue": "*.averageValue" };
/** Fields of v1 by their places in v2, by the type of the metric; `*` is the role. In the order that Go writes them in. */
const fields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Resource: ofResource,
  ContainerResource: { ...ofResource, container: "container" },
  Pods: { metricName: "metric.name", "*AverageValue": "*.averageValue", selector: "metric.selector" },
  Object: {
    target: "describedObject",
    metricName: "metric.name",
    "*Value": "*.value",
    selector: "metric.selector",
    averageValue: "*.averageValue",
  },
  External: {
    metricName: "metric.name",
    metricSelector: "metric.selector",
    "*Value": "*.value",
    "*AverageValue": "*.averageValue",
  },
};

/** `change` makes what a metric says of itself into the other form of that. */
function converted(
  metric: Json,
  role: Role,
  change: (inside: JsonObject, places: readonly (readonly [older: string, newer: readonly string[]])[]) => JsonObject,
): Json {
  const type = text(metric, "type");
  const field = `${type.charAt(0).toLowerCase()}${type.slice(1)}`;
  const places = Object.entries(fields[type] ?? {}).map(
    ([older, newer]) => [older.replace("*", role), newer.replace("*", role).split(".")] as const,
  );
  return { type, [field]: change(object(metric, field), places) };
}

const toOlder =
  (role: Role) =>
  (metric: Json): Json =>
    converted(metric, role, (inside, places) => {
      const { kind, name, apiVersion } = object(inside, "describedObject");
      const described = kind === undefined ? {} : { describedObject: { kind, name, apiVersion } };
      const given = { ...inside, ...described };
      return merge({}, [], Object.fromEntries(places.map(([older, newer]) => [older, at(given, ...newer)])));
    });

const toNewer =
  (role: Role) =>
  (metric: Json): Json =>
    converted(metric, role, (inside, places) => {
      const newer = places.reduce<JsonObject>((made, [older, path]) => put(made, path, inside[older]), {});
      if (role === "current") return newer;
      const { averageUtilization, averageValue } = object(newer, role);
      const type =
        averageUtilization !== undefined ? "Utilization" : averageValue !== undefined ? "AverageValue" : "Value";
      return put(newer, [role, "type"], type);
    });

/** Of cpu, as a share of what is asked for; undefined for other metrics. */
function shareOfCpu(metric: Json, role: Role): number | undefined {
  const isOfCpu = text(metric, "resource", "name") === "cpu";
  return isOfCpu ? number(metric, "resource", role, "averageUtilization") : undefined;
}

function firstShare(metrics: readonly Json[], role: Role): number | undefined {
  return metrics.map((each) => shareOfCpu(each, role)).find((share) => share !== undefined);
}

/** The annotation of behaviour has the keys of Go's own structures. */
function withKeys(said: string, first: (letter: string) => string): string {
  return said.replaceAll(/"(\w)(\w*)":/g, (_, letter: string, rest: string) => `"${first(letter)}${rest}":`);
}

/** What an annotation says; undefined where there is none that can be read. */
function annotated(of: JsonObject, name: string): Json | undefined {
  const said = text(of, "metadata", "annotations", `${prefix}${name}`);
  try {
    return parseJson(name === "behavior" ? withKeys(said, (letter) => letter.toLowerCase()) : said);
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
  const metrics = [...list(annotated(given, "metrics")).map(toNewer("target")), ...cpu];
  const current = list(annotated(given, "current-metrics")).map(toNewer("current"));
  const annotations = Object.entries(object(given, "metadata", "annotations"));
  const own = Object.fromEntries(annotations.filter(([key]) => !key.startsWith(prefix)));
  const bare = put(given, ["metadata", "annotations"], Object.keys(own).length === 0 ? undefined : own);
  return {
    ...bare,
    spec: merge(spec, [], {
      metrics: metrics.length === 0 ? undefined : metrics,
      behavior: annotated(given, "behavior"),
    }),
    status: merge(status, [], {
      currentMetrics: current.length === 0 ? null : current,
      conditions: annotated(given, "conditions"),
    }),
  };
}

/** Of autoscaling/v2 as v1 has it. */
export function olderAutoscaler(kept: JsonObject): JsonObject {
  const { metrics: _, behavior, ...spec } = object(kept, "spec");
  const { currentMetrics: __, conditions, ...status } = object(kept, "status");
  const metrics = list(kept, "spec", "metrics");
  const current = list(kept, "status", "currentMetrics");
  const others = metrics.filter((each) => shareOfCpu(each, "target") === undefined);
  const ways = Object.entries(object(behavior)).map(([way, rule]) => {
    return [way, { ...object(rule), tolerance: at(rule, "tolerance") ?? null }];
  });
  const notes = {
    behavior: withKeys(JSON.stringify(Object.fromEntries(ways)), (letter) => letter.toUpperCase()),
    conditions: JSON.stringify(conditions ?? []),
    "current-metrics": JSON.stringify(current.map(toOlder("current"))),
    metrics: JSON.stringify(others.map(toOlder("target"))),
  };
  const said = Object.entries(notes).filter(([, note]) => note !== "[]" && note !== "{}");
  const shown = merge(kept, [], {
    spec: merge(spec, [], { targetCPUUtilizationPercentage: firstShare(metrics, "target") }),
    status: merge({ currentReplicas: 0, ...status }, [], {
      currentCPUUtilizationPercentage: firstShare(current, "current"),
    }),
  });
  return said.reduce((made, [name, note]) => put(made, ["metadata", "annotations", `${prefix}${name}`], note), shown);
}
