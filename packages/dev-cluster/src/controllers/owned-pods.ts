// Pods that a workload makes of its template and takes away.
import { conditionOf } from "../conditions.ts";
import { isReady } from "../disruption.ts";
import { type JsonObject, number, object, text } from "../json.ts";
import type { Client } from "./client.ts";
import { isActive, nameOf } from "./objects.ts";

export function activePods(client: Client, owner: JsonObject): readonly JsonObject[] {
  return client.controlled("pods", owner).filter(isActive);
}

/** Of pods those that have been ready for `minReadySeconds` of their owner, and the milliseconds until there are more. */
export function availablePods(
  client: Client,
  owner: JsonObject,
  pods: readonly JsonObject[],
): { readonly available: readonly JsonObject[]; readonly wait: number | undefined } {
  const minimumMs = (number(owner, "spec", "minReadySeconds") ?? 0) * 1000;
  const readySince = (pod: JsonObject): number => Date.parse(text(conditionOf(pod, "Ready"), "lastTransitionTime"));
  const waitFor = (pod: JsonObject): number => (minimumMs === 0 ? 0 : readySince(pod) + minimumMs - client.now());
  const ready = pods.filter(isReady);
  const late = ready.filter((pod) => waitFor(pod) > 0);
  const wait = late.length > 0 ? Math.min(...late.map(waitFor)) : undefined;
  return { available: ready.filter((pod) => !late.includes(pod)), wait };
}

export interface PodParts {
  /** In the place of what the template has, and of `generateName`. */
  readonly metadata?: JsonObject;
  /** Default: the template's. */
  readonly spec?: JsonObject | undefined;
}

/** Makes a pod of a workload's template. A name that this has is nobody's. */
export function createPod(client: Client, owner: JsonObject, { metadata, spec }: PodParts = {}): void {
  const template = object(owner, "spec", "template");
  const { labels, annotations, finalizers } = object(template, "metadata");
  const pod = client.createFor(owner, "pods", {
    metadata: { generateName: `${nameOf(owner)}-`, labels, annotations, finalizers, ...metadata },
    spec: spec ?? object(template, "spec"),
  });
  client.tell(owner, "Normal", "SuccessfulCreate", said("Create", owner, pod));
}

export function deletePod(client: Client, owner: JsonObject, pod: JsonObject): void {
  client.remove(pod);
  client.tell(owner, "Normal", "SuccessfulDelete", said("Delete", owner, pod));
}

function said(verb: string, owner: JsonObject, pod: JsonObject): string {
  const isNumbered = text(owner, "kind") === "StatefulSet";
  return isNumbered
    ? `${verb} Pod ${nameOf(pod)} in StatefulSet ${nameOf(owner)} successful`
    : `${verb}d pod: ${nameOf(pod)}`;
}
