// Whether and when a task is started again, as its restart policy and what happened say.
import type { FakeRestartPolicy } from "./job-schema.ts";

export interface RunOutcome {
  readonly isKilled: boolean;
  /** Somebody asked for it. */
  readonly isTriggered: boolean;
  /** It could not be started. */
  readonly startError?: { readonly isRecoverable: boolean } | undefined;
  readonly exitCode?: number | undefined;
}

export type Decision =
  | { readonly type: "killed" }
  | { readonly type: "terminated" }
  | { readonly type: "notRestarting"; readonly reason: string }
  | { readonly type: "restarting"; readonly reason: string; readonly delayNs: number };

export class RestartTracker {
  readonly #policy: FakeRestartPolicy;
  readonly #isOnSuccess: boolean;
  /** Nanoseconds since some time. */
  readonly #now: () => number;
  #count = 0;
  #intervalStart: number;

  constructor(policy: FakeRestartPolicy, isOnSuccess: boolean, now: () => number) {
    this.#policy = policy;
    this.#isOnSuccess = isOnSuccess;
    this.#now = now;
    this.#intervalStart = now();
  }

  next({ isKilled, isTriggered, startError, exitCode }: RunOutcome): Decision {
    const { Attempts, Interval, Delay, Mode } = this.#policy;
    const isDone = startError === undefined && exitCode === 0 && !this.#isOnSuccess;
    if (isKilled) return { type: "killed" };
    if (isTriggered) return { type: "restarting", reason: "", delayNs: 0 };
    if (Attempts === 0)
      return isDone ? { type: "terminated" } : { type: "notRestarting", reason: "Policy allows no restarts" };
    const now = this.#now();
    if (now > this.#intervalStart + Interval) {
      this.#count = 0;
      this.#intervalStart = now;
    }
    this.#count += 1;
    if (startError?.isRecoverable === false) return { type: "notRestarting", reason: "Error was unrecoverable" };
    if (isDone) return { type: "terminated" };
    if (this.#count <= Attempts)
      return { type: "restarting", reason: "Restart within policy", delayNs: Math.max(1, Delay) };
    if (Mode === "fail")
      return {
        type: "notRestarting",
        reason: `Exceeded allowed attempts ${Attempts} in interval ${durationText(Interval)} and mode is "fail"`,
      };
    return {
      ...{ type: "restarting", reason: "Exceeded allowed attempts, applying a delay" },
      delayNs: this.#intervalStart + Interval - now,
    };
  }
}

/** Of nanoseconds, as Go writes it: "1h0m5s". */
export function durationText(nanoseconds: number): string {
  const all = nanoseconds / 1_000_000_000;
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60];
  const seconds = `${Number((all % 60).toFixed(9))}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
