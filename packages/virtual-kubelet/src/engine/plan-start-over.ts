// All containers of a pod start over: because the end of one asks for it, or because the sandbox is gone from under them.
// Pure.
import type { ContainerView } from "./container-view.ts";
import { createSandbox } from "./plan-create-sandbox.ts";
import type { PlanDraft } from "./plan-draft.ts";
import { isUp, kill, planStops } from "./plan-kill.ts";
import type { PodFacts } from "./pod-facts.ts";
import { graceOf } from "./pod-grace.ts";
import type { KillReason } from "./pod-memory.ts";
import { startKey } from "./task.ts";

/** True: that is what happens now, and nothing else is to be begun. */
export function planStartOver(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): boolean {
  if (facts.sandbox?.ready === false) {
    newSandbox(views, facts, draft);
    return true;
  }
  const source = facts.memory.restartingAll;
  if (source !== undefined) {
    restartAll(source, views, facts, draft);
    return true;
  }
  const asking = views.find((view) => view.current && view.after.type === "restartAll");
  if (asking?.run === undefined) return false;
  const { name, attempt } = asking.run;
  draft.memory = { ...draft.memory, restartingAll: { container: name, attempt } };
  draft.lookAt(facts.now);
  return true;
}

/** They stop as at the end of a pod; once all have, and the back-off of the one that asked is over, a new epoch begins. */
function restartAll(
  source: { readonly container: string },
  views: readonly ContainerView[],
  facts: PodFacts,
  draft: PlanDraft,
): void {
  const all = views.filter((view) => view.of.role !== "ephemeral");
  if (!stopAll(all, facts, draft, "restartAll")) return;
  const after = views.find((view) => view.of.name === source.container)?.after;
  const due = after?.type === "restartAll" || after?.type === "restart" ? after.at : facts.now;
  if (facts.now < due) {
    draft.lookAt(due);
    return;
  }
  for (const { of, run, memory } of all)
    if (run !== undefined && memory.kept === true) draft.remember(of.name, run.attempt, { kept: undefined });
  draft.memory = { ...draft.memory, epoch: draft.memory.epoch + 1, restartingAll: undefined };
  draft.lookAt(facts.now);
}

/** What had ended for good stays so; all else, init containers included, runs again in the new sandbox. */
function newSandbox(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  if (!stopAll(views, facts, draft, "sandbox")) return;
  const open = views.filter(
    (view) => view.run !== undefined && view.current && view.of.role !== "ephemeral" && view.memory.kept !== true,
  );
  if (open.length === 0) {
    createSandbox(facts, draft);
    return;
  }
  for (const { of, run, state, after } of open)
    if (run !== undefined && of.role === "main" && state === "ended" && after.type === "none")
      draft.remember(of.name, run.attempt, { kept: true });
  draft.memory = { ...draft.memory, epoch: draft.memory.epoch + 1, restartingAll: undefined };
  const message = "Pod sandbox changed, it will be killed and re-created.";
  draft.tell({ type: "Normal", reason: "SandboxChanged", message });
  draft.lookAt(facts.now);
}

/** True once nothing of them runs or may come to. */
function stopAll(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft, why: KillReason): boolean {
  const graceSeconds = graceOf(facts);
  for (const view of views)
    if (view.state === "running") kill(view, draft, { why, graceSeconds, deadline: facts.now + graceSeconds * 1000 });
  planStops(views, facts, draft, true);
  return !views.some((view) => isUp(view) || facts.underWay.has(startKey(view.of.name)));
}
