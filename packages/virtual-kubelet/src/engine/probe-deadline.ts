// A limit in time for one attempt: one signal for "the time is up" and for "no longer wanted", which can be told apart.
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";

export class Deadline implements Disposable {
  readonly #controller: AbortController = new AbortController();
  readonly #outer: AbortSignal;
  readonly #cancel: () => void;
  readonly #abort: () => void = () => this.#controller.abort();
  #isOver = false;

  /** `limitMs` undefined: no limit but the signal. */
  constructor(clock: Clock, limitMs: number | undefined, outer: AbortSignal) {
    this.#outer = outer;
    this.#cancel =
      limitMs === undefined
        ? () => {}
        : clock.schedule(limitMs, () => {
            this.#isOver = true;
            this.#abort();
          });
    if (outer.aborted) this.#abort();
    else outer.addEventListener("abort", this.#abort, { once: true });
  }

  /** Aborts when the time is up, when it is no longer wanted, and when this is disposed of. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The time was up before anything else. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Throws Aborted when it is no longer wanted. */
  throwIfAborted(): void {
    if (this.#outer.aborted) throw new VirtualKubeletError("Aborted", "no longer wanted");
  }

  /** The promise's outcome, or undefined as soon as the signal aborts; what the promise does then is nobody's concern. */
  race<T>(promise: Promise<T>): Promise<T | undefined> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const end = (): void => resolve(undefined);
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
    });
  }

  /** What is still under way with its signal is ended. */
  [Symbol.dispose](): void {
    this.#cancel();
    this.#outer.removeEventListener("abort", this.#abort);
    this.#abort();
  }
}
