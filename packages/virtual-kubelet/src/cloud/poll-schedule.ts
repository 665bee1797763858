// When a group is looked at next: often while it changes, seldom while it runs, never once it has ended. Pure.
import type { CloudGroup } from "./cloud-backend.ts";

export interface PollPace {
  /** Milliseconds between two looks at a group that starts or ends, in its first half minute; then up to `slowMs` apart. Default 2000. */
  readonly fastMs: number;
  /** Of one that has been starting or ending for long. Default 10 000. */
  readonly slowMs: number;
  /** Of one that runs. Default 20 000. */
  readonly steadyMs: number;
  /** Of one that runs while the cloud pushes changes. Default 120 000. */
  readonly pushedMs: number;
  /** Calls that looks at running groups may come to in a minute: with many of them, each is looked at less often. Default 300. */
  readonly steadyCallsPerMinute: number;
}

export const defaultPace: PollPace = {
  ...{ fastMs: 2_000, slowMs: 10_000, steadyMs: 20_000, pushedMs: 120_000 },
  steadyCallsPerMinute: 300,
};

/** So long after a change of stage a group is looked at often. */
const busyMs = 30_000;

export interface PollState {
  readonly stage: CloudGroup["stage"];
  /** When the stage was first seen, epoch milliseconds. */
  readonly since: number;
  /** Something waits for its next change: a deletion, a restart. */
  readonly awaited: boolean;
  /** The cloud pushes changes now. */
  readonly pushed: boolean;
  /** Looks in a row that failed. */
  readonly failures: number;
  /** Calls that one look at each running group takes. */
  readonly steadyCalls: number;
}

/** Milliseconds from now; undefined: not by polling. */
export function nextLookMs(state: PollState, now: number, pace: PollPace): number | undefined {
  const regular = regularMs(state, now, pace);
  if (regular === undefined || state.failures === 0) return regular;
  return Math.max(regular, Math.min(60_000, pace.fastMs * 2 ** Math.min(state.failures, 10)));
}

function regularMs(state: PollState, now: number, pace: PollPace): number | undefined {
  const { stage, since, awaited, pushed, steadyCalls } = state;
  if (awaited) return pace.fastMs;
  if (stage === "ended") return undefined;
  const steadyMs = Math.max(
    pushed ? pace.pushedMs : pace.steadyMs,
    Math.ceil((60_000 * steadyCalls) / pace.steadyCallsPerMinute),
  );
  if (stage === "running") return now - since < busyMs ? Math.min(2 * pace.fastMs, steadyMs) : steadyMs;
  if (now - since < busyMs) return pace.fastMs;
  // A group that starts for a quarter of an hour is not looked at hundreds of times.
  return Math.min(pace.slowMs, pace.fastMs * (1 + (now - since - busyMs) / busyMs));
}
