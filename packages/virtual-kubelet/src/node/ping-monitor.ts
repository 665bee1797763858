// Asks every provider now and then whether its backend can be reached, and decides when a node is no longer ready for it.
import { type Clock, jitter } from "../clock.ts";
import { errorText } from "../errors.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";

export interface PingSettings {
  /** Resolves while the backend can be reached. Never called again while a call is under way, even one whose time is up. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
  /** From call to call; default 10,000. */
  readonly pingIntervalMs?: number | undefined;
  /** A call that takes longer is aborted and has failed, whatever it does about that; default 10,000. */
  readonly pingTimeoutMs?: number | undefined;
  /** So many failures in a row make the node not ready; default 3. Before the first success one is enough. */
  readonly pingThreshold?: number | undefined;
}

export interface PingMonitorOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** The answer to `state` is another one now. */
  readonly onChange: (node: string) => void;
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
}

/** "waiting": the first answer is still to come. */
export type PingState =
  | { readonly is: "waiting" }
  | { readonly is: "ok" }
  | { readonly is: "failed" /** Of the failure that tipped it. */; readonly message: string };

interface Entry {
  readonly settings: PingSettings;
  readonly abort: AbortController;
  state: PingState;
  failures: number;
  underWay: boolean;
  /** When the call under way ran out of its time. */
  overdueSince: number | undefined;
}

const longestMessage = 1024;

/** Calls do not hold the queue's workers: any number of hung backends leaves the others' turn alone. */
export class PingMonitor {
  readonly #options: PingMonitorOptions;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: WorkQueue;

  constructor(options: PingMonitorOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    this.#queue = new WorkQueue({
      name: "node-ping",
      workers: 1,
      process: (node) => Promise.resolve(this.#begin(node)),
      clock: options.clock,
      random: options.random,
      ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    });
  }

  add(node: string, settings: PingSettings): void {
    this.remove(node);
    this.#entries.set(node, {
      settings,
      abort: new AbortController(),
      state: { is: "waiting" },
      failures: 0,
      underWay: false,
      overdueSince: undefined,
    });
    this.#queue.add(node);
  }

  remove(node: string): void {
    this.#entries.get(node)?.abort.abort();
    this.#entries.delete(node);
    this.#queue.forget(node);
  }

  /** "ok" for a node that is not pinged at all. */
  state(node: string): PingState {
    return this.#entries.get(node)?.state ?? { is: "ok" };
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.run(signal);
    for (const { abort } of this.#entries.values()) abort.abort();
  }

  #begin(node: string): { readonly requeueAfterMs: number } | undefined {
    const entry = this.#entries.get(node);
    if (entry === undefined) return undefined;
    const { pingIntervalMs = 10_000, pingTimeoutMs = 10_000 } = entry.settings;
    const again = { requeueAfterMs: jitter(pingIntervalMs, 0.05, true, this.#options.random) };
    if (entry.underWay) {
      // The time-out itself has counted once.
      const overdueMs = this.#options.clock.now() - (entry.overdueSince ?? Number.POSITIVE_INFINITY);
      if (overdueMs >= pingIntervalMs / 2) this.#failed(node, entry, "an earlier ping has still not returned");
      return again;
    }
    entry.underWay = true;
    const call = new AbortController();
    const cancelTimeout = this.#options.clock.schedule(pingTimeoutMs, () => {
      entry.overdueSince = this.#options.clock.now();
      const message = `ping took longer than ${pingTimeoutMs} ms`;
      call.abort(new Error(message));
      this.#failed(node, entry, message);
    });
    const stop = (): void => {
      cancelTimeout();
      call.abort();
    };
    entry.abort.signal.addEventListener("abort", stop, { once: true });
    const ended = (outcome: () => void): void => {
      const inTime = entry.overdueSince === undefined;
      entry.abort.signal.removeEventListener("abort", stop);
      cancelTimeout();
      entry.underWay = false;
      entry.overdueSince = undefined;
      if (inTime && !entry.abort.signal.aborted) outcome();
    };
    // Not awaited: the next turn looks at underWay.
    void Promise.try(entry.settings.ping, call.signal).then(
      () => ended(() => this.#succeeded(node, entry)),
      (error: unknown) => ended(() => this.#failed(node, entry, errorText(error))),
    );
    return again;
  }

  #succeeded(node: string, entry: Entry): void {
    if (this.#entries.get(node) !== entry) return;
    entry.failures = 0;
    if (entry.state.is === "ok") return;
    if (entry.state.is === "failed") this.#log.info({ node }, "provider answers again");
    entry.state = { is: "ok" };
    this.#options.onChange(node);
  }

  #failed(node: string, entry: Entry, message: string): void {
    if (this.#entries.get(node) !== entry) return;
    entry.failures += 1;
    // Its message stays, however the later ones differ: one write per transition.
    if (entry.state.is === "failed") return;
    this.#log.debug({ node, err: message, failures: entry.failures }, "ping of the provider failed");
    if (entry.state.is === "ok" && entry.failures < (entry.settings.pingThreshold ?? 3)) return;
    this.#log.warn({ node, err: message, failures: entry.failures }, "provider does not answer, node is not ready");
    entry.state = { is: "failed", message: message.slice(0, longestMessage) };
    this.#options.onChange(node);
  }
}
