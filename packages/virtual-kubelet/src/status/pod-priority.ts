// How important a pod is by its priority. Pure.
import type { Pod } from "../kube/types.gen.ts";

/** Pods of this priority and above are the cluster's own: they are never evicted, and stop last. */
export const criticalPriority = 2_000_000_000;

export function isCritical(pod: Pod): boolean {
  return priorityOf(pod) >= criticalPriority;
}

export function priorityOf(pod: Pod): number {
  return pod.spec?.priority ?? 0;
}
