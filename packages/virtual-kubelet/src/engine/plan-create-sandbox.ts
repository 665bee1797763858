// Makes a pod's sandbox, again some time after a failure. Pure.
import type { PlanDraft } from "./plan-draft.ts";
import type { PodFacts } from "./pod-facts.ts";

/** After a failure of which nothing else says when to try again. */
export const retryMs = 10_000;

export function createSandbox(facts: PodFacts, draft: PlanDraft): void {
  const failed = facts.found.sandboxFailedAt;
  if (facts.underWay.has("sandbox")) draft.keep("sandbox");
  else if (failed !== undefined && facts.now < failed + retryMs) draft.lookAt(failed + retryMs);
  else draft.want({ type: "createSandbox", key: "sandbox", memory: draft.memory });
}
