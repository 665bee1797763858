// Calls that many wait for and one makes: per key at most one is under way; so many run at once, the next ones wait in line,
// and each has a time limit. Whoever leaves takes nobody's answer away; the last one to leave ends the call.
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";

export interface SharedCallsOptions {
  readonly clock: Clock;
  /** For messages: "token review". */
  readonly what: string;
  /** Milliseconds for one call, with its wait in line. */
  readonly deadlineMs: number;
  /** Calls that run at once. */
  readonly running: number;
  /** Calls that run or wait; one more is refused as Unavailable. */
  readonly limit: number;
}

interface SharedCall<V> {
  readonly result: Promise<V>;
  readonly end: AbortController;
  callers: number;
}

export class SharedCalls<V> {
  readonly #options: SharedCallsOptions;
  readonly #calls = new Map<string, SharedCall<V>>();
  /** Those in line, first come first; each is called when its turn has come. */
  readonly #line = new Set<() => void>();
  #running = 0;

  constructor(options: SharedCallsOptions) {
    this.#options = options;
  }

  /** Calls that run or wait in line. */
  get size(): number {
    return this.#calls.size;
  }

  /**
   * Answers what `work` answers, which is begun unless a call of this key is under way. Its signal aborts at the deadline
   * and when nobody waits any more. Throws what it throws, Aborted by `signal`, Unavailable at the deadline and at the limit.
   */
  async call(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<V>): Promise<V> {
    const { what } = this.#options;
    if (signal.aborted) throw new VirtualKubeletError("Aborted", `${what}: nobody waits for it any more`);
    const shared = this.#calls.get(key) ?? this.#begin(key, work);
    shared.callers++;
    try {
      return await until(shared.result, signal, () => {
        throw new VirtualKubeletError("Aborted", `${what}: nobody waits for it any more`);
      });
    } finally {
      if (--shared.callers === 0) {
        // Whoever comes now must not be told that others have left.
        this.#forget(key, shared);
        shared.end.abort(new VirtualKubeletError("Aborted", `${what}: nobody waits for it any more`));
      }
    }
  }

  #begin(key: string, work: (signal: AbortSignal) => Promise<V>): SharedCall<V> {
    const { clock, what, deadlineMs, limit } = this.#options;
    if (this.#calls.size >= limit) throw new VirtualKubeletError("Unavailable", `${what}: too many at once`);
    const end = new AbortController();
    const untimed = clock.schedule(deadlineMs, () =>
      end.abort(new VirtualKubeletError("Unavailable", `${what}: no answer within ${deadlineMs / 1000} s`)),
    );
    const shared: SharedCall<V> = {
      end,
      callers: 0,
      result: this.#run(end.signal, work).finally(() => {
        untimed();
        this.#forget(key, shared);
      }),
    };
    // Each caller hears of a failure; when all have left, nobody needs to.
    shared.result.catch(() => undefined);
    this.#calls.set(key, shared);
    return shared;
  }

  #forget(key: string, shared: SharedCall<V>): void {
    if (this.#calls.get(key) === shared) this.#calls.delete(key);
  }

  async #run(signal: AbortSignal, work: (signal: AbortSignal) => Promise<V>): Promise<V> {
    await this.#turn(signal);
    try {
      signal.throwIfAborted();
      return await until(work(signal), signal, () => {
        throw signal.reason;
      });
    } finally {
      const next = this.#line.values().next();
      if (next.done === true) this.#running--;
      else next.value();
    }
  }

  /** Resolves when the call may run; its place is then taken, or handed on by the one before. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#running < this.#options.running) {
      this.#running++;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const go = (): void => {
      this.#line.delete(go);
      resolve();
    };
    this.#line.add(go);
    await until(promise, signal, () => {
      // When the turn came in the same moment it has to be handed on: by #run, which begins nothing.
      if (this.#line.delete(go)) throw signal.reason;
    });
  }
}

/** The result of `work`, or what `aborted` answers as soon as the signal aborts. Leaves no listener behind. */
async function until<T, A>(work: Promise<T>, signal: AbortSignal, aborted: () => A): Promise<T | A> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return aborted();
  }
  const ended = Promise.withResolvers<"aborted">();
  const abort = (): void => ended.resolve("aborted");
  signal.addEventListener("abort", abort, { once: true });
  try {
    const first = await Promise.race([work.then((value) => ({ value })), ended.promise]);
    return first === "aborted" ? aborted() : first.value;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
