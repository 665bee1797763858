// Calls that take their time, fail on the way there, or take effect and lose their answer, by chance that a seed decides.
import { type Clock, pause } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";

/** 0 to below 1; the same numbers for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Unreliable {
  /** Of calls, 0 to 1. */
  faults = 0.3;
  /** No call gets there. */
  isDown = false;
  /** Longest way of a call, and of its answer; milliseconds. */
  mostMs = 3_000;
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  readonly around = async <T>(method: string, work: () => T): Promise<T> => {
    await this.#way();
    if (this.isDown || this.#random() < this.faults / 2) throw this.#fault(method);
    const answer = work();
    await this.#way();
    if (this.#random() < this.faults / 2)
      throw new VirtualKubeletError("Unavailable", `the answer to ${method} is lost`);
    return answer;
  };

  async #way(): Promise<void> {
    if (this.mostMs > 0) await pause(this.#clock, this.#random() * this.mostMs, new AbortController().signal);
  }

  #fault(method: string): VirtualKubeletError {
    const kinds = ["Unavailable", "Throttled", "Quota"] as const;
    const kind = this.isDown ? "Unavailable" : (kinds[Math.floor(this.#random() * kinds.length)] ?? "Unavailable");
    return new VirtualKubeletError(kind, `${method}: ${kind}`);
  }
}
