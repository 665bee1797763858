// The end of a pod: everything is stopped, mains before sidecars, then its sandbox is freed or removed. Pure.
import type { ContainerView } from "./container-view.ts";
import type { PlanDraft } from "./plan-draft.ts";
import { isUp, kill, planStops, stopStrays } from "./plan-kill.ts";
import type { PodFacts } from "./pod-facts.ts";
import type { Ending } from "./pod-memory.ts";

/** How long a deleted pod's last report stays readable on the backend, should the program be killed just then. */
const lingerMs = 1000;

/** A pod that its node ends should be gone by one and a half of its grace, and never sooner than this. */
const leastPatienceMs = 10_000;

export function planEnding(ending: Ending, views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  const { why, graceSeconds, deadline } = ending;
  for (const view of views) if (view.state === "running") kill(view, draft, { why, graceSeconds, deadline });
  stopStrays(views, facts, draft);
  planStops(views, facts, draft, true);
  const busy = [...facts.underWay].some((key) => !key.startsWith("message/") && !key.startsWith("remove/"));
  if (views.some(isUp) || facts.runs.some((run) => run.state === "running")) {
    if (why === "failed") tellLate(ending, facts, draft);
    return;
  }
  if (facts.underWay.has("sandbox")) {
    if (facts.sandbox !== undefined) draft.keep("sandbox");
    return;
  }
  if (busy) return;
  if (facts.sandbox === undefined) {
    if (why === "deleted" && facts.found.sandboxUncertain) draft.want({ type: "removeSandbox", key: "sandbox" });
    return;
  }
  if (ending.stoppedAt === undefined) {
    draft.memory = { ...draft.memory, ending: { ...ending, stoppedAt: facts.now } };
    draft.lookAt(facts.now);
    return;
  }
  const removeAt = facts.runs.length === 0 || graceSeconds === 0 ? facts.now : ending.stoppedAt + lingerMs;
  if (why === "deleted" && facts.now >= removeAt) draft.want({ type: "removeSandbox", key: "sandbox" });
  else {
    if (why === "deleted") draft.lookAt(removeAt);
    if (facts.sandbox.ready && facts.canStopSandbox) draft.want({ type: "stopSandbox", key: "sandbox" });
  }
}

function tellLate({ graceSeconds, deadline }: Ending, facts: PodFacts, draft: PlanDraft): void {
  const late = deadline - graceSeconds * 1000 + Math.max(leastPatienceMs, graceSeconds * 1500);
  if (facts.now < late) {
    draft.lookAt(late);
    return;
  }
  const message = "Container runtime did not kill the pod within specified grace period.";
  draft.tell({ type: "Warning", reason: "ExceededGracePeriod", message, once: "ending" });
}
