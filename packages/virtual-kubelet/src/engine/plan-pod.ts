// Decides what to do next about one pod: a pure function of what it is to be, what the backend shows, what is remembered,
// and the time. Level-driven: asked again with the same facts it answers the same.
import { type ContainerView, viewOf } from "./container-view.ts";
import { createSandbox } from "./plan-create-sandbox.ts";
import { PlanDraft, type PodPlan } from "./plan-draft.ts";
import { planEnding } from "./plan-ending.ts";
import { findKills } from "./plan-faults.ts";
import { planStops, refOf, stopStrays } from "./plan-kill.ts";
import { planResize } from "./plan-resize.ts";
import { ensureRunning } from "./plan-start.ts";
import { planStartOver } from "./plan-start-over.ts";
import { type PodFacts, runKey } from "./pod-facts.ts";
import { graceOf } from "./pod-grace.ts";
import { grantResize, isGranted } from "./resize-grant.ts";
import { containersToRun } from "./start-order.ts";
import { messageKey, removeKey, type Task } from "./task.ts";

export function planPod(facts: PodFacts): PodPlan {
  const draft = new PlanDraft(facts.memory);
  const views = facts.containers.map((of) => viewOf(of, facts));
  readMessages(views, facts, draft);
  const { ending } = facts.memory;
  if (ending !== undefined) planEnding(ending, views, facts, draft);
  else if (facts.request !== undefined) planAlive(views, facts, draft);
  else planFound(views, facts, draft);
  return draft.finished();
}

function planAlive(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  noteProbes(views, draft);
  if (isOver(views)) {
    const graceSeconds = graceOf(facts);
    const deadline = facts.now + graceSeconds * 1000;
    draft.memory = { ...draft.memory, ending: { why: "over", graceSeconds, deadline } };
    draft.lookAt(facts.now);
    return;
  }
  if (facts.sandbox === undefined) {
    createSandbox(facts, draft);
    return;
  }
  stopStrays(views, facts, draft);
  if (planStartOver(views, facts, draft)) return;
  grantResize(views, facts, draft);
  findKills(views, facts, draft);
  planStops(views, facts, draft, false);
  planStarts(views, facts, draft);
  if (isGranted(views, draft.memory)) planResize(views, facts, draft);
  removeOldRuns(facts, draft);
}

/** Nobody has said yet what it is to be: what runs is looked after, and nothing is begun or ended for good. */
function planFound(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  noteProbes(views, draft);
  findKills(views, facts, draft);
  planStops(views, facts, draft, facts.memory.restartingAll !== undefined);
}

/** Nothing of it will run again by itself: a failed init container, or all main containers done. */
function isOver(views: readonly ContainerView[]): boolean {
  const done = (view: ContainerView): boolean => view.current && view.state === "ended" && view.after.type === "none";
  const mains = views.filter((view) => view.of.role === "main");
  if (views.some((view) => view.of.role === "init" && done(view) && view.exitCode !== 0)) return true;
  return mains.length > 0 && mains.every(done);
}

function planStarts(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  const initialized = views.some(({ of, current, memory }) => of.role === "main" && current && memory.kept !== true);
  const order = views.map(({ of, current, state, exitCode, started }) => ({
    ...{ name: of.name, role: of.role, started: current && started },
    succeeded: current && state === "ended" && exitCode === 0,
  }));
  const due = containersToRun(order, initialized);
  const granted = isGranted(views, draft.memory);
  for (const view of views) if (due.has(view.of.name)) ensureRunning(view, facts, draft, granted);
}

/** What probes have said is remembered, so that a restart of the program takes nothing back. */
function noteProbes(views: readonly ContainerView[], draft: PlanDraft): void {
  for (const { of, run, state, memory, started, ready, current } of views) {
    if (run === undefined || state !== "running" || !current) continue;
    if (started && of.container.startupProbe !== undefined && memory.started !== true)
      draft.remember(of.name, run.attempt, { started: true });
    if (started && of.container.readinessProbe !== undefined && (memory.ready ?? false) !== ready)
      draft.remember(of.name, run.attempt, { ready });
  }
}

/** How a run ended is asked for once: of the newest, and of the one before. */
function readMessages(views: readonly ContainerView[], facts: PodFacts, draft: PlanDraft): void {
  for (const { of, run, previous } of views)
    for (const one of [run, previous])
      if (one !== undefined && (one.state === "exited" || facts.found.stopped.has(runKey(one)))) {
        const key = messageKey(one.name, one.attempt);
        if (!facts.found.messages.has(runKey(one))) draft.want({ type: "message", key, of, run: one });
      }
}

/** Tasks that ask how runs ended of which that is not known yet. */
export function endedRuns(facts: PodFacts): readonly Task[] {
  const draft = new PlanDraft(facts.memory);
  readMessages(
    facts.containers.map((of) => viewOf(of, facts)),
    facts,
    draft,
  );
  return draft.finished().tasks;
}

/** The newest run and the one before stay, for their logs and their end. */
function removeOldRuns(facts: PodFacts, draft: PlanDraft): void {
  for (const { name } of facts.containers) {
    const runs = facts.runs.filter((run) => run.name === name).sort((a, b) => b.attempt - a.attempt);
    for (const run of runs.slice(2))
      if (run.state !== "running") draft.want({ type: "remove", key: removeKey(name, run.attempt), ref: refOf(run) });
  }
}
