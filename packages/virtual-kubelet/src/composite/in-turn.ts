// What is done about one pod is done one after the other; about different pods side by side.
import type { Clock } from "../clock.ts";
import { timedCall } from "../engine/timed-call.ts";
import type { CallContext } from "../provider.ts";

export class InTurn {
  readonly #clock: Clock;
  readonly #last = new Map<string, Promise<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins when all that was asked for before is over. Throws Aborted as soon as the signal aborts: what has begun then may go on. */
  async run<T>(uid: string, context: CallContext, work: () => Promise<T>): Promise<T> {
    const turn = this.settled(uid).then(() => {
      context.signal.throwIfAborted();
      return work();
    });
    const over = turn.then(
      () => {},
      () => {},
    );
    this.#last.set(uid, over);
    try {
      return await timedCall(this.#clock, context, undefined, () => turn);
    } finally {
      void over.then(() => {
        if (this.#last.get(uid) === over) this.#last.delete(uid);
      });
    }
  }

  /** All that was asked for so far is over. Never rejects. */
  async settled(uid: string): Promise<void> {
    await this.#last.get(uid);
  }
}
