// Disruption budgets: whether a pod may be evicted now, and what a budget says of itself.
import { isTrue } from "./conditions.ts";
import { type Json, type JsonObject, number, object, text } from "./json.ts";
import { selects } from "./selectors.ts";

/**
 * The budgets that an eviction of the pod is at the cost of, and why one forbids it, where one does. Pods that are not ready are
 * held by none.
 */
export function disruption(
  pod: JsonObject,
  all: readonly JsonObject[],
): { readonly budgets: readonly JsonObject[]; readonly refusal?: string } {
  if (!isReady(pod)) return { budgets: [] };
  const budgets = all.filter((each) => selects(object(each, "spec")["selector"], object(pod, "metadata", "labels")));
  const spent = budgets.find((each) => (number(each, "status", "disruptionsAllowed") ?? 0) <= 0);
  if (spent === undefined) return { budgets };
  const healthy = number(spent, "status", "currentHealthy") ?? 0;
  const desired = number(spent, "status", "desiredHealthy") ?? 0;
  const name = text(spent, "metadata", "name");
  return {
    budgets,
    refusal: `The disruption budget ${name} needs ${desired} healthy pods and has ${healthy} currently`,
  };
}

export function isReady(pod: Json): boolean {
  return isTrue(pod, "Ready");
}

/** `count` of a whole, where it is a percentage. */
export function share(count: Json | undefined, whole: number, round: (value: number) => number): number {
  if (typeof count === "number") return count;
  const match = typeof count === "string" ? /^(\d+)%$/.exec(count) : null;
  return match === null ? Number(count ?? 0) || 0 : round((Number(match[1]) * whole) / 100);
}

/** The status of a budget over the pods that it selects. */
export function budgetStatus(budget: JsonObject, pods: readonly JsonObject[], expected: number): JsonObject {
  const healthy = pods.filter((pod) => isReady(pod) && text(pod, "metadata", "deletionTimestamp") === "").length;
  const { minAvailable, maxUnavailable } = object(budget, "spec");
  const desired =
    maxUnavailable === undefined
      ? share(minAvailable, expected, Math.ceil)
      : Math.max(0, expected - share(maxUnavailable, expected, Math.ceil));
  return {
    ...object(budget, "status"),
    observedGeneration: number(budget, "metadata", "generation") ?? 0,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    disruptionsAllowed: Math.max(0, healthy - desired),
  };
}
