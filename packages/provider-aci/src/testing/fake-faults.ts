// Faults of the fake, set by tests: throttling, refusals, answers that get lost, a region that is down.

import type { FakeReply } from "./fake-refusal.ts";

export type FakeOperation =
  | ("create" | "get" | "list" | "remove" | "stop" | "start" | "restart" | "updateTags")
  | ("logs" | "exec" | "attach" | "subnet" | "capabilities" | "usage" | "metrics" | "ping" | "permissions")
  | ("lro" | "token" | "unknown");

/** What happens to a call in place of the usual. */
export interface FakeFault {
  /** Absent: any but tokens. */
  readonly operation?: FakeOperation | undefined;
  /** Default once. */
  readonly times?: number | undefined;
  /** Answered without a look at the request. */
  readonly answer?:
    | {
        readonly status: number;
        readonly code?: string | undefined;
        readonly message?: string | undefined;
        readonly headers?: Readonly<Record<string, string>> | undefined;
        /** In place of an error in the cloud's form, as a gateway in between writes. */
        readonly text?: string | undefined;
      }
    | undefined;
  /** The work is done, and the connection breaks before the answer. */
  readonly loseAnswer?: boolean | undefined;
  /** The work is done this much later. */
  readonly delayMs?: number | undefined;
}

export class FakeFaults {
  readonly #queue: { readonly fault: FakeFault; left: number }[] = [];
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  #limit: { readonly perSecond: number; readonly burst: number } | undefined;
  #isDown = false;

  /** The next calls of the kind; several are taken in order. */
  add(fault: FakeFault): void {
    this.#queue.push({ fault, left: fault.times ?? 1 });
  }

  /** While it is down, connections are cut without an answer. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
  }

  /** Calls of each operation beyond it are answered by 429 with Retry-After; undefined: no limit. */
  throttle(limit: { readonly perSecond: number; readonly burst: number } | undefined): void {
    this.#limit = limit;
    this.#buckets.clear();
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  take(operation: FakeOperation): FakeFault | undefined {
    const found = this.#queue.find(({ fault }) =>
      fault.operation === undefined ? operation !== "token" : fault.operation === operation,
    );
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left <= 0) this.#queue.splice(this.#queue.indexOf(found), 1);
    return found.fault;
  }

  /** Seconds until a call of the operation would pass; undefined: it passes. */
  throttled(operation: FakeOperation, now: number): number | undefined {
    const limit = this.#limit;
    if (limit === undefined || operation === "token") return undefined;
    const bucket = this.#buckets.get(operation) ?? { tokens: limit.burst, at: now };
    bucket.tokens = Math.min(limit.burst, bucket.tokens + ((now - bucket.at) / 1000) * limit.perSecond);
    bucket.at = now;
    this.#buckets.set(operation, bucket);
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / limit.perSecond));
    bucket.tokens -= 1;
    return undefined;
  }
}

export function faultReply(answer: NonNullable<FakeFault["answer"]>): FakeReply {
  const { status, code = "Fault", message = "as the test wants it", headers, text } = answer;
  return { status, headers, body: text ?? { error: { code, message } } };
}
