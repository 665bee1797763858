// In what order, and with what grace, pods are ended when their node shuts down. Pure.
import type { Pod } from "../kube/types.gen.ts";
import type { PodFailure } from "../provider/pods.ts";
import { criticalPriority, priorityOf } from "../status/pod-priority.ts";

/** For pods of this priority and above, up to the next rule's. */
export interface ShutdownRule {
  readonly priority: number;
  readonly gracePeriodSeconds: number;
}

export interface ShutdownGroup<T> {
  readonly gracePeriodSeconds: number;
  readonly pods: readonly T[];
}

/** Of the pods that end with their node. */
export const shutdownFailure: PodFailure = {
  reason: "Terminated",
  message: "Pod was terminated in response to imminent node shutdown.",
  disruption: "TerminationByKubelet",
};

/** Of the pods that come too late. */
export const shutdownRejection: { readonly reason: string; readonly message: string } = {
  reason: "NodeShutdown",
  message: "Pod was rejected as the node is shutting down.",
};

/** The rules of a total time, the last part of which is for the cluster's own pods alone. */
export function shutdownRules(gracePeriodSeconds: number, criticalPodsSeconds: number): readonly ShutdownRule[] {
  return [
    { priority: 0, gracePeriodSeconds: Math.max(0, gracePeriodSeconds - criticalPodsSeconds) },
    { priority: criticalPriority, gracePeriodSeconds: criticalPodsSeconds },
  ];
}

/** One group after another, the lowest priorities first; pods below every rule go with the lowest. Groups without pods are left out. */
export function shutdownOrder<T extends { readonly pod: Pod }>(
  pods: readonly T[],
  rules: readonly ShutdownRule[],
): readonly ShutdownGroup<T>[] {
  const sorted = [...rules].sort((a, b) => a.priority - b.priority);
  return sorted
    .map((rule, index) => ({
      gracePeriodSeconds: rule.gracePeriodSeconds,
      pods: pods.filter(({ pod }) => {
        const above = sorted.findLastIndex(({ priority }) => priorityOf(pod) >= priority);
        return Math.max(0, above) === index;
      }),
    }))
    .filter((group) => group.pods.length > 0);
}
