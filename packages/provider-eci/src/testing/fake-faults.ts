// Faults of the fake, set by tests: throttling, refusals, answers that get lost, a region that is down, rights that are missing.
import { FakeRefusal } from "./fake-refusal.ts";

/** What happens to a call in place of the usual. */
export interface FakeFault {
  /** "CreateContainerGroup"; absent: any. */
  readonly action?: string | undefined;
  /** Default once. */
  readonly times?: number | undefined;
  /** Answered without a look at the request. */
  readonly answer?:
    | { readonly status: number; readonly code: string; readonly message?: string | undefined }
    | undefined;
  /** A gateway in between answers this with the status, 502 unless it is told. */
  readonly text?: { readonly body: string; readonly status?: number | undefined } | undefined;
  /** The work is done, and the connection breaks before the answer. */
  readonly loseAnswer?: boolean | undefined;
  /** The work is done this much later. */
  readonly delayMs?: number | undefined;
}

export class FakeFaults {
  /** The region: connections are torn down. */
  down: boolean = false;
  /** As a user without rights sees it: lists are empty, and nothing says so. */
  blind: boolean = false;
  /** Actions that the keys have no right to. */
  readonly denied: Set<string> = new Set();
  /** So many of the next groups are accepted, but there is no stock for them. */
  noStock: number = 0;
  readonly #queue: { readonly fault: FakeFault; left: number }[] = [];
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  #limit: { readonly perSecond: number; readonly burst: number } | undefined;

  /** The next calls of the action; several are taken in order. */
  add(fault: FakeFault): void {
    this.#queue.push({ fault, left: fault.times ?? 1 });
  }

  /** Calls of each action beyond it are refused; undefined: no limit. */
  throttle(limit: { readonly perSecond: number; readonly burst: number } | undefined): void {
    this.#limit = limit;
    this.#buckets.clear();
  }

  take(action: string): FakeFault | undefined {
    const found = this.#queue.find(({ fault }) => fault.action === undefined || fault.action === action);
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left <= 0) this.#queue.splice(this.#queue.indexOf(found), 1);
    return found.fault;
  }

  /** Throws the cloud's refusal of what there is no right to, or too many of. */
  check(action: string, now: number): void {
    if (this.denied.has(action))
      throw new FakeRefusal(
        403,
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
      );
    if (this.#limit === undefined) return;
    const { perSecond, burst } = this.#limit;
    const bucket = this.#buckets.get(action) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
    const allowed = tokens >= 1;
    this.#buckets.set(action, { tokens: allowed ? tokens - 1 : tokens, at: now });
    if (!allowed) throw new FakeRefusal(400, "Throttling.User", "Request was denied due to user flow control.");
  }
}
