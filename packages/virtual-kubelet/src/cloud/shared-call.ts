// One call at a time for all who want its answer. It goes on for as long as anybody waits: one who gives up takes it from nobody else.
import type { Clock } from "../clock.ts";
import { timedCall } from "../engine/timed-call.ts";
import type { CallContext } from "../provider.ts";

interface Running {
  readonly answer: Promise<void>;
  readonly end: AbortController;
  waiting: number;
}

export class SharedCall {
  readonly #clock: Clock;
  readonly #work: (context: CallContext) => Promise<void>;
  #running: Running | undefined;

  constructor(clock: Clock, work: (context: CallContext) => Promise<void>) {
    this.#clock = clock;
    this.#work = work;
  }

  /** Of a call that began after this one was asked for: one that is under way may know less. Throws what it throws. */
  async run(context: CallContext): Promise<void> {
    const before = this.#running?.answer.catch(() => {});
    if (before !== undefined) await timedCall(this.#clock, context, undefined, () => before);
    context.signal.throwIfAborted();
    this.#running ??= this.#begun(context);
    const call = this.#running;
    call.waiting += 1;
    try {
      await timedCall(this.#clock, context, undefined, () => call.answer);
    } finally {
      call.waiting -= 1;
      if (call.waiting === 0) call.end.abort();
    }
  }

  #begun({ log }: CallContext): Running {
    const end = new AbortController();
    const answer = timedCall(this.#clock, { signal: end.signal, log }, undefined, this.#work).finally(() => {
      this.#running = undefined;
    });
    answer.catch(() => {});
    return { answer, end, waiting: 0 };
  }
}
