// Keeps what is known of one node's backend fresh: a full listing first, then pushes where the provider has them, else
// polling whose pace follows how much is in motion. A broken backend is tried again for ever.
import { type Clock, jitter, pause } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { PodOwner, PodReport, PodUpdate } from "../provider/pods.ts";
import type { Provider } from "../provider.ts";

export type PodEvent = Extract<PodUpdate, { readonly type: "event" }>;

export interface BackendSink {
  listed(reports: readonly PodReport[], startedAt: number): void;
  reported(report: PodReport, at: number): void;
  gone(owner: PodOwner, at: number): void;
  event(event: PodEvent): void;
  /** A listing or the push stream failed; undefined: it works again. */
  trouble(message: string | undefined): void;
  /** Pods of this node are starting, stopping or expected. */
  inMotion(): boolean;
}

export interface BackendWatcherOptions {
  readonly node: string;
  readonly provider: Provider;
  readonly sink: BackendSink;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Shortest and longest pause between polls; the shortest holds while something is in motion. */
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** Full listing beside the pushes, for what they may have missed. */
  readonly resyncMs: number;
  /** Longest time of one listing. */
  readonly callTimeoutMs: number;
}

const firstRetryMs = 500;
const lastRetryMs = 30_000;
/** A push stream that held so long works. */
const soundStreamMs = 10_000;

export async function watchBackend(options: BackendWatcherOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, sink } = options;
  let failures = 0;
  let troubled = false;
  let quietMs = options.pollMinMs;
  while (!signal.aborted) {
    const pushes = new PushStream(options, signal);
    let listed = false;
    try {
      // The stream is opened before the listing, so that nothing falls between the two.
      pushes.open();
      while (!signal.aborted) {
        await list(options, signal);
        listed = true;
        sink.trouble(undefined);
        // A stream that breaks again and again, each time after a good listing, is in trouble all the while.
        const soundMs = Math.min(soundStreamMs, options.resyncMs);
        if (options.provider.watchPods !== undefined) await pushes.until(soundMs);
        if (troubled) log.info({ node: options.node }, "backend answers again");
        troubled = false;
        failures = 0;
        if (options.provider.watchPods !== undefined) await pushes.until(options.resyncMs - soundMs);
        else {
          quietMs = sink.inMotion() ? options.pollMinMs : Math.min(options.pollMaxMs, quietMs * 1.5);
          await pollPause(options, quietMs, signal);
        }
      }
    } catch (error) {
      if (signal.aborted) break;
      failures += 1;
      const message = errorText(error);
      sink.trouble(message);
      if (!troubled) log.warn({ node: options.node, err: message }, "backend cannot be listed or watched");
      troubled = true;
      const backoff = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 10));
      const floor = VirtualKubeletError.from(error).retryAfterMs ?? 0;
      const retryMs = jitter(backoff, 0.5, true, options.random);
      // Without pushes, but with listings, it goes on as by polling.
      if (listed && floor === 0 && failures > 1) await pollPause(options, retryMs, signal);
      else await pause(clock, Math.max(floor, retryMs), signal);
    } finally {
      await pushes.close();
    }
  }
}

/** Waits between two polls in short steps: what comes into motion meanwhile is not left waiting for the long pause. */
async function pollPause(options: BackendWatcherOptions, pauseMs: number, signal: AbortSignal): Promise<void> {
  const until = options.clock.now() + jitter(pauseMs, 0.2, true, options.random);
  while (!signal.aborted) {
    const left = until - options.clock.now();
    if (left <= 0) return;
    await pause(options.clock, Math.min(left, options.pollMinMs), signal);
    if (options.sink.inMotion()) return;
  }
}

async function list(options: BackendWatcherOptions, signal: AbortSignal): Promise<void> {
  const startedAt = options.clock.now();
  const call = new AbortController();
  const stop = (): void => call.abort(signal.reason);
  const overdue = (): void =>
    call.abort(new VirtualKubeletError("Unavailable", `no listing within ${options.callTimeoutMs / 1000} s`));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  const cancelTimer = options.clock.schedule(options.callTimeoutMs, overdue);
  try {
    const reports = await settleBy(options.provider.getPods({ signal: call.signal, log: options.log }), call.signal);
    options.sink.listed(reports, startedAt);
  } finally {
    cancelTimer();
    signal.removeEventListener("abort", stop);
  }
}

/** The provider's answer, or the signal's reason as soon as it aborts, even if the provider does not heed it. */
export async function settleBy<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(VirtualKubeletError.from(signal.reason));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    // Whoever loses the race may still fail: that is no unhandled rejection.
    promise.catch(() => {});
    answer.catch(() => {});
  }
}

/** The provider's push stream, read in the background from `open` to `close`. */
class PushStream {
  readonly #options: BackendWatcherOptions;
  readonly #end: AbortController = new AbortController();
  readonly #signal: AbortSignal;
  #reading: Promise<void> | undefined;
  /** Set when the stream has broken or ended. */
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  constructor(options: BackendWatcherOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#end.signal]);
  }

  open(): void {
    if (this.#options.provider.watchPods === undefined) return;
    // Also a provider that throws at once: without pushes the backend can still be listed.
    this.#reading = this.#read().catch((error: unknown) => {
      this.#failure = { error };
      this.#wake();
    });
  }

  /** Returns after `ms` at most; throws when the stream breaks, ends or cannot be opened. */
  async until(ms: number): Promise<void> {
    // Not a race with the reading: each would stay in memory for as long as the stream holds.
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    if (this.#failure !== undefined || this.#signal.aborted) this.#wake();
    this.#signal.addEventListener("abort", this.#wake, { once: true });
    await pause(this.#options.clock, jitter(ms, 0.2, true, this.#options.random), woken.signal);
    this.#signal.removeEventListener("abort", this.#wake);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async close(): Promise<void> {
    this.#end.abort();
    // A provider that does not heed its signal is left behind; its updates are no longer read.
    if (this.#reading === undefined) return;
    const ended = new AbortController();
    const reading = this.#reading.finally(() => ended.abort());
    await Promise.race([reading, pause(this.#options.clock, 1000, ended.signal)]);
  }

  async #read(): Promise<void> {
    const { provider, sink, clock, log } = this.#options;
    for await (const update of provider.watchPods?.({ signal: this.#signal, log }) ?? []) {
      if (this.#signal.aborted) return;
      switch (update.type) {
        case "report":
          sink.reported(update.report, clock.now());
          break;
        case "gone":
          sink.gone(update.owner, clock.now());
          break;
        case "event":
          sink.event(update);
      }
    }
    if (!this.#signal.aborted) throw new VirtualKubeletError("Unavailable", "the provider's push stream ended");
  }
}
