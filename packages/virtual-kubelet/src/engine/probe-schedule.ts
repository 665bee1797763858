// When probes are due: from the start of the run on, at a fixed pace that slow probes do not shift. Pure. Times in milliseconds.
import type { ProbeRules } from "./probe-state.ts";

/**
 * The first time. `spread` (0 to below 1; undefined: not at all) of a period later for runs that a restarted program finds:
 * all of them at once would be a burst. A start in the future is a clock that is ahead: it counts as now.
 */
export function firstDue(rules: ProbeRules, startedAt: number, now: number, spread: number | undefined): number {
  const due = Math.max(now, Math.min(startedAt, now) + rules.initialDelayMs);
  return spread === undefined ? due : due + spread * rules.periodMs;
}

/** The time after one that was due at `due`: what was missed is made up for once, at once. */
export function nextDue(rules: ProbeRules, due: number, now: number): number {
  const missed = Math.floor((now - due) / rules.periodMs);
  return due + Math.max(1, missed) * rules.periodMs;
}

/** The first time not before `now` of the pace that begins at `first`. */
export function resumedDue(rules: ProbeRules, first: number, now: number): number {
  return first >= now ? first : first + Math.ceil((now - first) / rules.periodMs) * rules.periodMs;
}
