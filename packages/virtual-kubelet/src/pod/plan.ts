// Decides what to do next about one pod: a pure function of what the API wants, what the backend shows, and the time.

import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodFailure, PodReport } from "../provider/pods.ts";
import { allTerminated, isTerminal } from "../status/pod-status.ts";
import {
  type BackendView,
  type CreateState,
  type Deletion,
  everRan,
  graceOf,
  type NodeEnd,
  type Refusal,
  revisionOf,
} from "./pod-entry.ts";

/** The API's side. */
export interface Desired {
  /** The newest object seen; present also after it left the API. */
  readonly pod: Stored<Pod> | undefined;
  readonly inApi: boolean;
  /** Was in the API in this process's time: its absence is a deletion, else it is an orphan of the backend. */
  readonly wasInApi: boolean;
}

/** The backend's side and what was done so far. */
export interface Observed {
  readonly backend: BackendView;
  readonly create: CreateState;
  readonly createdAt: number;
  readonly createNotBefore: number;
  readonly applied: string | undefined;
  readonly deletion: Deletion | undefined;
  readonly refusal: Refusal | undefined;
  readonly lost: boolean;
  readonly nodeEnd: NodeEnd | undefined;
  readonly evicted: boolean;
  readonly volumesDue: boolean;
  readonly completionDue: boolean;
  readonly volumesRevision: string | undefined;
  readonly orphanSince: number | undefined;
}

export interface Rules {
  /** The provider has updatePod. */
  readonly canUpdate: boolean;
  /** Contents of volumes are resolved here, and the provider has updateVolumes. */
  readonly canUpdateVolumes: boolean;
  /** What containers are given is followed, and the provider has updatePod. */
  readonly canFollow: boolean;
  readonly consistencyDelayMs: number;
  /** Two "not found" so far apart mean that the backend lost the pod. */
  readonly lostAfterMs: number;
  readonly orphanGraceMs: number;
  /** After grace plus this, a deletion that shows no effect is asked for again. */
  readonly deleteAgainMs: number;
}

export type PodAction =
  | { readonly type: "none" }
  /** Look again at this time (epoch ms) even if nothing happens. */
  | { readonly type: "wait"; readonly until: number }
  /** Ask the backend for this pod alone. */
  | { readonly type: "observe" }
  | { readonly type: "create" }
  | { readonly type: "update" }
  /** What the volumes are to hold may have changed. */
  | { readonly type: "updateVolumes" }
  /** The spec changed and the provider cannot apply it: tell the user, once per revision. */
  | { readonly type: "reportUnapplied" }
  | { readonly type: "delete"; readonly gracePeriodSeconds: number; readonly why: DeleteReason }
  /** What is left of it (its end, its logs) is kept until the API's object is gone. */
  | { readonly type: "stop"; readonly gracePeriodSeconds: number; readonly failure: PodFailure | undefined }
  /** A held refusal's time has come. */
  | { readonly type: "refuse" }
  | { readonly type: "lose" }
  | { readonly type: "exceedDeadline" }
  /** The backend wants the pod gone: delete the API object. */
  | { readonly type: "evict"; readonly gracePeriodSeconds: number }
  /** The status (and then the API's DELETE) is all that is left. */
  | { readonly type: "finish" }
  /** Neither the API nor the backend has it. */
  | { readonly type: "forget" };

export type DeleteReason = "deleted" | "orphan";

