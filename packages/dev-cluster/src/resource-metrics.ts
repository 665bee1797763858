// metrics.k8s.io as metrics-server gives it, from what kubelets say under /metrics/resource when somebody asks.
import { setTimeout as sleep } from "node:timers/promises";
import { timestamp } from "./access.ts";
import type { Api } from "./api.ts";
import { metricsGroup } from "./api-data.ts";
import { notFound } from "./api-error.ts";
import type { ResourceCall } from "./call.ts";
import { type Json, type JsonObject, list, text } from "./json.ts";
import { canonicalQuantity } from "./quantity.ts";
import { labelMatcher } from "./selectors.ts";

/** What a kubelet says; rejects where it cannot be reached. */
export type Scrape = (node: string) => Promise<string>;

/** Between the two readings that a rate needs. */
const pauseMs = 1_000;
/** How old the earlier one may be. */
const memoryMs = 60_000;

/** By series, e.g. `container_cpu_usage_seconds_total{container="c",namespace="n",pod="p"}`. */
interface Sample {
  readonly time: number;
  readonly values: ReadonlyMap<string, number>;
}

interface Usage {
  readonly time: number;
  readonly windowMs: number;
  /** In cores. */
  readonly cpu: (labels: string) => number | undefined;
  /** In bytes. */
  readonly memory: (labels: string) => number | undefined;
}

/** In cores and in bytes. */
export interface PodUse {
  readonly cpu: number;
  readonly memory: number;
}

export class ResourceMetrics {
  readonly #api: Api;
  readonly #scrape: Scrape;
  readonly #samples = new Map<string, Sample>();

  constructor(api: Api, scrape: Scrape) {
    this.#api = api;
    this.#scrape = scrape;
  }

