// A Clock that tests move by hand: ten minutes of back-off pass in a moment, in a fixed order.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../clock.ts";

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** Time stands still but in `advance`. Starts at `start` (epoch milliseconds; default 2026-01-01T00:00:00Z). */
export class FakeClock implements Clock {
  #now: number;
  /** By due time; of equal ones the older first. */
  readonly #timers: Timer[] = [];

  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer: Timer = { due: this.#now + Math.max(0, delayMs), callback };
    let low = 0;
    for (let high = this.#timers.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      if (other !== undefined && other.due <= timer.due) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  /** Timers set and neither run nor cancelled. */
  get pending(): number {
    return this.#timers.length;
  }

  /** When the next timer is due, in epoch milliseconds. */
  get nextDue(): number | undefined {
    return this.#timers[0]?.due;
  }

  /** Moves time on by `ms`, running what falls due on the way, each at its own time; promises settle before and after each. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await settle();
    for (let next = this.#timers[0]; next !== undefined && next.due <= target; next = this.#timers[0]) {
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.due);
      next.callback();
      await settle();
    }
    this.#now = target;
  }
}

/** Lets promises settle, with work that yields to the event loop a few times. Waits for no I/O. */
export async function settle(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await nextTurn();
}
