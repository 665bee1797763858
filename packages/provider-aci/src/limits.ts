// How many calls a subscription allows, by operation: what the cloud's throttling leaves, shared with who else works in the
// subscription. A configuration may set them otherwise; answers that throttle lower them for a while.
import type { AciConfig } from "./config.ts";

interface Limit {
  readonly perSecond: number;
  readonly burst: number;
  readonly passThrottled?: true;
}

/** Reads have a bucket of 250 a subscription that fills by 25 a second, writes and removals 200 by 10; the provider takes a part. */
const usual: Readonly<Record<string, Limit>> = {
  create: { perSecond: 5, burst: 50, passThrottled: true },
  get: { perSecond: 15, burst: 100 },
  list: { perSecond: 1, burst: 10 },
  remove: { perSecond: 5, burst: 50 },
  logs: { perSecond: 5, burst: 30 },
  exec: { perSecond: 3, burst: 30 },
  metrics: { perSecond: 3, burst: 60 },
};

export const fallbackLimit: Limit = { perSecond: 3, burst: 20 };

export function callLimits({ callLimits: own }: Pick<AciConfig, "callLimits">): Readonly<Record<string, Limit>> {
  const names = new Set([...Object.keys(usual), ...Object.keys(own)]);
  return Object.fromEntries(
    [...names].map((name): [string, Limit] => [name, { ...(usual[name] ?? fallbackLimit), ...own[name] }]),
  );
}
