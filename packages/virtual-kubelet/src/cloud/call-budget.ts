// Calls of a cloud's API within what its account allows: a bucket of tokens for each operation, the urgent first, and all of an
// operation held back when the cloud throttles one.
import { type Clock, pause } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { Lane } from "../kube/lane.ts";
import type { Logger } from "../log.ts";
import type { CallContext } from "../provider.ts";
import { answered, type CallLimit, fullBucket, type TokenBucket, taken, throttled, waitMs } from "./token-bucket.ts";

/** "now": somebody waits for it (a command, a creation); "soon": a pod's next state; "later": what can wait (clean-up, figures). */
export type Urgency = "now" | "soon" | "later";

export interface OperationLimit extends CallLimit {
  /** Throttling is thrown to the caller, with the time to wait (creations: the core retries those). Default: retried in here. */
  readonly passThrottled?: true | undefined;
}

export interface CallBudgetOptions {
  /** By operation, each with a bucket of its own. */
  readonly limits: Readonly<Record<string, OperationLimit>>;
  /** For each operation without one. */
  readonly fallback: OperationLimit;
  /** Throttled calls are retried in here for so long, milliseconds; default 60 000. */
  readonly retryForMs?: number | undefined;
  readonly clock: Clock;
  /** 0 to below 1. */
  readonly random: () => number;
  readonly log: Logger;
}

export interface CallCounts {
  /** Begun, tries again included. */
  calls: number;
  /** Answered by throttling. */
  throttled: number;
  /** Milliseconds that calls waited for their turn, all together. */
  waitedMs: number;
}

interface Operation {
  readonly limit: OperationLimit;
  readonly lanes: Readonly<Record<Urgency, Lane<Waiter>>>;
  readonly counts: CallCounts;
  bucket: TokenBucket;
  /** Calls let through while others waited. */
  turns: number;
  /** When the last call that was answered well, or by throttling, was; epoch milliseconds. */
  answeredAt: number;
  /** While calls wait: ends the wait for tokens when none does any more. */
  serving: AbortController | undefined;
}

interface Waiter {
  readonly admit: () => void;
}

const order: readonly Urgency[] = ["now", "soon", "later"];
/** Of so many calls one is the least urgent: nothing waits for ever. */
const fairTurn = 8;

export class CallBudget {
  readonly #options: CallBudgetOptions;
  readonly #operations = new Map<string, Operation>();

  constructor(options: CallBudgetOptions) {
    this.#options = options;
  }

