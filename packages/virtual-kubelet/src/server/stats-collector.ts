// Asks a node's provider for its stats, once for all who read them at about the same time, and bears with one that fails.
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Provider } from "../provider.ts";
import type { StatsSummary } from "../stats-summary.ts";
import type { ServedNode } from "./served-node.ts";
import { StatsHistory } from "./stats-history.ts";
import type { NodeUsage } from "./stats-usage.ts";

export interface StatsCollectorOptions {
  readonly clock?: Clock | undefined;
  readonly log: Logger;
  /** Ends calls of the provider that are under way. */
  readonly signal?: AbortSignal | undefined;
  /** An answer serves everybody who asks within so many milliseconds; default 1000. */
  readonly sharedForMs?: number | undefined;
  /** How long the provider may take; default 8000: less than the ten seconds of metrics-server and Prometheus. */
  readonly timeoutMs?: number | undefined;
  /** For so long after it was given the last summary is served while the provider fails; default 60000. */
  readonly staleForMs?: number | undefined;
}

export interface CollectedStats {
  /** Undefined when there is none, or only one that is too old to serve. */
  readonly usage: NodeUsage | undefined;
  /** Why the provider gave nothing this time. */
  readonly error: VirtualKubeletError | undefined;
}

/** A provider that neither answers nor fails is asked again after this long. */
const hungForMs = 60_000;

/** The stats of one node. */
export class StatsCollector {
  readonly #provider: Provider;
  readonly #options: StatsCollectorOptions;
  readonly #clock: Clock;
  readonly #history: StatsHistory;
  #last: { readonly summary: StatsSummary; readonly at: number } | undefined;
  #answer: { readonly stats: CollectedStats; readonly at: number } | undefined;
  #underWay: Promise<CollectedStats> | undefined;
  #hungSince: number | undefined;

  /** The provider must have `getStatsSummary`. */
  constructor(node: ServedNode, options: StatsCollectorOptions) {
    this.#provider = node.provider;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#history = new StatsHistory(node.name);
  }

  /** Never rejects. */
  collect(node: ServedNode): Promise<CollectedStats> {
    const { sharedForMs = 1_000 } = this.#options;
    const answer = this.#answer;
    if (answer !== undefined && this.#clock.now() - answer.at < sharedForMs) return Promise.resolve(answer.stats);
    this.#underWay ??= this.#collect(node).finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  /** What was last told, unless it is too old to serve; asks nobody. */
  latest(): NodeUsage | undefined {
    const { staleForMs = 60_000 } = this.#options;
    const answer = this.#answer;
    return answer !== undefined && this.#clock.now() - answer.at <= staleForMs ? answer.stats.usage : undefined;
  }

  async #collect(node: ServedNode): Promise<CollectedStats> {
    let error: VirtualKubeletError | undefined;
    try {
      const summary = await this.#ask();
      this.#last = { summary, at: this.#clock.now() };
    } catch (thrown) {
      error = VirtualKubeletError.from(thrown);
    }
    const stats = this.#tell(node, error);
    this.#report(node.name, stats);
    this.#answer = { stats, at: this.#clock.now() };
    return stats;
  }

  /** The first of several failures, and their end: readers come every few seconds. */
  #report(node: string, { error, usage }: CollectedStats): void {
    const { log, signal } = this.#options;
    const before = this.#answer?.stats.error;
    if (error === undefined) {
      if (before !== undefined) log.info({ node }, "the provider gives stats again");
    } else if (error.kind !== before?.kind && error.kind !== "Unsupported" && signal?.aborted !== true) {
      log.warn({ node, err: error, stale: usage !== undefined }, "the provider gives no stats");
    }
  }

  #tell(node: ServedNode, error: VirtualKubeletError | undefined): CollectedStats {
    const now = this.#clock.now();
    const { staleForMs = 60_000 } = this.#options;
    if (this.#last === undefined || now - this.#last.at > staleForMs) return { usage: undefined, error };
    try {
      return { usage: this.#history.update(this.#last.summary, node.pods(), now), error };
    } catch (thrown) {
      // The summary is not of the form that the contract wants: it must not take its readers down.
      this.#last = undefined;
      return { usage: undefined, error: VirtualKubeletError.from(thrown) };
    }
  }

  async #ask(): Promise<StatsSummary> {
    const { timeoutMs = 8_000, signal, log } = this.#options;
    if (this.#hungSince !== undefined && this.#clock.now() - this.#hungSince < hungForMs) {
      throw new VirtualKubeletError("Unavailable", "getStatsSummary has not answered yet");
    }
    const ended = new AbortController();
    const timeUp = Promise.withResolvers<never>();
    const cancel = this.#clock.schedule(timeoutMs, () => {
      this.#hungSince = this.#clock.now();
      timeUp.reject(new VirtualKubeletError("Unavailable", `getStatsSummary took longer than ${timeoutMs} ms`));
      ended.abort();
    });
    const signals = signal === undefined ? ended.signal : AbortSignal.any([ended.signal, signal]);
    // Async, so that a method that throws at once is like one that rejects.
    const call = async (): Promise<StatsSummary> => {
      const summary = await this.#provider.getStatsSummary?.({ signal: signals, log });
      if (summary === undefined) throw new VirtualKubeletError("Unsupported", "the provider has no stats");
      return summary;
    };
    const answer = call().finally(() => {
      this.#hungSince = undefined;
    });
    try {
      return await Promise.race([answer, timeUp.promise]);
    } finally {
      cancel();
    }
  }
}
