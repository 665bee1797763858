// Indexed Jobs: each of their pods has a number, and each number has to succeed once.
import { type Json, type JsonObject, list, object, put, text } from "../json.ts";
import { annotationsOf, labelsOf, nameOf } from "./objects.ts";
import type { PodParts } from "./owned-pods.ts";

const indexName = "batch.kubernetes.io/job-completion-index";

export const isIndexed = (job: JsonObject): boolean => text(job, "spec", "completionMode") === "Indexed";

/** undefined for a pod that has none. */
export function indexOf(pod: JsonObject): number | undefined {
  const said = text(annotationsOf(pod), indexName);
  return /^\d+$/.test(said) ? Number(said) : undefined;
}

/** From `0-2,5`, as `completedIndexes` says it. */
export function parseIndexes(said: string): Set<number> {
  const found = new Set<number>();
  for (const range of said.split(",")) {
    const [first = "", last = first] = range.split("-");
    if (first !== "") for (let index = Number(first); index <= Number(last); index++) found.add(index);
  }
  return found;
}

export function formatIndexes(indexes: Iterable<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  // In a row the difference between a number and its place stays the same.
  const rows = Map.groupBy(sorted, (index, place) => index - place).values();
  return [...rows].map((row) => (row.length === 1 ? `${row[0]}` : `${row[0]}-${row.at(-1)}`)).join(",");
}

/** As many of the lowest numbers of a Job, of those that have neither succeeded nor a pod. */
export function nextIndexes(job: JsonObject, count: number, active: readonly JsonObject[]): readonly number[] {
  const taken = parseIndexes(text(job, "status", "completedIndexes")).union(new Set(active.map(indexOf)));
  const free: number[] = [];
  for (let index = 0; free.length < count; index++) if (!taken.has(index)) free.push(index);
  return free;
}

/** What a pod has of its number beside the template. */
export function indexedPod(job: JsonObject, index: number): PodParts {
  const template = object(job, "spec", "template");
  const name = `${nameOf(job)}-${index}`;
  const value = { [indexName]: `${index}` };
  const fieldRef = { apiVersion: "v1", fieldPath: `metadata.labels['${indexName}']` };
  const variable = { name: "JOB_COMPLETION_INDEX", valueFrom: { fieldRef } };
  const told = (containers: readonly Json[]): readonly Json[] =>
    containers.map((each) => put(object(each), ["env"], [...list(each, "env"), variable]));
  const inits = list(template, "spec", "initContainers");
  return {
    metadata: {
      generateName: `${name}-`,
      labels: { ...labelsOf(template), ...value },
      annotations: { ...annotationsOf(template), ...value },
    },
    spec: {
      hostname: name,
      ...object(template, "spec"),
      containers: told(list(template, "spec", "containers")),
      initContainers: inits.length > 0 ? told(inits) : undefined,
    },
  };
}
