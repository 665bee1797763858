// Whether somebody still says something: of a command or process that may have said its last word.
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

const lookMs = 50;

export interface QuietOptions {
  readonly quietMs: number;
  /** Who goes on for so long is not waited for; default: he is. */
  readonly longestMs?: number | undefined;
  /** What came is not taken yet: that is no quiet. */
  readonly isHeld?: (() => boolean) | undefined;
  readonly signal: AbortSignal;
}

export class Movement {
  #count = 0;

  /** Something came. */
  readonly moved = (): void => {
    this.#count += 1;
  };

  /**
   * Resolves when nothing has come for `quietMs`, or the signal aborts; never rejects. Counted in looks of 50 ms: what came while
   * this process stood still, on a machine that is busy, is read before it is missed.
   */
  async quiet({ quietMs, longestMs, isHeld, signal }: QuietOptions): Promise<void> {
    const begunAt = performance.now();
    const needed = Math.ceil(quietMs / lookMs);
    for (let [looks, seen] = [0, this.#count]; looks < needed && !signal.aborted; ) {
      await sleep(lookMs, undefined, { signal }).catch(() => undefined);
      // After all that is there by now was read.
      await nextTurn();
      const hasMoved = this.#count !== seen || isHeld?.() === true;
      if (hasMoved && longestMs !== undefined && performance.now() - begunAt >= longestMs) return;
      looks = hasMoved ? 0 : looks + 1;
      seen = this.#count;
    }
  }
}
