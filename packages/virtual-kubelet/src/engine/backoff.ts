// Back-off of restarts and of image pulls, by the kubelet's numbers. Pure.

export interface BackoffLimits {
  readonly baseMs: number;
  readonly maxMs: number;
}

export const defaultBackoff: BackoffLimits = { baseMs: 10_000, maxMs: 300_000 };

/** One step of a back-off: how long it is, and when it was last raised. Without any: undefined. */
export interface BackoffStep {
  readonly ms: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** When the next try may be made after an end or a failure at `since`. */
export function dueAt(step: BackoffStep | undefined, since: number, limits: BackoffLimits): number {
  return step === undefined || isOutlived(step, since, limits) ? since : since + step.ms;
}

/** The step in force from a next try at `now` on: the first, twice the last, or the longest. */
export function raised(step: BackoffStep | undefined, now: number, limits: BackoffLimits): BackoffStep {
  if (step === undefined || isOutlived(step, now, limits))
    return { ms: Math.min(limits.baseMs, limits.maxMs), at: now };
  return { ms: Math.min(step.ms * 2, limits.maxMs), at: now };
}

/** What went well for twice the longest back-off starts anew. */
function isOutlived(step: BackoffStep, at: number, limits: BackoffLimits): boolean {
  return at - step.at > 2 * limits.maxMs;
}

/** A duration as Go prints it: "10s", "1m20s", "5m0s", "1.5s", "250ms". */
export function durationText(ms: number): string {
  if (ms <= 0) return "0s";
  if (ms < 1000) return `${trimmed(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = trimmed((ms % 60_000) / 1000);
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}

function trimmed(value: number): string {
  return String(Number(value.toFixed(3)));
}