export function plan(desired: Desired, observed: Observed, now: number, rules: Rules): PodAction {
  const { pod } = desired;
  if (!desired.inApi || pod === undefined) return planWithoutObject(desired, observed, now, rules);
  if (isTerminal(pod.status)) return planFinished(pod, observed, now, rules);
  if (pod.metadata.deletionTimestamp !== undefined) {
    const action = planDeletion(pod, observed, now, rules);
    // A grace may be longer than the life of a token.
    const runsOn = action.type === "wait" && observed.backend.type === "present";
    return runsOn && rules.canUpdateVolumes && observed.volumesDue ? { type: "updateVolumes" } : action;
  }
  if (observed.refusal !== undefined) {
    if (observed.refusal.final) return { type: "finish" };
    return now < observed.refusal.failAt ? { type: "wait", until: observed.refusal.failAt } : { type: "refuse" };
  }
  if (observed.lost) return { type: "finish" };
  const deadline = deadlineOf(pod);
  if (observed.nodeEnd === undefined) {
    if (deadline !== undefined && now >= deadline) return { type: "exceedDeadline" };
  } else {
    return end(pod, observed, now, rules, stopFor(observed.nodeEnd.failure), { type: "finish" });
  }
  switch (observed.backend.type) {
    case "unknown":
      return { type: "observe" };
    case "awaited":
      return look(now, observed.backend.since + rules.consistencyDelayMs + rules.lostAfterMs);
    case "absent":
      return planAbsent(pod, observed, observed.backend, now, rules);
    case "present":
      return planPresent(pod, observed, rules);
  }
}

/** Not in the API: what of it is ours on the backend goes; an orphan only after its grace. */
function planWithoutObject(desired: Desired, observed: Observed, now: number, rules: Rules): PodAction {
  const backend = observed.backend;
  if (backend.type === "unknown") return { type: "observe" };
  if (backend.type === "absent") {
    const settled = observed.createdAt + rules.consistencyDelayMs;
    if (observed.create !== "never" && backend.lastAt < settled) return look(now, settled);
    return { type: "forget" };
  }
  if (!desired.wasInApi && observed.deletion === undefined) {
    // It may be another cluster's.
    if (backend.type === "present" && backend.report.clusterUnknown === true) return { type: "none" };
    const due = (observed.orphanSince ?? now) + rules.orphanGraceMs;
    if (now < due) return { type: "wait", until: due };
    return { type: "delete", gracePeriodSeconds: graceOf(desired.pod), why: "orphan" };
  }
  const why = desired.wasInApi ? "deleted" : "orphan";
  return end(desired.pod, observed, now, rules, deleteFor(why), { type: "none" });
}

/** Terminal in the API: nothing of it may run any more; a deletion of the object is completed. */
function planFinished(pod: Stored<Pod>, observed: Observed, now: number, rules: Rules): PodAction {
  const deleted = pod.metadata.deletionTimestamp !== undefined;
  if (observed.backend.type === "unknown") return { type: "observe" };
  if (observed.backend.type === "absent") return deleted ? { type: "finish" } : { type: "none" };
  const then: PodAction = { type: deleted ? "finish" : "none" };
  if (observed.backend.type === "present") {
    const { report } = observed.backend;
    if (allTerminated(pod, report) || (observed.deletion?.keeps === true && !runs(report))) return then;
  }
  const { phase, reason, message } = pod.status ?? {};
  const failure = phase === "Failed" ? { reason: reason ?? "Failed", message: message ?? "" } : undefined;
  return end(pod, observed, now, rules, stopFor(failure), then);
}

/** Being deleted: the backend first, then the terminal status, then the API's DELETE. */
function planDeletion(pod: Stored<Pod>, observed: Observed, now: number, rules: Rules): PodAction {
  const backend = observed.backend;
  if (backend.type === "unknown") return { type: "observe" };
  if (backend.type === "absent") {
    // A create whose outcome is open, or that the backend does not show yet, may still come to be: ask after the delay.
    const settled = observed.createdAt + rules.consistencyDelayMs;
    if (observed.create !== "never" && backend.lastAt < settled) return look(now, settled);
    return { type: "finish" };
  }
  return end(pod, observed, now, rules, deleteFor("deleted"), { type: "finish" });
}

/** Not on the backend: never created means create; created means that two answers decide whether it was lost. */
function planAbsent(
  pod: Stored<Pod>,
  observed: Observed,
  backend: { readonly firstAt: number; readonly lastAt: number },
  now: number,
  rules: Rules,
): PodAction {
  if (observed.create !== "accepted" && !everRan(pod))
    return now < observed.createNotBefore ? { type: "wait", until: observed.createNotBefore } : { type: "create" };
  const settled = observed.createdAt + rules.consistencyDelayMs;
  // An answer from within the delay does not count: the first that does starts the 30 s.
  if (backend.firstAt < settled) return look(now, settled);
  if (backend.lastAt - backend.firstAt >= rules.lostAfterMs) return { type: "lose" };
  return look(now, backend.firstAt + rules.lostAfterMs);
}

