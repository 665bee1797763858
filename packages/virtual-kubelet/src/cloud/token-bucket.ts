// How many calls of one kind may begin now: a bucket of tokens whose rate falls when the other side throttles, and rises again
// evenly. Pure.

export interface CallLimit {
  /** Calls a second, over time. */
  readonly perSecond: number;
  /** Calls at once after a time of none, at least 1. */
  readonly burst: number;
}

export interface TokenBucket {
  readonly limit: CallLimit;
  readonly tokens: number;
  /** Calls a second at `at`. */
  readonly rate: number;
  /** Epoch milliseconds of `tokens` and `rate`. */
  readonly at: number;
  /** No call begins before. */
  readonly heldUntil: number;
  /** When throttling was last answered; what began before tells nothing new. */
  readonly throttledAt: number;
  /** Throttlings in a row. */
  readonly throttlings: number;
}

/** From nothing to the whole rate. */
const recoveryMs = 60_000;
/** Calls a second that are left at least; for limits below, the limit. */
const leastRate = 0.2;
const lowestShare = 1 / 50;
const firstHoldMs = 1_000;
const longestHoldMs = 60_000;

export function fullBucket(limit: CallLimit, now: number): TokenBucket {
  return {
    ...{ limit, tokens: limit.burst, rate: limit.perSecond, at: now },
    ...{ heldUntil: now, throttledAt: Number.NEGATIVE_INFINITY, throttlings: 0 },
  };
}

/** Milliseconds until a call may begin. */
export function waitMs(bucket: TokenBucket, now: number): number {
  const { tokens, rate } = refilled(bucket, now);
  const heldMs = Math.max(0, bucket.heldUntil - now);
  // By the rate of now: it can only have risen by then. Rounded up, lest a timer that comes a little early does so for ever.
  return Math.ceil(heldMs + (tokens >= 1 ? 0 : ((1 - tokens) / rate) * 1000));
}

/** A call begins. */
export function taken(bucket: TokenBucket, now: number): TokenBucket {
  const full = refilled(bucket, now);
  return { ...full, tokens: full.tokens - 1 };
}

/**
 * A call that began at `begun` was answered by throttling. All wait for what was asked for, or twice as long as the last time, and
 * a little more by chance (`random`: 0 to below 1), lest all come back at the same moment. The rate halves once for all calls under way.
 */
export function throttled(
  bucket: TokenBucket,
  {
    now,
    begun,
    retryAfterMs,
    random,
  }: {
    readonly now: number;
    readonly begun: number;
    readonly retryAfterMs: number | undefined;
    readonly random: number;
  },
): TokenBucket {
  const full = refilled(bucket, now);
  const isNews = begun >= bucket.throttledAt;
  const throttlings = bucket.throttlings + (isNews ? 1 : 0);
  const backOffMs = Math.min(longestHoldMs, firstHoldMs * 2 ** (Math.max(1, throttlings) - 1)) * (0.5 + random / 2);
  const holdMs = retryAfterMs === undefined ? backOffMs : retryAfterMs * (1 + random / 10);
  const { perSecond } = bucket.limit;
  return {
    ...full,
    ...{ tokens: 0, throttlings, heldUntil: Math.max(bucket.heldUntil, now + holdMs) },
    rate: isNews ? Math.max(full.rate / 2, perSecond * lowestShare, Math.min(perSecond, leastRate)) : full.rate,
    throttledAt: isNews ? now : bucket.throttledAt,
  };
}

/** A call that began at `begun` was not throttled. */
export function answered(bucket: TokenBucket, begun: number): TokenBucket {
  return begun >= bucket.heldUntil && bucket.throttlings > 0 ? { ...bucket, throttlings: 0 } : bucket;
}

function refilled(bucket: TokenBucket, now: number): TokenBucket {
  const { limit, tokens, rate, at, heldUntil } = bucket;
  const from = Math.max(at, Math.min(heldUntil, now));
  const elapsedMs = Math.max(0, now - from);
  const next = Math.min(limit.perSecond, rate + (limit.perSecond * elapsedMs) / recoveryMs);
  // Whether all of the time is looked at at once or in parts comes to the same: who has waited as long as was said waits no more.
  const risingMs = Math.min(elapsedMs, (1 - rate / limit.perSecond) * recoveryMs);
  const gained = (risingMs / 1000) * ((rate + next) / 2) + ((elapsedMs - risingMs) / 1000) * limit.perSecond;
  return { ...bucket, tokens: Math.min(limit.burst, tokens + gained), rate: next, at: Math.max(at, now) };
}
