// Questions to the API server (TokenReview, SubjectAccessReview) as authentication and authorisation ask them: the same
// question once at a time, tried again while the API server is in trouble, within a time limit.
import { type Clock, jitter, pause, systemClock } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { KubeObject, Resource } from "../kube/resource.ts";
import type { Metrics } from "../metrics.ts";
import { SharedCalls } from "./shared-calls.ts";

export interface ReviewOptions {
  readonly client: KubeClient;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  readonly metrics?: Metrics | undefined;
  /** Milliseconds until a question fails that has no answer, with all tries; default 10 s. */
  readonly deadlineMs?: number | undefined;
}

/** So many questions are with the API server at once, so many more wait for their turn. */
const atOnce = 64;
const inLine = 10_000;
const firstWaitMs = 200;
const longestWaitMs = 2000;

export class Reviewer<T extends KubeObject, A> {
  readonly #options: ReviewOptions;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #of: Resource<T>;
  readonly #what: string;
  readonly #calls: SharedCalls<A>;

  constructor(of: Resource<T>, options: ReviewOptions) {
    this.#options = options;
    this.#of = of;
    this.#what = of.kind;
    this.#clock = options.clock ?? systemClock;
    this.#deadlineMs = options.deadlineMs ?? 10_000;
    this.#calls = new SharedCalls<A>({
      clock: this.#clock,
      what: this.#what,
      deadlineMs: this.#deadlineMs,
      running: atOnce,
      limit: atOnce + inLine,
    });
  }

  /**
   * What `read` makes of the answer; it runs once per question, however many ask it under one key. Throws Aborted by the
   * signal; whatever else goes wrong is Unavailable, so that a refusal of our own credentials is not taken for the caller's.
   */
  async ask(
    key: string,
    question: T,
    signal: AbortSignal,
    read: (answer: T, asked: number) => { readonly answer: A; readonly outcome: string },
  ): Promise<A> {
    try {
      return await this.#calls.call(key, signal, async (shared) => {
        const { client, metrics } = this.#options;
        const asked = this.#clock.now();
        const count = (outcome: string): void => metrics?.reviews.inc({ resource: this.#of.plural, outcome });
        const answer = await this.#tries(shared, async () => {
          try {
            return await client.review(this.#of, question, { signal: shared, timeoutMs: this.#deadlineMs });
          } catch (error) {
            count("error");
            throw error;
          }
        });
        const result = read(answer, asked);
        count(result.outcome);
        return result.answer;
      });
    } catch (error) {
      if (isErrorKind(error, "Aborted", "Unavailable")) throw VirtualKubeletError.from(error);
      throw new VirtualKubeletError("Unavailable", `${this.#what}: ${errorText(error)}`, { cause: error });
    }
  }

  async #tries(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    const deadline = this.#clock.now() + this.#deadlineMs;
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        const wait = jitter(Math.min(firstWaitMs * 2 ** tries, longestWaitMs), 0.2, true, this.#options.random);
        const hopeless = !isErrorKind(error, "Unavailable", "Throttled") || this.#clock.now() + wait >= deadline;
        if (hopeless || signal.aborted) throw error;
        await pause(this.#clock, wait, signal);
        signal.throwIfAborted();
      }
    }
  }
}
