// What the engine says about a pod: facts of its containers as the core wants them. Pure.
import type { ContainerState, ContainerStateTerminated, ContainerUser } from "../kube/types.gen.ts";
import type { ContainerReport, PodReport } from "../provider/pods.ts";
import type { RuntimeContainer, RuntimeUser } from "./container-runtime.ts";
import { type ContainerView, exitCodeOf, postStartDone, viewOf } from "./container-view.ts";
import { backoffBeginsAt, isPullBackoff } from "./image-backoff.ts";
import { resizeId, resizeOf } from "./plan-resize.ts";
import { crashLoopMessage, nextAttempt } from "./plan-start.ts";
import { type PodFacts, runKey } from "./pod-facts.ts";
import { heldResources, isGranted, verdictOf } from "./resize-grant.ts";
import { runNotes } from "./run-notes.ts";
import { startKey } from "./task.ts";

export interface ReportOptions {
  /** `type` of `type://id`. */
  readonly type: string;
}

export function podReport(facts: PodFacts, { type }: ReportOptions): PodReport {
  const { sandbox, memory, request } = facts;
  const hostNetwork = request?.pod.spec?.hostNetwork === true;
  const ips = sandbox?.ips ?? [];
  const shown = { ...facts, runs: begunRuns(facts) };
  const views = facts.containers.map((of) => viewOf(of, shown));
  const resize = request === undefined ? undefined : resizeReport(views, facts);
  return {
    owner: facts.owner,
    // Without the request nobody can look after it; a pod that ends needs none.
    ...(request === undefined && memory.ending === undefined ? { revision: "" } : {}),
    ...(request === undefined ? {} : { revision: request.revision }),
    containers: views.flatMap((view) => (isPast(view, views) ? [] : [containerReport(view, shown, type)])),
    ...(ips.length > 0 && !hostNetwork ? { podIPs: ips } : {}),
    startTime: new Date(memory.acceptedAt).toISOString(),
    sandboxReady: sandbox?.ready === true,
    ...(memory.failure === undefined || mayStart(facts) ? {} : { failure: memory.failure }),
    ...(memory.restartingAll === undefined ? {} : { restartingAll: true }),
    ...(resize === undefined ? {} : { resize }),
  };
}

/** An init container that the backend does not show any more; main containers have begun, so it had succeeded: nothing is said of it. */
function isPast({ of, run }: ContainerView, views: readonly ContainerView[]): boolean {
  if (of.role !== "init" || run !== undefined) return false;
  return views.some((view) => view.of.role === "main" && view.run !== undefined && view.current);
}

/** A run was told to begin, and is not seen to have. */
function mayStart(facts: PodFacts): boolean {
  return facts.containers.some((of) => facts.underWay.has(startKey(of.name)) && viewOf(of, facts).state === "created");
}

/** A restart shows once it runs, or fails to: until then the container stays as it ended. */
function begunRuns(facts: PodFacts): readonly RuntimeContainer[] {
  return facts.runs.filter((run) => {
    if (run.state !== "created" || facts.found.startErrors.get(run.name)?.attempt === run.attempt) return true;
    return !facts.runs.some((one) => one.name === run.name && one.attempt < run.attempt);
  });
}

/** Of several changes that are not in force, the one that will never be goes first. */
function resizeReport(views: readonly ContainerView[], facts: PodFacts): PodReport["resize"] {
  if (!isGranted(views, facts.memory)) {
    if (!views.some((view) => heldResources(view) !== undefined)) return undefined;
    const verdict = verdictOf(facts);
    if (verdict.state !== "fits") return verdict;
  }
  let resize: PodReport["resize"];
  for (const view of views) {
    const change = resizeOf(view);
    if (change === undefined || view.run === undefined) continue;
    const refused = facts.found.unresizable.get(resizeId(view.run, change));
    if (refused !== undefined) return { state: "infeasible", message: refused };
    const error = facts.found.resizeErrors.get(runKey(view.run));
    resize = error === undefined ? (resize ?? { state: "inProgress" }) : { state: "failed", message: error };
  }
  return resize;
}

function containerReport(view: ContainerView, facts: PodFacts, type: string): ContainerReport {
  const { of, run, previous } = view;
  const remembered = facts.memory.runs[of.name]?.attempt ?? 0;
  if (run === undefined) return { name: of.name, state: waiting(view, facts), restartCount: remembered };
  const shown = stateOf(view, facts, type);
  const resize = resizeOf(view);
  const ended = shown.state.waiting !== undefined && view.state === "ended" ? run : previous;
  const lastState = ended === undefined ? undefined : endOf(ended, facts, type);
  // A run that has not begun counts, but has nothing to show.
  const from = view.state === "created" ? (previous ?? run) : run;
  return {
    name: of.name,
    ...shown,
    ...(lastState === undefined ? {} : { lastState }),
    restartCount: Math.max(run.attempt, remembered),
    image: from.image,
    imageID: from.imageID,
    ...(from.user === undefined ? {} : { user: userOf(from.user) }),
    ...(resize === undefined ? {} : { resources: resize.inForce }),
    ...(view.state === "created" && previous === undefined ? {} : { containerID: `${type}://${from.id}` }),
  };
}

