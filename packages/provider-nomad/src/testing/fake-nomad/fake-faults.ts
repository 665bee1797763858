// What goes wrong in a fake Nomad when a test wants it to: servers without a leader, refused and slow calls, lost answers, streams that
// are cut.
import { type Clock, pause } from "@virtual-kubelet/virtual-kubelet";
import { NomadRefusal } from "./refusal.ts";

/** By operation, "register" or "events"; "*" for all. */
export class NomadFaults {
  /** The agents are away: connections are torn down. */
  down: boolean = false;
  /** None leads: nothing can be asked or changed. */
  leaderless: boolean = false;
  readonly #clock: Clock;
  readonly #errors = new Map<string, { readonly status: number; readonly text: string; left: number }[]>();
  readonly #slow = new Map<string, number>();
  readonly #lost = new Map<string, number>();
  readonly #streams = new Set<() => void>();
  readonly #limits = new Map<string, { tokens: number; at: number }>();
  #perSecond: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next calls fail. */
  fail(operation: string, times: number, status: number, text: string): void {
    this.#errors.set(operation, [...(this.#errors.get(operation) ?? []), { status, text, left: times }]);
  }

  /** No more calls a second than this, of each operation; the others are told so. Undefined ends it. */
  throttle(perSecond: number | undefined): void {
    this.#perSecond = perSecond;
    this.#limits.clear();
  }

  /** Answers take so much longer, milliseconds; 0 ends it. */
  slow(operation: string, milliseconds: number): void {
    this.#slow.set(operation, milliseconds);
  }

  /** The next calls do their work, and their connection is torn down before the answer. */
  loseAnswers(operation: string, times: number): void {
    this.#lost.set(operation, (this.#lost.get(operation) ?? 0) + times);
  }

  /** How many streams are open. */
  get open(): number {
    return this.#streams.size;
  }

  /** Tears down every stream that is open: events, logs, commands. */
  cutStreams(): void {
    for (const cut of this.#streams) cut();
  }

  /** The returned function says that it has ended. */
  stream(cut: () => void): () => void {
    this.#streams.add(cut);
    return () => this.#streams.delete(cut);
  }

  /** Throws what the call is to fail with. */
  async before(operation: string, signal: AbortSignal): Promise<void> {
    const delay = Math.max(this.#slow.get(operation) ?? 0, this.#slow.get("*") ?? 0);
    if (delay > 0) await pause(this.#clock, delay, signal);
    if (!this.#isAllowed(operation))
      throw new NomadRefusal(429, "Your IP is issuing too many concurrent connections, please rate limit your calls");
    for (const name of [operation, "*"]) {
      const [next, ...rest] = this.#errors.get(name) ?? [];
      if (next === undefined) continue;
      next.left -= 1;
      this.#errors.set(name, next.left > 0 ? [next, ...rest] : rest);
      throw new NomadRefusal(next.status, next.text);
    }
    if (this.leaderless) throw new NomadRefusal(500, "No cluster leader");
  }

  losesAnswer(operation: string): boolean {
    const left = this.#lost.get(operation) ?? 0;
    if (left === 0) return false;
    this.#lost.set(operation, left - 1);
    return true;
  }

  #isAllowed(operation: string): boolean {
    const perSecond = this.#perSecond;
    if (perSecond === undefined) return true;
    const now = this.#clock.now();
    const limit = this.#limits.get(operation) ?? { tokens: 1, at: now };
    limit.tokens = Math.min(1, limit.tokens + ((now - limit.at) / 1000) * perSecond);
    limit.at = now;
    this.#limits.set(operation, limit);
    if (limit.tokens < 1) return false;
    limit.tokens -= 1;
    return true;
  }
}