function planPresent(pod: Stored<Pod>, observed: Observed, rules: Rules): PodAction {
  if (observed.backend.type !== "present") return { type: "observe" };
  const report = observed.backend.report;
  if (report.evict !== undefined && !observed.evicted)
    return { type: "evict", gracePeriodSeconds: report.evict.gracePeriodSeconds };
  if (allTerminated(pod, report)) return { type: "finish" };
  const deadline = deadlineOf(pod);
  const revision = revisionOf(pod);
  const applied = observed.applied ?? report.revision;
  const stale =
    applied === undefined
      ? (pod.metadata.generation ?? 0) > (pod.status?.observedGeneration ?? pod.metadata.generation ?? 0)
      : applied !== revision;
  // An update may have to wait for what the pod refers to; a token that gets old does not.
  if (rules.canUpdateVolumes && observed.volumesDue) return { type: "updateVolumes" };
  if (observed.completionDue && rules.canFollow) return { type: "update" };
  if (stale) return rules.canUpdate ? { type: "update" } : { type: "reportUnapplied" };
  if (rules.canUpdateVolumes && observed.volumesRevision !== revision) return { type: "updateVolumes" };
  return deadline === undefined ? { type: "none" } : { type: "wait", until: deadline };
}

/** How the backend is told to end a pod. */
type Order = (gracePeriodSeconds: number) => Extract<PodAction, { readonly type: "delete" | "stop" }>;

const deleteFor =
  (why: DeleteReason): Order =>
  (gracePeriodSeconds) => ({ type: "delete", gracePeriodSeconds, why });

const stopFor =
  (failure: PodFailure | undefined): Order =>
  (gracePeriodSeconds) => ({ type: "stop", gracePeriodSeconds, failure });

/**
 * Has the backend end the pod, sooner if the grace was shortened, wholly if it was to keep it before, again if nothing came of
 * it; `then` once it has ended.
 */
function end(
  pod: Stored<Pod> | undefined,
  observed: Observed,
  now: number,
  rules: Rules,
  order: Order,
  then: PodAction,
): PodAction {
  if (observed.backend.type === "absent") return then;
  if (observed.backend.type === "unknown") return { type: "observe" };
  const { deletion, nodeEnd } = observed;
  const grace = Math.min(graceOf(pod), nodeEnd?.gracePeriodSeconds ?? Number.POSITIVE_INFINITY);
  const first = order(grace);
  if (deletion === undefined || grace < deletion.gracePeriodSeconds) return first;
  if (deletion.keeps === true && first.type === "delete") return order(Math.min(grace, deletion.gracePeriodSeconds));
  if (observed.backend.type === "present" && hasStopped(observed.backend.report)) return then;
  const again = deletion.at + deletion.gracePeriodSeconds * 1000 + rules.deleteAgainMs;
  if (now < again) return { type: "wait", until: again };
  return order(0);
}

/** Told to stop, and nothing of it runs or waits any more. */
function hasStopped(report: PodReport): boolean {
  if (report.failure !== undefined) return !runs(report);
  return report.containers.length > 0 && report.containers.every(({ state }) => state.terminated !== undefined);
}

function runs({ containers }: PodReport): boolean {
  return containers.some(({ state }) => state.running !== undefined);
}

/** Asks the backend at `at`, or at once when that has come. */
function look(now: number, at: number): PodAction {
  return now < at ? { type: "wait", until: at } : { type: "observe" };
}

/** When activeDeadlineSeconds ends the pod, epoch ms (counted from status.startTime). */
export function deadlineOf(pod: Pod): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  const start = pod.status?.startTime;
  return seconds === undefined || start === undefined ? undefined : Date.parse(start) + seconds * 1000;
}
