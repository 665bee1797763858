// What the outcomes of one probe of one run of a container add up to. Pure.
import type { Container, Probe } from "../kube/types.gen.ts";
import type { ProbedRun, ProbeResult, ProbeType, RunResults } from "./probe-results.ts";

/** A probe's numbers with the API's defaults. */
export interface ProbeRules {
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly failureThreshold: number;
  readonly successThreshold: number;
}

export function probeRules(probe: Probe): ProbeRules {
  const atLeast = (value: number | undefined, least: number, other: number): number =>
    value === undefined || !(value >= least) ? other : value;
  return {
    initialDelayMs: atLeast(probe.initialDelaySeconds, 0, 0) * 1000,
    periodMs: atLeast(probe.periodSeconds, 1, 10) * 1000,
    timeoutMs: atLeast(probe.timeoutSeconds, 1, 1) * 1000,
    failureThreshold: atLeast(probe.failureThreshold, 1, 3),
    successThreshold: atLeast(probe.successThreshold, 1, 1),
  };
}

export interface ProbeState {
  /** What counts. */
  readonly result: ProbeResult;
  /** The outcome last seen, and how often in a row. */
  readonly last: ProbeResult;
  readonly inARow: number;
  /** Has said its last word about this run: a startup probe either way, a liveness probe by failing. */
  readonly isDone: boolean;
}

const none = { last: "unknown", inARow: 0, isDone: false } as const;

/** `known`: what it was before this program was restarted. */
export function initialState(type: ProbeType, known: ProbedRun["known"]): ProbeState {
  switch (type) {
    case "startup":
      return known.started === true ? { ...none, result: "success", isDone: true } : { ...none, result: "unknown" };
    case "liveness":
      return { ...none, result: "success" };
    case "readiness":
      return { ...none, result: known.ready === true ? "success" : "failure" };
  }
}

/** `outcome` of a probe that could be carried out; one that could not changes nothing. */
export function nextState(
  type: ProbeType,
  state: ProbeState,
  rules: ProbeRules,
  outcome: "success" | "failure",
): ProbeState {
  if (state.isDone) return state;
  const inARow = state.last === outcome ? state.inARow + 1 : 1;
  const threshold = outcome === "success" ? rules.successThreshold : rules.failureThreshold;
  if (inARow < threshold) return { ...state, last: outcome, inARow };
  const isDone = type === "startup" || (type === "liveness" && outcome === "failure");
  return { result: outcome, last: outcome, inARow, isDone };
}

export interface ProbeFault {
  readonly type: "startup" | "liveness";
  /** Goes before the pod's own grace; undefined: that one counts. */
  readonly graceSeconds: number | undefined;
}

/** Why a run is to be stopped, by what its probes have said; undefined: it may go on. */
export function probeFault(results: RunResults, container: Container): ProbeFault | undefined {
  const { livenessProbe, startupProbe } = container;
  if (results.startup === "failure")
    return { type: "startup", graceSeconds: startupProbe?.terminationGracePeriodSeconds };
  if (results.liveness === "failure")
    return { type: "liveness", graceSeconds: livenessProbe?.terminationGracePeriodSeconds };
  return undefined;
}
