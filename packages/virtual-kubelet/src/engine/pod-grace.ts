// The grace that a pod's spec gives its containers.
import type { PodFacts } from "./pod-facts.ts";

/** Seconds; the API's default is 30. */
export function graceOf({ request }: Pick<PodFacts, "request">): number {
  return request?.pod.spec?.terminationGracePeriodSeconds ?? 30;
}
