// A bounded memory of answers, each good until a time of its own. When it is full, what was used longest ago goes.
import type { Clock } from "../clock.ts";

export class ExpiringMap<V> {
  readonly #clock: Clock;
  readonly #limit: number;
  /** Longest unused first. */
  readonly #entries = new Map<string, { readonly value: V; readonly until: number }>();

  /** Holds at most `limit` entries. */
  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Undefined when there is none, or when its time is up. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (this.#clock.now() >= entry.until) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** `until` is in epoch milliseconds; a time that has passed keeps nothing. */
  set(key: string, value: V, until: number): void {
    this.#entries.delete(key);
    if (!(until > this.#clock.now())) return;
    if (this.#entries.size >= this.#limit) {
      const oldest = this.#entries.keys().next();
      if (oldest.done !== true) this.#entries.delete(oldest.value);
    }
    this.#entries.set(key, { value, until });
  }
}
