// Time as a parameter: queues, pacing and back-off take a Clock, so that tests run ten minutes in a moment.

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `callback` once after `delayMs` (at least 0); the returned function cancels it. The timer alone keeps no process alive. */
  schedule(delayMs: number, callback: () => void): () => void;
}

const longestTimer = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  schedule(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const arm = (left: number): void => {
      const step = Math.min(left, longestTimer);
      timer = setTimeout(() => (left > step ? arm(left - step) : callback()), step);
      timer.unref();
    };
    arm(Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs` of the clock, or as soon as the signal aborts: look at `signal.aborted` afterwards. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    cancel();
    signal.removeEventListener("abort", done);
    resolve();
  };
  const cancel = clock.schedule(delayMs, done);
  signal.addEventListener("abort", done, { once: true });
  return promise;
}

/** `value` with up to `fraction` added or, when `around` is set, taken off as well. Spreads retries and periods. */
export function jitter(value: number, fraction: number, around = false, random: () => number = Math.random): number {
  return around ? value * (1 + fraction * (2 * random() - 1)) : value * (1 + fraction * random());
}
