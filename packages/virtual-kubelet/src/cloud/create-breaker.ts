// Keeps a cloud that answers nothing, or refuses the credentials, from being flooded with creates, and tells of it on the node.
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { NodeReport } from "../provider/node.ts";
import type { CallContext } from "../provider.ts";
import { Breaker } from "./breaker.ts";
import type { CircuitRules } from "./circuit.ts";

const rules: CircuitRules = { failures: 5, openMs: 5_000, mostOpenMs: 120_000 };
/** While the try that decides is under way. */
const leastRetryMs = 1_000;

type Condition = NonNullable<NodeReport["conditions"]>[number];

export class CreateBreaker {
  readonly #clock: Clock;
  readonly #type: string;
  readonly #breaker: Breaker;
  readonly #listeners = new Set<() => void>();
  /** UID of the last pod that failed by what may be its own fault. */
  #lastOwn: string | undefined;

  /** `type`: of the back end. */
  constructor(type: string, clock: Clock) {
    this.#type = type;
    this.#clock = clock;
    const changed = (): void => {
      for (const listener of this.#listeners) listener();
    };
    this.#breaker = new Breaker({ clock, rules, changed });
  }

  /** Throws Throttled, without a call, while the cloud is left alone. */
  async judged<T>(uid: string, create: () => Promise<T>): Promise<T> {
    const { barred, openUntil = 0 } = this.#breaker;
    if (barred !== undefined) {
      const retryAfterMs = Math.max(leastRetryMs, openUntil - this.#clock.now());
      throw new VirtualKubeletError("Throttled", `${this.#type} is left alone for a while: ${barred}`, {
        retryAfterMs,
      });
    }
    return this.#breaker.judged(create, (error) => this.#isItsFault(uid, VirtualKubeletError.from(error)));
  }

  /** For the node. */
  get condition(): Condition {
    const { barred, isOnTrial } = this.#breaker;
    const type = "virtual-kubelet.io/ProviderTakesPods";
    if (barred !== undefined)
      return { type, status: "False", reason: "CircuitOpen", message: `no new pods for now: ${barred}` };
    if (isOnTrial)
      return {
        type,
        status: "Unknown",
        reason: "CircuitHalfOpen",
        message: "creates have failed; the next pod decides",
      };
    return { type, status: "True", reason: "CircuitClosed", message: `${this.#type} takes pods` };
  }

  /** Yields what the source tells of the node, with the condition; without a source the condition alone. */
  async *reports(
    source: ((context: CallContext) => AsyncIterable<NodeReport>) | undefined,
    { signal, log }: CallContext,
  ): AsyncGenerator<NodeReport> {
    const ending = new AbortController();
    const inner = AbortSignal.any([signal, ending.signal]);
    let news = Promise.withResolvers<void>();
    const tell = (): void => news.resolve();
    let last: NodeReport | undefined = source === undefined ? {} : undefined;
    let end: { readonly error?: unknown } | undefined;
    const follow = async (reports: AsyncIterable<NodeReport>): Promise<void> => {
      try {
        for await (const report of reports) {
          last = report;
          tell();
          if (inner.aborted) return;
        }
        end = {};
      } catch (error) {
        end = { error };
      }
      tell();
    };
    if (source !== undefined) void follow(source({ signal: inner, log }));
    this.#listeners.add(tell);
    signal.addEventListener("abort", tell, { once: true });
    try {
      while (!signal.aborted) {
        news = Promise.withResolvers<void>();
        if (last !== undefined) yield { ...last, conditions: [...(last.conditions ?? []), this.condition] };
        if (end !== undefined && "error" in end) throw end.error;
        if (end !== undefined) return;
        await news.promise;
      }
    } finally {
      ending.abort();
      this.#listeners.delete(tell);
      signal.removeEventListener("abort", tell);
    }
  }

  /** Quotas and throttling have a pace of their own, and what is wrong with one pod says nothing of the cloud. */
  #isItsFault(uid: string, { kind, reason, field }: VirtualKubeletError): boolean {
    if (reason !== undefined || field !== undefined) return false;
    if (kind === "Unavailable" || kind === "Unauthorized" || kind === "Expired") return true;
    if (kind !== "Forbidden" && kind !== "Internal") return false;
    const isAnother = this.#lastOwn !== uid;
    this.#lastOwn = uid;
    return isAnother;
  }
}
