// The grace that a pod's spec gives its containers.
import type { PodFacts } from "./pod-facts.ts";

/** Seconds. */
export function graceOf({ request, memory }: Pick<PodFacts, "request" | "memory">): number {
  return request?.pod.spec?.terminationGracePeriodSeconds ?? memory.graceSeconds;
}
