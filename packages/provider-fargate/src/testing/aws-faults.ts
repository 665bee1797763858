// What goes wrong in a fake service when a test wants it to: throttling, errors, a region that is down, answers that get lost.
import { type Clock, pause, type VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { refusal } from "./aws-refusal.ts";

/** Per operation ("RunTask"), or "*" for all. */
export class AwsFaults {
  /** The region: connections are torn down. */
  down: boolean = false;
  readonly #clock: Clock;
  readonly #errors = new Map<string, { error: VirtualKubeletError; left: number }[]>();
  readonly #limits = new Map<string, { perSecond: number; burst: number; tokens: number; at: number }>();
  readonly #slow = new Map<string, number>();
  readonly #lost = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next calls are throttled. */
  throttle(operation: string, times: number): void {
    this.fail(operation, times, refusal("ThrottlingException", "Rate exceeded"));
  }

  /** The next calls fail, with `ServerException` and status 500 unless told otherwise. */
  fail(
    operation: string,
    times: number,
    error: VirtualKubeletError = refusal("ServerException", "Service Unavailable. Please try again later.", 500),
  ): void {
    this.#errors.set(operation, [...(this.#errors.get(operation) ?? []), { error, left: times }]);
  }

  /** More calls than that are throttled, until it is called with Infinity. */
  limit(operation: string, perSecond: number, burst: number = Math.max(1, perSecond)): void {
    this.#limits.set(operation, { perSecond, burst, tokens: burst, at: this.#clock.now() });
  }

  /** Answers take so much longer; 0 ends it. */
  slow(operation: string, milliseconds: number): void {
    this.#slow.set(operation, milliseconds);
  }

  /** The next calls do their work, but their connection is torn down before the answer. */
  loseAnswers(operation: string, times: number): void {
    this.#lost.set(operation, (this.#lost.get(operation) ?? 0) + times);
  }

  /** Throws what the call is to fail with. */
  async before(operation: string, signal: AbortSignal): Promise<void> {
    const delay = Math.max(this.#slow.get(operation) ?? 0, this.#slow.get("*") ?? 0);
    if (delay > 0) await pause(this.#clock, delay, signal);
    for (const name of [operation, "*"]) {
      if (!this.#allowed(name)) throw refusal("ThrottlingException", "Rate exceeded");
      const [next, ...rest] = this.#errors.get(name) ?? [];
      if (next === undefined) continue;
      next.left -= 1;
      this.#errors.set(name, next.left > 0 ? [next, ...rest] : rest);
      throw next.error;
    }
  }

  losesAnswer(operation: string): boolean {
    const left = this.#lost.get(operation) ?? 0;
    if (left === 0) return false;
    this.#lost.set(operation, left - 1);
    return true;
  }

  #allowed(operation: string): boolean {
    const limit = this.#limits.get(operation);
    if (limit === undefined || limit.perSecond === Number.POSITIVE_INFINITY) return true;
    const now = this.#clock.now();
    limit.tokens = Math.min(limit.burst, limit.tokens + ((now - limit.at) / 1000) * limit.perSecond);
    limit.at = now;
    if (limit.tokens < 1) return false;
    limit.tokens -= 1;
    return true;
  }
}