  /** By operation, since the start; only those that were called. */
  get counts(): ReadonlyMap<string, Readonly<CallCounts>> {
    return new Map([...this.#operations].map(([name, { counts }]) => [name, { ...counts }]));
  }

  /**
   * Whether the cloud is known to be there without asking: it answered a call of the operation within so many milliseconds, be it by
   * throttling, or the pause that it asked for is not over. A ping that waited for that would take the node for lost.
   */
  isAnswered(operation: string, withinMs: number): boolean {
    const found = this.#operations.get(operation);
    if (found === undefined) return false;
    const now = this.#options.clock.now();
    return now - found.answeredAt < withinMs || now < found.bucket.heldUntil;
  }

  /**
   * Does the work when it is its turn. The signal is the context's: with it the wait ends too, by Aborted (Unavailable where its
   * reason is a time limit). Work that throws Throttled is done again later (see OperationLimit); all else is thrown as it is.
   */
  async run<T>(
    operation: string,
    urgency: Urgency,
    work: (signal: AbortSignal) => Promise<T>,
    { signal }: Pick<CallContext, "signal">,
  ): Promise<T> {
    const { clock, retryForMs = 60_000 } = this.#options;
    const state = this.#operation(operation);
    const deadline = clock.now() + retryForMs;
    for (;;) {
      await this.#turn(state, urgency, signal);
      const begun = clock.now();
      state.counts.calls += 1;
      try {
        const answer = await work(signal);
        state.bucket = answered(state.bucket, begun);
        state.answeredAt = clock.now();
        return answer;
      } catch (thrown) {
        const error = VirtualKubeletError.from(thrown);
        if (error.kind !== "Throttled") {
          state.bucket = answered(state.bucket, begun);
          throw thrown;
        }
        this.#throttle(operation, state, begun, error.retryAfterMs);
        const now = clock.now();
        state.answeredAt = now;
        const isLate = now + waitMs(state.bucket, now) > deadline;
        if (state.limit.passThrottled === true || isLate) throw this.#passed(error, state);
      }
    }
  }

  #operation(name: string): Operation {
    const found = this.#operations.get(name);
    if (found !== undefined) return found;
    const { limits, fallback, clock } = this.#options;
    const limit = (Object.hasOwn(limits, name) ? limits[name] : undefined) ?? fallback;
    const operation: Operation = {
      ...{ limit, bucket: fullBucket(limit, clock.now()), turns: 0, serving: undefined },
      answeredAt: Number.NEGATIVE_INFINITY,
      lanes: { now: new Lane(), soon: new Lane(), later: new Lane() },
      counts: { calls: 0, throttled: 0, waitedMs: 0 },
    };
    this.#operations.set(name, operation);
    return operation;
  }

  async #turn(state: Operation, urgency: Urgency, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const { clock } = this.#options;
    const lane = state.lanes[urgency];
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: Waiter = { admit: () => resolve(true) };
    const leave = (): void => {
      lane.delete(waiter);
      if (!hasWaiters(state)) state.serving?.abort();
      resolve(false);
    };
    signal.addEventListener("abort", leave, { once: true });
    const begun = clock.now();
    lane.add(waiter);
    void this.#serve(state);
    const isAdmitted = await promise;
    signal.removeEventListener("abort", leave);
    state.counts.waitedMs += clock.now() - begun;
    if (!isAdmitted) throwIfAborted(signal);
  }

  /** Lets waiting calls through, one after another as tokens come, until none waits. Throws nothing. */
  async #serve(state: Operation): Promise<void> {
    if (state.serving !== undefined) return;
    const { clock } = this.#options;
    // A clock keeps no process alive; a call that waits does.
    let hold: NodeJS.Timeout | undefined;
    while (hasWaiters(state)) {
      const now = clock.now();
      const delayMs = waitMs(state.bucket, now);
      if (delayMs > 0) {
        hold ??= setInterval(() => {}, 2 ** 30);
        state.serving = new AbortController();
        await pause(clock, delayMs, state.serving.signal);
      } else admitNext(state, now);
    }
    clearInterval(hold);
    state.serving = undefined;
  }

  #throttle(operation: string, state: Operation, begun: number, retryAfterMs: number | undefined): void {
    const { clock, random, log } = this.#options;
    const now = clock.now();
    const isNews = begun >= state.bucket.throttledAt;
    state.counts.throttled += 1;
    state.bucket = throttled(state.bucket, { now, begun, retryAfterMs, random: random() });
    if (!isNews) return;
    const { heldUntil, rate } = state.bucket;
    const fields = { operation, waitMs: Math.round(heldUntil - now), perSecond: Number(rate.toPrecision(3)) };
    log.warn(fields, "the cloud asks for fewer calls");
  }

  /** With the time to wait, where the cloud gave none. */
  #passed(error: VirtualKubeletError, { bucket }: Operation): VirtualKubeletError {
    const retryAfterMs = Math.max(0, Math.ceil(bucket.heldUntil - this.#options.clock.now()));
    return new VirtualKubeletError("Throttled", error.message, {
      ...{ cause: error.cause, field: error.field, httpStatus: error.httpStatus, reason: error.reason, retryAfterMs },
    });
  }
}

function hasWaiters({ lanes }: Operation): boolean {
  return order.some((urgency) => lanes[urgency].size > 0);
}

function admitNext(state: Operation, now: number): void {
  const urgencies = state.turns % fairTurn === fairTurn - 1 ? order.toReversed() : order;
  const lane = urgencies.map((urgency) => state.lanes[urgency]).find(({ size }) => size > 0);
  const waiter = lane?.first();
  if (lane === undefined || waiter === undefined) return;
  lane.delete(waiter);
  state.turns += 1;
  state.bucket = taken(state.bucket, now);
  waiter.admit();
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw VirtualKubeletError.from(signal.reason);
}
