// Credentials that pods hold for themselves (tokens, certificates): asked for once by each, and again before they are old.
import { type Clock, jitter } from "../clock.ts";
import { errorText, isErrorKind } from "../errors.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { patienceMs, quiet } from "./object-cache.ts";
import type { View } from "./sources.ts";

/** One credential as it was given out, by our own clock: the server's may differ. */
export interface Credential<V> {
  readonly value: V;
  /** Milliseconds from when it was asked for. */
  readonly lifeMs: number;
  readonly renewAfterMs: number;
}

export interface RenewedCredentialsOptions<S, V> {
  /** Of its queue, for metrics. */
  readonly name: string;
  /** Asked for at the same time. */
  readonly workers: number;
  /** Names a credential; no two pods have one in common. */
  readonly key: (source: S) => string;
  readonly ask: (source: S, signal: AbortSignal) => Promise<Credential<V>>;
  /** The pod has a first credential, a new one, or waits in vain for one. */
  readonly onChange: (uid: string) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

interface Entry<S, V> {
  readonly source: S;
  readonly since: number;
  readonly cancel: () => void;
  value: V | undefined;
  expiresAt: number;
  failure: string | undefined;
  /** The failure is the last word for now: no patience helps. */
  refused: boolean;
}

/** A refusal right after the binding is tried again after so long. */
const refusedMs = 500;
/** However short a credential lives. */
const leastRenewalMs = 1000;

export class RenewedCredentials<S extends { readonly podUid: string }, V> {
  readonly #options: RenewedCredentialsOptions<S, V>;
  readonly #entries = new Map<string, Entry<S, V>>();
  readonly #queue: WorkQueue;

  constructor(options: RenewedCredentialsOptions<S, V>) {
    this.#options = options;
    const { name, workers, clock, random, metrics } = options;
    this.#queue = new WorkQueue({
      name,
      workers,
      process: (key, signal) => this.#renew(key, signal),
      backoff: { baseMs: 1000, maxMs: 60_000 },
      clock,
      random,
      log: quiet(options.log),
      metrics,
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  /** For `release`. */
  key(source: S): string {
    return this.#options.key(source);
  }

  /** The credential as it is now; the pod is told of the first one and of new ones until it lets go of it. */
  hold(source: S): View<V> {
    const { clock } = this.#options;
    const key = this.key(source);
    const now = clock.now();
    const entry = this.#entries.get(key) ?? this.#begin(key, source, now);
    if (entry.value !== undefined && now < entry.expiresAt) return { state: "found", value: entry.value };
    if (now - entry.since < patienceMs && !entry.refused) return { state: "pending" };
    return { state: "unreadable", message: entry.failure ?? "no answer yet" };
  }

  release(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.cancel();
    this.#queue.forget(key);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(signal, { drainMs: 0 });
  }

  #begin(key: string, source: S, since: number): Entry<S, V> {
    const cancel = this.#options.clock.schedule(patienceMs, () => {
      if (entry.value === undefined) this.#options.onChange(source.podUid);
    });
    const entry: Entry<S, V> = {
      source,
      since,
      cancel,
      value: undefined,
      expiresAt: 0,
      failure: undefined,
      refused: false,
    };
    this.#entries.set(key, entry);
    this.#queue.add(key);
    return entry;
  }

  async #renew(key: string, signal: AbortSignal): Promise<{ readonly requeueAfterMs: number } | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { clock, random, onChange, ask } = this.#options;
    const begun = clock.now();
    try {
      const { value, lifeMs, renewAfterMs } = await ask(entry.source, signal);
      if (this.#entries.get(key) !== entry) return undefined;
      entry.value = value;
      entry.expiresAt = begun + lifeMs;
      entry.failure = undefined;
      entry.refused = false;
      onChange(entry.source.podUid);
      return { requeueAfterMs: Math.max(leastRenewalMs, begun + renewAfterMs - clock.now()) };
    } catch (error) {
      if (this.#entries.get(key) !== entry || isErrorKind(error, "Aborted")) return undefined;
      const failure = errorText(error);
      const news = failure !== entry.failure;
      entry.failure = failure;
      entry.refused = isErrorKind(error, "Invalid", "Unsupported");
      if (clock.now() - entry.since < patienceMs && !entry.refused)
        return { requeueAfterMs: jitter(refusedMs, 0.5, false, random) };
      // What is still good is kept, and nobody need hear of it.
      if (news && (entry.value === undefined || clock.now() >= entry.expiresAt)) onChange(entry.source.podUid);
      throw error;
    }
  }
}
