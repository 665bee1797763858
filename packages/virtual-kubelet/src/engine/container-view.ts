// Where one container of a pod stands: its newest run, the one before, and what they mean now. Pure.
import { restartDecision } from "../status/restart-policy.ts";
import { type BackoffStep, dueAt } from "./backoff.ts";
import type { RuntimeContainer } from "./container-runtime.ts";
import type { PodContainer } from "./pod-container.ts";
import { type PodFacts, runKey } from "./pod-facts.ts";
import type { RunMemory } from "./pod-memory.ts";
import { type RunNotes, runNotes } from "./run-notes.ts";

export interface ContainerView {
  readonly of: PodContainer;
  /** The newest run, of whatever epoch. */
  readonly run: RuntimeContainer | undefined;
  readonly notes: RunNotes | undefined;
  readonly previous: RuntimeContainer | undefined;
  /** What is remembered of the newest run. */
  readonly memory: RunMemory;
  /** Has it had a run since all containers last started over? Else it is as if it never had one. */
  readonly current: boolean;
  /**
   * Of the newest run. "ending": it has exited, but not all is known about it yet; counts as running for everybody.
   * "none" when there never was one.
   */
  readonly state: "none" | "created" | "running" | "ending" | "ended";
  /** Once it has ended. */
  readonly exitCode: number;
  /** Counts as running, postStart is done and the startup probe has succeeded. */
  readonly started: boolean;
  /** Started, and ready by its probe. */
  readonly ready: boolean;
  /** What follows its end. */
  readonly after: AfterEnd;
}

/** `at`: not before; epoch milliseconds. */
export type AfterEnd =
  | { readonly type: "none" }
  | { readonly type: "restart"; readonly at: number }
  | { readonly type: "restartAll"; readonly at: number };

export function viewOf(of: PodContainer, facts: PodFacts): ContainerView {
  const runs = facts.runs.filter((run) => run.name === of.name).sort((a, b) => b.attempt - a.attempt);
  const run = runs[0];
  const notes = run && runNotes(run);
  const remembered = facts.memory.runs[of.name];
  const memory =
    remembered?.attempt === run?.attempt && remembered !== undefined ? remembered : { attempt: run?.attempt ?? -1 };
  const current = notes !== undefined && (notes.epoch >= facts.memory.epoch || memory.kept === true);
  const state = stateOf(run, facts);
  const exitCode = state === "ended" ? exitCodeOf(run) : 0;
  const up = (state === "running" || state === "ending") && postStartDone(of, memory);
  const results = run && up ? facts.probes(run) : undefined;
  const started =
    up && (of.container.startupProbe === undefined || memory.started === true || results?.startup === "success");
  const ready =
    started &&
    (of.container.readinessProbe === undefined ||
      (results === undefined ? memory.ready === true : results.readiness === "success"));
  const view = { of, run, notes, previous: runs[1], memory, current, state, exitCode, started, ready };
  return { ...view, after: afterEnd(view, facts) };
}

export function postStartDone(of: PodContainer, memory: RunMemory): boolean {
  return of.container.lifecycle?.postStart === undefined || memory.postStarted === true;
}

function stateOf(run: RuntimeContainer | undefined, facts: PodFacts): ContainerView["state"] {
  if (run === undefined) return "none";
  if (run.state === "created" || run.state === "running") return run.state;
  if (run.state === "unknown" && !facts.found.stopped.has(runKey(run))) return "running";
  return facts.found.messages.has(runKey(run)) ? "ended" : "ending";
}

/** Nobody knows how a run ended that is lost: as if it had been killed. */
export function exitCodeOf(run: RuntimeContainer | undefined): number {
  return run?.state === "exited" ? (run.exitCode ?? 137) : 137;
}

function afterEnd(view: Omit<ContainerView, "after">, facts: PodFacts): AfterEnd {
  const { of, run, exitCode, memory } = view;
  if (view.state !== "ended" || run === undefined || facts.memory.ending !== undefined) return { type: "none" };
  if (of.role === "ephemeral" || (of.role === "init" && exitCode === 0)) return { type: "none" };
  const at = dueAt(stepOf(view), run.finishedAt ?? facts.now, facts.limits);
  // A clock that was set back must not make it wait for ever.
  const due = Math.min(at, facts.now + facts.limits.maxMs);
  // No back-off, and none to be told of.
  if (memory.kill?.why === "changed") return { type: "restart", at: run.finishedAt ?? facts.now };
  const decision = restartDecision(of.container, facts.memory, exitCode);
  if (decision === "all") return { type: "restartAll", at: due };
  return decision === "container" ? { type: "restart", at: due } : { type: "none" };
}

/** The back-off in force since the newest run began; none after a change of what it counts for. */
export function stepOf({ of, notes }: Pick<ContainerView, "of" | "notes">): BackoffStep | undefined {
  if (notes === undefined || notes.backoffMs === 0 || notes.backoffKey !== of.backoffKey) return undefined;
  return { ms: notes.backoffMs, at: notes.at };
}
