// Stops runs: why, with what grace, preStop first, sidecars in their turn. Pure.
import type { ContainerView } from "./container-view.ts";
import type { PlanDraft } from "./plan-draft.ts";
import { type PodFacts, runKey } from "./pod-facts.ts";
import type { KillReason } from "./pod-memory.ts";
import { hookKey, startKey, stopKey } from "./task.ts";

/** Has one to be stopped, or sooner than it was to be. Its users are told once. */
export function kill(
  view: ContainerView,
  draft: PlanDraft,
  order: { readonly why: KillReason; readonly graceSeconds: number; readonly deadline: number },
  message = `Stopping container ${view.of.name}`,
): void {
  const { of, run } = view;
  if (run === undefined) return;
  const remembered = draft.memory.runs[of.name];
  const before = remembered?.attempt === run.attempt ? remembered.kill : undefined;
  if (before === undefined) {
    draft.remember(of.name, run.attempt, { kill: order });
    draft.tell({ type: "Normal", reason: "Killing", message, container: of.name });
  } else if (order.deadline < before.deadline)
    draft.remember(of.name, run.attempt, { kill: { ...before, ...order, why: before.why } });
}

/** What lives and is to live no more, of what runs. */
export function isUp({ state }: ContainerView): boolean {
  return state === "running" || state === "ending";
}

/**
 * The next step of each stop that was decided. `ordered`: sidecars wait until the main containers and all later sidecars
 * have ended, or their grace has.
 */
export function planStops(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft, ordered: boolean): void {
  for (const view of views) {
    const { of, run } = view;
    if (run === undefined || view.state !== "running") continue;
    const remembered = draft.memory.runs[of.name];
    const order = remembered?.attempt === run.attempt ? remembered.kill : undefined;
    if (order === undefined) continue;
    const hook = of.container.lifecycle?.preStop !== undefined && order.preStopped !== true;
    const late = facts.now >= order.deadline;
    if (hook && order.graceSeconds > 0 && !late) {
      draft.want({ type: "preStop", key: hookKey(of.name), of, run });
      draft.lookAt(order.deadline);
      continue;
    }
    if (ordered && of.role === "sidecar" && !late && !isTurn(view, views, facts)) {
      draft.lookAt(order.deadline);
      continue;
    }
    const deadline = order.graceSeconds > 0 ? order.deadline : 0;
    const signal = of.container.lifecycle?.stopSignal;
    draft.want({ type: "stop", key: stopKey(of.name, run.attempt), ref: refOf(run), signal, deadline });
  }
}

function isTurn(view: ContainerView, views: readonly ContainerView[], facts: PodFacts): boolean {
  return views.every((other) => {
    const before = other.of.role === "sidecar" ? other.of.index > view.of.index : other.of.role !== "ephemeral";
    return !before || !(isUp(other) || facts.underWay.has(startKey(other.of.name)));
  });
}

export function refOf(run: { readonly podUid: string; readonly name: string; readonly attempt: number }): {
  readonly podUid: string;
  readonly name: string;
  readonly attempt: number;
} {
  return { podUid: run.podUid, name: run.name, attempt: run.attempt };
}

/** Stops runs that should not be: any but the newest of a container. */
export function stopStrays(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  const newest = new Set(views.flatMap(({ run }) => (run === undefined ? [] : [runKey(run)])));
  for (const run of facts.runs)
    if (run.state === "running" && !newest.has(runKey(run)))
      draft.want({ type: "stop", key: stopKey(run.name, run.attempt), ref: refOf(run), deadline: facts.now });
}
