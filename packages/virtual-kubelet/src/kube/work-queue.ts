// Keys that need a look, and the workers that look: what every controller is made of. Holds no objects, only keys.
import { type Clock, systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { newQueueEntry, type QueueEntry, WaitingKeys } from "./waiting-keys.ts";

export interface WorkQueueOptions {
  /** Label of its metrics and log lines. */
  readonly name: string;
  /** Keys worked on at the same time. */
  readonly workers: number;
  /**
   * Looks at one key. `requeueAfterMs`: look again then. Throwing puts the key back with back-off, not before the error's `retryAfterMs`.
   * The signal aborts when the queue is stopped and its drain time is over.
   */
  readonly process: (
    key: string,
    signal: AbortSignal,
    // biome-ignore lint/suspicious/noConfusingVoidType: a process that has nothing to say returns nothing
  ) => Promise<{ readonly requeueAfterMs?: number | undefined } | void>;
  /** Of the n-th failure in a row: `baseMs` times 2 to the n-1, at most `maxMs`, less up to a half at random. Default 500 ms to 5 min. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number };
  /** Told after each failure: how many there were in a row, and when the key is due again (epoch milliseconds). */
  readonly onFailed?: ((key: string, error: VirtualKubeletError, failures: number, dueAt: number) => void) | undefined;
  readonly clock?: Clock;
  /** 0 to below 1; default Math.random. */
  readonly random?: () => number;
  readonly log?: Logger;
  readonly metrics?: Metrics;
}

export interface WorkQueueRunOptions {
  /** Milliseconds that work under way gets when the queue is stopped, before its signal aborts. Default 10,000. */
  readonly drainMs?: number;
  /** Work on all keys that are due when the queue is stopped, each once, as far as the drain time allows. Default false. */
  readonly flush?: boolean;
}

/** So many keys are started before other work of the process gets a turn. */
const startsPerTurn = 256;

/**
 * Each key waits at most once and is worked on by at most one worker; a key added while worked on runs again right after.
 * Fresh keys go before retries, without starving them. Never gives up on a key: back-off is capped, and only `forget` drops one.
 * Before `run`, and after it, keys are kept and not worked on.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Logger;
  readonly #backoff: { readonly baseMs: number; readonly maxMs: number };

  readonly #entries = new Map<string, QueueEntry>();
  readonly #keys = new WaitingKeys();
  #active = 0;
  readonly #idlers = new Set<() => void>();

  /** Set while running; given to `process`. */
  #work: AbortSignal | undefined;
  /** Set while stopping: the entries still to be worked on. */
  #flushing: Set<QueueEntry> | undefined;
  #pumpPlanned = false;
  #startsThisTurn = 0;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #stopped: (() => void) | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#log = (options.log ?? silentLogger).child({ queue: options.name });
    this.#backoff = options.backoff ?? { baseMs: 500, maxMs: 300_000 };
  }

  /** Due now. A delayed key moves up, one that waits for its retry becomes fresh, one that is worked on runs again right after. */
  add(key: string): void {
    const entry = this.#entry(key);
    if (entry.active) {
      entry.dirty = true;
      return;
    }
    if (this.#keys.isFresh(entry)) return;
    this.#keys.wait(entry, entry.lane === undefined ? this.#clock.now() : entry.due, false);
    this.#planPump();
  }

  /** Due after `delayMs`; an earlier due time stays. */
  addAfter(key: string, delayMs: number): void {
    if (!(delayMs > 0)) {
      this.add(key);
      return;
    }
    const entry = this.#entry(key);
    const due = this.#clock.now() + delayMs;
    if (entry.active) entry.after = Math.min(entry.after ?? due, due);
    else if (entry.lane === undefined && (entry.heapIndex < 0 || due < entry.due)) this.#delay(entry, due, false);
  }

  /** Drops the key if it waits or is delayed, and its count of failures. Work under way finishes, and its outcome counts. */
  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#keys.remove(entry);
    entry.dirty = false;
    entry.after = undefined;
    entry.failures = 0;
    this.#tidy(entry);
    this.#armTimer();
    this.#settled();
  }

  /** Failures in a row. */
  retries(key: string): number {
    return this.#entries.get(key)?.failures ?? 0;
  }

  /** When the key is due, in epoch milliseconds: in the past while it waits. */
  nextDue(key: string): number | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.active) return entry.dirty ? this.#clock.now() : entry.after;
    return entry.lane !== undefined || entry.heapIndex >= 0 ? entry.due : undefined;
  }

  get depth(): { readonly waiting: number; readonly delayed: number; readonly active: number } {
    return { waiting: this.#keys.waiting, delayed: this.#keys.delayed, active: this.#active };
  }

  /** Resolves when nothing is due or worked on, or when the signal aborts. Delayed keys do not count. */
  idle(signal?: AbortSignal): Promise<void> {
    if (this.#isIdle() || signal?.aborted === true) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = (): void => {
      this.#idlers.delete(done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    this.#idlers.add(done);
    signal?.addEventListener("abort", done, { once: true });
    return promise;
  }

  /**
   * Works until the signal aborts; then takes no new key and returns when the work under way has ended. That work's own signal
   * aborts after `drainMs`; work that ignores it holds up the return.
   */
  async run(signal: AbortSignal, options: WorkQueueRunOptions = {}): Promise<void> {
    if (this.#work !== undefined) throw new VirtualKubeletError("Internal", `queue ${this.#options.name} runs already`);
    const work = new AbortController();
    this.#work = work.signal;
    const sources = this.#options.metrics?.queueSources;
    const report = (): void => this.#reportDepth();
    sources?.add(report);
    try {
      this.#keys.promote(this.#clock.now());
      this.#armTimer();
      this.#planPump();
      await aborted(signal);

      this.#keys.promote(this.#clock.now());
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#flushing = new Set(options.flush === true ? this.#due() : []);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#stopped = resolve;
      const cut = (): void => {
        this.#flushing?.clear();
        work.abort(new VirtualKubeletError("Aborted", `queue ${this.#options.name} stopped`));
        this.#settled();
      };
      const drainMs = options.drainMs ?? 10_000;
      const cancelCut = drainMs > 0 ? this.#clock.schedule(drainMs, cut) : undefined;
      if (cancelCut === undefined) cut();
      this.#pump();
      this.#settled();
      await promise;
      cancelCut?.();
    } finally {
      this.#work = undefined;
      this.#flushing = undefined;
      this.#stopped = undefined;
      sources?.delete(report);
      this.#reportDepth();
    }
  }

  #entry(key: string): QueueEntry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = newQueueEntry(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #delay(entry: QueueEntry, due: number, retry: boolean): void {
    this.#keys.delay(entry, due, retry);
    this.#armTimer();
  }

  #tidy(entry: QueueEntry): void {
    if (!entry.active && entry.lane === undefined && entry.heapIndex < 0 && entry.failures === 0) {
      this.#entries.delete(entry.key);
    }
  }

  #armTimer(): void {
    if (this.#work === undefined || this.#flushing !== undefined) return;
    const due = this.#keys.nextDue;
    if (due === undefined) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    // A timer that fires too early costs less than a new one each time the first key goes.
    if (this.#timer !== undefined && this.#timer.at <= due) return;
    this.#timer?.cancel();
    const fire = (): void => {
      this.#timer = undefined;
      this.#keys.promote(this.#clock.now());
      this.#armTimer();
      this.#pump();
    };
    this.#timer = { at: due, cancel: this.#clock.schedule(due - this.#clock.now(), fire) };
  }

  /** Keys due now, in the order in which they would be taken. */
  *#due(): Iterable<QueueEntry> {
    yield* this.#keys.values();
    for (const entry of this.#entries.values()) if (entry.active && entry.dirty) yield entry;
  }

  #take(): QueueEntry | undefined {
    if (this.#flushing === undefined) return this.#keys.take();
    for (const entry of this.#flushing) {
      if (entry.active) continue;
      this.#flushing.delete(entry);
      if (entry.lane !== undefined) return entry;
    }
    return undefined;
  }

  /** Starts work after the present code has run, so that adding a key never runs `process` under the caller's feet. */
  #planPump(): void {
    if (this.#pumpPlanned || this.#work === undefined || this.#flushing !== undefined) return;
    this.#pumpPlanned = true;
    queueMicrotask(() => {
      this.#pumpPlanned = false;
      this.#pump();
    });
  }

  #pump(): void {
    const signal = this.#work;
    if (signal === undefined) return;
    while (this.#active < this.#options.workers) {
      if (this.#startsThisTurn >= startsPerTurn) return;
      const entry = this.#take();
      if (entry === undefined) return;
      // Work that never really waits would else go from key to key in microtasks, and sockets and timers starve.
      if (++this.#startsThisTurn === 1) {
        setImmediate(() => {
          this.#startsThisTurn = 0;
          this.#pump();
          this.#settled();
        });
      }
      this.#start(entry, signal);
    }
  }

  #start(entry: QueueEntry, signal: AbortSignal): void {
    const now = this.#clock.now();
    this.#options.metrics?.queueWait.observe({ queue: this.#options.name }, Math.max(0, now - entry.due) / 1000);
    this.#keys.remove(entry);
    entry.active = true;
    entry.begunAt = now;
    this.#active += 1;
    const ended = (): void => {
      entry.active = false;
      this.#active -= 1;
      this.#options.metrics?.queueWork.observe({ queue: this.#options.name }, (this.#clock.now() - now) / 1000);
    };
    void this.#process(entry.key, signal).then(
      (result) => {
        ended();
        entry.failures = 0;
        const again = result?.requeueAfterMs;
        this.#next(entry, again === undefined ? undefined : this.#clock.now() + Math.max(0, again), false);
      },
      (error: unknown) => {
        ended();
        this.#failed(entry, VirtualKubeletError.from(error));
      },
    );
  }

  async #process(
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly requeueAfterMs?: number | undefined } | undefined> {
    return (await this.#options.process(key, signal)) ?? undefined;
  }

  #failed(entry: QueueEntry, error: VirtualKubeletError): void {
    const now = this.#clock.now();
    if (error.kind === "Aborted" && this.#flushing !== undefined) {
      // Stopped, not failed: the key keeps its turn for a later run.
      this.#next(entry, now, false);
      return;
    }
    const { baseMs, maxMs } = this.#backoff;
    const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(entry.failures, 52));
    const retryInMs = Math.ceil(Math.max(ceiling * (1 - this.#random() / 2), error.retryAfterMs ?? 0));
    entry.failures += 1;
    this.#options.metrics?.queueRetries.inc({ queue: this.#options.name });
    this.#options.onFailed?.(entry.key, error, entry.failures, entry.dirty ? now : now + retryInMs);
    this.#log.warn(
      {
        key: entry.key,
        err: errorText(error),
        kind: error.kind,
        failures: entry.failures,
        retryInMs: entry.dirty ? 0 : retryInMs,
        ...(error.kind === "Internal" ? { stack: error.cause instanceof Error ? error.cause.stack : error.stack } : {}),
      },
      "work on a key failed, will be retried",
    );
    this.#next(entry, now + retryInMs, true);
  }

  /** Places a key whose work has ended by the earliest of what asked for it. */
  #next(entry: QueueEntry, due: number | undefined, retry: boolean): void {
    const now = this.#clock.now();
    const after = entry.after;
    if (entry.dirty) this.#keys.wait(entry, now, false);
    else if (after !== undefined && (due === undefined || after <= due)) this.#place(entry, after, false, now);
    else if (due !== undefined) this.#place(entry, due, retry, now);
    entry.dirty = false;
    entry.after = undefined;
    this.#tidy(entry);
    this.#pump();
    this.#settled();
  }

  #place(entry: QueueEntry, due: number, retry: boolean, now: number): void {
    if (due > now) this.#delay(entry, due, retry);
    else this.#keys.wait(entry, now, retry);
  }

  #isIdle(): boolean {
    return this.#active === 0 && this.#keys.waiting === 0;
  }

  #settled(): void {
    if (this.#active > 0) return;
    if (this.#flushing !== undefined && this.#flushing.size === 0) this.#stopped?.();
    if (this.#idlers.size > 0 && this.#isIdle()) for (const done of [...this.#idlers]) done();
  }

  #reportDepth(): void {
    const { metrics, name: queue } = this.#options;
    if (metrics === undefined) return;
    for (const [state, value] of Object.entries(this.depth)) metrics.queueDepth.set({ queue, state }, value);
    const now = this.#clock.now();
    const waiting = this.#keys.oldest() ?? now;
    let active = now;
    for (const entry of this.#entries.values()) if (entry.active) active = Math.min(active, entry.begunAt);
    metrics.queueOldest.set({ queue, state: "waiting" }, Math.max(0, now - waiting) / 1000);
    metrics.queueOldest.set({ queue, state: "active" }, (now - active) / 1000);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
