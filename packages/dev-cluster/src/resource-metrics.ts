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

/** Cores and bytes. */
type Use = Readonly<Record<"cpu" | "memory", number>>;

interface Usage {
  readonly time: number;
  readonly windowMs: number;
  /** Of a container by its labels, of the node itself by none. */
  readonly of: (labels: string) => Use | undefined;
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
    const { kind, apiVersion, name } = resource;
    const isNodes = name === "nodes";
    const matches = labelMatcher(route.query.get("labelSelector") ?? "");
    const wanted = this.#api.store
      .list(name, isNodes ? "" : route.namespace)
      .filter((each) => matches(each) && (route.name === "" || text(each, "metadata", "name") === route.name));
    const nodeOf = (each: JsonObject): string => text(each, ...(isNodes ? ["metadata", "name"] : ["spec", "nodeName"]));
    const usages = await this.#usages(wanted.map(nodeOf));
    const items = wanted.flatMap((each): JsonObject[] => {
      const usage = usages.get(nodeOf(each));
      const shown = usage && (isNodes ? nodeMetrics(each, usage) : podMetrics(each, usage));
      return shown === undefined ? [] : [{ kind, apiVersion, ...shown }];
    });
    if (route.name === "") return { kind: `${kind}List`, apiVersion, metadata: {}, items };
    const [only] = items;
    if (only === undefined) throw notFound({ group: metricsGroup, kind: name, name: route.name });
    return only;
  }

  /** What pods use, by their UIDs. Those that not all is known of are not there. */
  async ofPods(pods: readonly JsonObject[]): Promise<ReadonlyMap<string, Use>> {
    const usages = await this.#usages(pods.map((pod) => text(pod, "spec", "nodeName")));
    const found = pods.flatMap((pod): [string, Use][] => {
      const usage = usages.get(text(pod, "spec", "nodeName"));
      const containers = list(pod, "spec", "containers");
      const uses = containers.flatMap((each) => usage?.of(labelsOf(pod, each)) ?? []);
      const sum = (what: "cpu" | "memory"): number => uses.reduce((all, use) => all + use[what], 0);
      const isWhole = uses.length > 0 && uses.length === containers.length;
      return isWhole ? [[text(pod, "metadata", "uid"), { cpu: sum("cpu"), memory: sum("memory") }]] : [];
    });
    return new Map(found);
  }

  async #usages(nodes: readonly string[]): Promise<ReadonlyMap<string, Usage | undefined>> {
    const names = [...new Set(nodes)].filter((name) => name !== "");
    return new Map(await Promise.all(names.map(async (name) => [name, await this.#usage(name)] as const)));
  }

  async #usage(node: string): Promise<Usage | undefined> {
    try {
      let before = this.#samples.get(node);
      const age = this.#api.now() - (before?.time ?? 0);
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
  const lines = said.matchAll(/^(\w+)(?:\{([^}]*)\})?\s+(\S+)/gm);
  return new Map(lines.map(([, name = "", labels = "", value = ""]) => [seriesNamed(name, labels), Number(value)]));
}

function seriesNamed(name: string, labels: string): string {
  const sorted = labels.split(",").filter(Boolean).sort().join(",");
  return sorted === "" ? name : `${name}{${sorted}}`;
}

function usageBetween(before: Sample, after: Sample): Usage {
  const windowMs = Math.max(1, after.time - before.time);
  const of = (labels: string): Use | undefined => {
    const what = labels === "" ? "node" : "container";
    const series = seriesNamed(`${what}_cpu_usage_seconds_total`, labels);
    const [then, now] = [before.values.get(series), after.values.get(series)];
    const memory = after.values.get(seriesNamed(`${what}_memory_working_set_bytes`, labels));
    if (then === undefined || now === undefined || memory === undefined) return undefined;
    return { cpu: Math.max(0, (now - then) / (windowMs / 1000)), memory };
  };
  return { time: after.time, windowMs, of };
}

function shown({ cpu, memory }: Use): JsonObject {
  return { cpu: canonicalQuantity(`${Math.round(cpu * 1e9)}n`) ?? "0", memory: `${Math.round(memory / 1024)}Ki` };
}

function heading(of: JsonObject, { time, windowMs }: Usage): JsonObject {
  const namespace = text(of, "metadata", "namespace");
  const name = text(of, "metadata", "name");
  const metadata = { name, ...(namespace === "" ? {} : { namespace }), creationTimestamp: timestamp(time) };
  return { metadata, timestamp: timestamp(time), window: `${(windowMs / 1000).toFixed(3)}s` };
}

function nodeMetrics(node: JsonObject, usage: Usage): JsonObject | undefined {
  const use = usage.of("");
  return use && { ...heading(node, usage), usage: shown(use) };
}

function podMetrics(pod: JsonObject, usage: Usage): JsonObject | undefined {
  const all = [...list(pod, "spec", "containers"), ...list(pod, "spec", "initContainers")];
  const containers = all.flatMap((each): Json[] => {
    const use = usage.of(labelsOf(pod, each));
    return use === undefined ? [] : [{ name: text(each, "name"), usage: shown(use) }];
  });
  return containers.length === 0 ? undefined : { ...heading(pod, usage), containers };
}

function labelsOf(pod: JsonObject, container: Json): string {
  const [name, namespace] = [text(pod, "metadata", "name"), text(pod, "metadata", "namespace")];
  return `container="${text(container, "name")}",namespace="${namespace}",pod="${name}"`;
}