  /** NodeMetrics or PodMetrics, one or a list. Nodes that do not answer have none. */
  async answer({ resource, route }: ResourceCall): Promise<JsonObject> {
    const isNodes = resource.name === "nodes";
    const matches = labelMatcher(route.query.get("labelSelector") ?? "");
    const all = this.#api.store.list(resource.name, isNodes ? "" : route.namespace);
    const wanted = all.filter(
      (each) => matches(each) && (route.name === "" || text(each, "metadata", "name") === route.name),
    );
    const nodeOf = (each: JsonObject): string => text(each, ...(isNodes ? ["metadata", "name"] : ["spec", "nodeName"]));
    const names = [...new Set(wanted.map(nodeOf))].filter((name) => name !== "");
    const usages = new Map(await Promise.all(names.map(async (name) => [name, await this.#usage(name)] as const)));
    const items = wanted.flatMap((each): JsonObject[] => {
      const usage = usages.get(nodeOf(each));
      const shown = usage === undefined ? undefined : isNodes ? nodeMetrics(each, usage) : podMetrics(each, usage);
      return shown === undefined ? [] : [{ kind: resource.kind, apiVersion: resource.apiVersion, ...shown }];
    });
    const [only] = items;
    if (route.name === "")
      return { kind: `${resource.kind}List`, apiVersion: resource.apiVersion, metadata: {}, items };
    if (only === undefined) throw notFound({ group: metricsGroup, kind: resource.name, name: route.name });
    return only;
  }

  /** What pods use, by their UIDs: cores and bytes. Those that nothing is known of are not there. */
  async ofPods(pods: readonly JsonObject[]): Promise<ReadonlyMap<string, PodUse>> {
    const names = [...new Set(pods.map((pod) => text(pod, "spec", "nodeName")))].filter((name) => name !== "");
    const usages = new Map(await Promise.all(names.map(async (name) => [name, await this.#usage(name)] as const)));
    const found = pods.flatMap((pod): [string, PodUse][] => {
      const usage = usages.get(text(pod, "spec", "nodeName"));
      const series = list(pod, "spec", "containers").map((each) => labelsOf(pod, text(each, "name")));
      const sum = (of: (labels: string) => number | undefined): number =>
        series.reduce((all, labels) => all + (of(labels) ?? Number.NaN), 0);
      if (usage === undefined) return [];
      const use = { cpu: sum(usage.cpu), memory: sum(usage.memory) };
      return Number.isNaN(use.cpu + use.memory) ? [] : [[text(pod, "metadata", "uid"), use]];
    });
    return new Map(found);
  }

  async #usage(node: string): Promise<Usage | undefined> {
    try {
      const known = this.#samples.get(node);
      const age = known === undefined ? Number.POSITIVE_INFINITY : this.#api.now() - known.time;
      let before = known;
      if (before === undefined || age < pauseMs || age > memoryMs) {
        before = await this.#sample(node);
        await sleep(pauseMs);
      }
      const after = await this.#sample(node);
      this.#samples.set(node, after);
      return usageBetween(before, after);
    } catch {
      this.#samples.delete(node);
      return undefined;
    }
  }

  async #sample(node: string): Promise<Sample> {
    return { values: seriesOf(await this.#scrape(node)), time: this.#api.now() };
  }
}

/** The values of a text in Prometheus' format, by their series with labels in order. */
export function seriesOf(said: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const line of said.split("\n")) {
    const match = /^(\w+)(?:\{([^}]*)\})?\s+(\S+)/.exec(line);
    if (match === null) continue;
    const [, name = "", labels = "", value = ""] = match;
    const sorted = labels.split(",").filter(Boolean).sort().join(",");
    values.set(sorted === "" ? name : `${name}{${sorted}}`, Number(value));
  }
  return values;
}

function usageBetween(before: Sample, after: Sample): Usage {
  const windowMs = Math.max(1, after.time - before.time);
  const named = (name: string, labels: string): string =>
    labels === "" ? `node_${name}` : `container_${name}{${labels}}`;
  return {
    time: after.time,
    windowMs,
    cpu(labels) {
      const series = named("cpu_usage_seconds_total", labels);
      const [then, now] = [before.values.get(series), after.values.get(series)];
      return then === undefined || now === undefined ? undefined : Math.max(0, (now - then) / (windowMs / 1000));
    },
    memory: (labels) => after.values.get(named("memory_working_set_bytes", labels)),
  };
}

function usageOf(usage: Usage, labels: string): JsonObject | undefined {
  const cpu = usage.cpu(labels);
  const memory = usage.memory(labels);
  if (cpu === undefined || memory === undefined) return undefined;
  return { cpu: canonicalQuantity(`${Math.round(cpu * 1e9)}n`) ?? "0", memory: `${Math.round(memory / 1024)}Ki` };
}

function heading(of: JsonObject, { time, windowMs }: Usage): JsonObject {
  const namespace = text(of, "metadata", "namespace");
  const name = text(of, "metadata", "name");
  const metadata = { name, ...(namespace === "" ? {} : { namespace }), creationTimestamp: timestamp(time) };
  return { metadata, timestamp: timestamp(time), window: `${(windowMs / 1000).toFixed(3)}s` };
}

function nodeMetrics(node: JsonObject, usage: Usage): JsonObject | undefined {
  const used = usageOf(usage, "");
  return used === undefined ? undefined : { ...heading(node, usage), usage: used };
}

function podMetrics(pod: JsonObject, usage: Usage): JsonObject | undefined {
  const names = ["containers", "initContainers"].flatMap((field) =>
    list(pod, "spec", field).map((each) => text(each, "name")),
  );
  const containers = names.flatMap((name): Json[] => {
    const used = usageOf(usage, labelsOf(pod, name));
    return used === undefined ? [] : [{ name, usage: used }];
  });
  return containers.length === 0 ? undefined : { ...heading(pod, usage), containers };
}

function labelsOf(pod: JsonObject, container: string): string {
  return `container="${container}",namespace="${text(pod, "metadata", "namespace")}",pod="${text(pod, "metadata", "name")}"`;
}