function userOf({ uid, gid, supplementalGroups }: RuntimeUser): ContainerUser {
  return { linux: { uid, gid, ...(supplementalGroups.length > 0 && { supplementalGroups }) } };
}

function stateOf(
  view: ContainerView,
  facts: PodFacts,
  type: string,
): Pick<ContainerReport, "state" | "started" | "ready"> {
  const { of, run, state, started, ready, memory } = view;
  switch (state) {
    case "running":
    case "ending":
      // Until postStart is done it does not count as running, whatever its process does.
      if (!postStartDone(of, memory) && (memory.kill === undefined || hookFailed(view)) && !facts.memory.ending)
        return { state: waiting(view, facts) };
      return { state: { running: startedAt(run) }, started, ready };
    case "ended":
      if (isToRunAgain(view, facts)) return { state: waiting(view, facts) };
      return { state: run === undefined ? waiting(view, facts) : endOf(run, facts, type) };
    default:
      return { state: waiting(view, facts) };
  }
}

/** Ended, and shown as waiting for its next run: not for the moment between an end and a restart at once. */
function isToRunAgain(view: ContainerView, facts: PodFacts): boolean {
  if (facts.memory.ending !== undefined) return false;
  if (facts.memory.restartingAll !== undefined) return view.of.role !== "ephemeral";
  if (!view.current) return true;
  if (view.after.type === "restartAll" || view.memory.kill?.why === "changed") return true;
  return view.after.type === "restart" && (backsOff(view) || hookFailed(view) || startError(view, facts) !== undefined);
}

/** It never counted as running, and is stopped, or has been, for that. */
function hookFailed({ memory }: ContainerView): boolean {
  return memory.kill?.why === "postStart";
}

/** There is a pause before its restart: it waits until that has come, not only until the pause is over. */
function backsOff({ after, run }: ContainerView): boolean {
  return after.type === "restart" && after.at > (run?.finishedAt ?? after.at);
}

function waiting(view: ContainerView, facts: PodFacts): ContainerState {
  const { of, state, after } = view;
  const restartingAll =
    of.role !== "ephemeral" &&
    state === "ended" &&
    (facts.memory.restartingAll !== undefined || after.type === "restartAll" || !view.current);
  if (restartingAll) return { waiting: { reason: "RestartingAllContainers" } };
  const error = startError(view, facts);
  if (error !== undefined) return { waiting: error };
  if (view.current && backsOff(view))
    return { waiting: { reason: "CrashLoopBackOff", message: crashLoopMessage(view, facts) } };
  if (view.current && hookFailed(view))
    return { waiting: { reason: "PostStartHookError", message: "PostStartHook failed" } };
  // The core knows the word for it.
  return { waiting: {} };
}

function startError(
  view: ContainerView,
  facts: PodFacts,
): { readonly reason: string; readonly message: string } | undefined {
  const { of, run, state } = view;
  const error = facts.found.startErrors.get(of.name);
  const attempt = state === "created" && view.current ? run?.attempt : nextAttempt(view, facts);
  if (error === undefined || error.attempt !== attempt) return undefined;
  const { reason, message, image } = error;
  if (!isPullBackoff(error, facts.now)) return { reason, message };
  return { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}": ${reason}: ${message}` };
}

/** When the words of the report change by themselves. */
export function reportChangesAt(facts: PodFacts): number | undefined {
  let at: number | undefined;
  for (const error of facts.found.startErrors.values()) {
    const change = backoffBeginsAt(error, facts.now);
    if (change !== undefined) at = Math.min(at ?? change, change);
  }
  return at;
}

function startedAt(run: RuntimeContainer | undefined): { readonly startedAt?: string } {
  return run?.startedAt === undefined ? {} : { startedAt: new Date(run.startedAt).toISOString() };
}

function endOf(run: RuntimeContainer, facts: PodFacts, type: string): ContainerState {
  const exitCode = exitCodeOf(run);
  const text = facts.found.messages.get(runKey(run)) ?? "";
  const message = text === "" ? (run.message ?? "") : text;
  const lost = run.state !== "exited" || run.exitCode === undefined;
  const terminated: ContainerStateTerminated = {
    exitCode,
    reason: startedOver(run, facts)
      ? "RestartingAllContainers"
      : (run.reason ?? (lost ? "ContainerStatusUnknown" : exitCode === 0 ? "Completed" : "Error")),
    ...(run.signal === undefined ? {} : { signal: run.signal }),
    ...(message === "" ? {} : { message }),
    ...startedAt(run),
    ...(run.finishedAt === undefined ? {} : { finishedAt: new Date(run.finishedAt).toISOString() }),
    containerID: `${type}://${run.id}`,
  };
  return { terminated };
}

/** Its end means nothing for the pod: all containers start over, or have since. */
function startedOver(run: RuntimeContainer, facts: PodFacts): boolean {
  const memory = facts.memory.runs[run.name];
  const before = runNotes(run).epoch < facts.memory.epoch;
  // What the pod ends with is its end; what has run again since stays as it was told.
  if (facts.memory.ending !== undefined)
    return before && facts.runs.some((one) => one.name === run.name && one.attempt > run.attempt);
  if (memory?.attempt === run.attempt && memory.kept === true) return false;
  return facts.memory.restartingAll !== undefined || before;
}
