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
  /** The same of groups that start or end. Default 600. */
  readonly changingCallsPerMinute: number;
}

export const defaultPace: PollPace = {
  ...{ fastMs: 2_000, slowMs: 10_000, steadyMs: 20_000, pushedMs: 120_000 },
  ...{ steadyCallsPerMinute: 300, changingCallsPerMinute: 600 },
};

/** So long after a change of stage a group is looked at often. */
export const busyMs = 30_000;

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
  /** Calls that one look at each group takes. */
  readonly steadyCalls: number;
  /** Of these, at those that start or end. */
  readonly changingCalls: number;
  /** At those that have begun to run lately. */
  readonly freshCalls: number;
}

/** Milliseconds until what was just made, or told to end, is looked at first. */
export function firstLookMs(state: Pick<PollState, "changingCalls">, pace: PollPace): number {
  return Math.max(pace.fastMs / 2, changingShareMs(state, pace));
}

/** However many there are: who waits for one waits no longer than that for a look at it. */
const mostChangingMs = 30_000;

function changingShareMs({ changingCalls }: Pick<PollState, "changingCalls">, pace: PollPace): number {
  return Math.min(mostChangingMs, shareMs(changingCalls, pace.changingCallsPerMinute));
}

/** Milliseconds from now; undefined: not by polling. */
export function nextLookMs(state: PollState, now: number, pace: PollPace): number | undefined {
  const regular = regularMs(state, now, pace);
  if (regular === undefined || state.failures === 0) return regular;
  return Math.max(regular, Math.min(60_000, pace.fastMs * 2 ** Math.min(state.failures, 10)));
}

function regularMs(state: PollState, now: number, pace: PollPace): number | undefined {
  const { stage, since, awaited, pushed, steadyCalls, freshCalls } = state;
  const age = now - since;
  const changingMs = Math.max(pace.fastMs, changingShareMs(state, pace));
  if (awaited) return changingMs;
  if (stage === "ended") return undefined;
  // Who begins to run was looked at for that: while many do, the others give up to half of theirs for it.
  const begunPerMinute = (60_000 / busyMs) * freshCalls;
  const perMinute = Math.max(pace.steadyCallsPerMinute / 2, pace.steadyCallsPerMinute - begunPerMinute);
  const steadyMs = Math.max(pushed ? pace.pushedMs : pace.steadyMs, shareMs(steadyCalls, perMinute));
  // What has just begun may end, or fail, as soon.
  if (stage === "running" && age < busyMs)
    return Math.min(steadyMs, Math.max(2 * pace.fastMs, age, shareMs(freshCalls, perMinute)));
  if (stage === "running") return steadyMs;
  if (age < busyMs) return changingMs;
  // A group that starts for a quarter of an hour is not looked at hundreds of times.
  return Math.max(changingMs, Math.min(pace.slowMs, pace.fastMs * (1 + (age - busyMs) / busyMs)));
}

/** How far apart looks of so many calls are. */
function shareMs(calls: number, perMinute: number): number {
  return Math.ceil((60_000 * calls) / perMinute);
}
