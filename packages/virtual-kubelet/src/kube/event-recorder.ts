// Tells the cluster what happened, as core/v1 Events: from a bounded buffer, so that nothing ever waits for it.
import { type Clock, pause, systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { KubeClient } from "./client.ts";
import { EventCorrelator, type EventSeries, type EventTarget, type Occurrence } from "./event-correlator.ts";
import { events } from "./resource.ts";
import type { Event } from "./types.gen.ts";
import { WorkQueue } from "./work-queue.ts";

export type { EventTarget } from "./event-correlator.ts";

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** `source.component` and `reportingComponent`: "kubelet". */
  readonly component: string;
  /** `source.host` and `reportingInstance`: the node's name. */
  readonly host?: string;
  /** There is more important work for the API server: events wait while it is true, each for a second at most. */
  readonly busy?: (() => boolean) | undefined;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly metrics?: Metrics;
}

/** Why an event was not recorded; label of `metrics.eventsDropped`. */
type DropCause = "full" | "spam" | "stopped" | "namespace" | "refused" | "failed";

const bufferSize = 1000;
const senders = 2;
const tries = 5;
const callTimeoutMs = 10_000;
const flushMs = 2000;
const longestYieldMs = 1000;
const yieldStepMs = 100;

/** Events repeat, fold and are limited as a kubelet's: see EventCorrelator. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #correlator = new EventCorrelator();
  /** Series with something to send, by key. */
  readonly #buffer = new Map<string, EventSeries>();
  readonly #queue: WorkQueue;
  #stopped = false;
  /** Dropped since the last one that was recorded. */
  #lost = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLogger;
    this.#queue = new WorkQueue({
      name: "events",
      workers: senders,
      process: (key, signal) => this.#send(key, signal),
      backoff: { baseMs: 500, maxMs: 10_000 },
      clock: this.#clock,
      ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    });
  }

  /**
   * Buffers an event about `target`. Never waits, never throws: it is dropped, and counted, when the buffer is full or `target`
   * had too many. `host` overrides the recorder's. Messages beyond 1024 characters are cut.
   */
  record(
    target: EventTarget,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    options: { readonly host?: string | undefined } = {},
  ): void {
    const host = options.host ?? this.#options.host ?? "";
    const occurrence: Occurrence = { target, component: this.#options.component, host, type, reason, message };
    if (this.#stopped) {
      this.#drop(occurrence, "stopped");
      return;
    }
    const { series, allowed } = this.#correlator.observe(occurrence, this.#clock.now());
    if (!allowed) this.#drop(occurrence, "spam");
    else if (this.#buffer.size >= bufferSize && !this.#buffer.has(series.key)) this.#drop(occurrence, "full");
    else {
      this.#buffer.set(series.key, series);
      // A series that waits for its next try goes with that one: repeats must not break through the back-off.
      const retrying = this.#queue.retries(series.key) > 0 && this.#queue.nextDue(series.key) !== undefined;
      if (!retrying) this.#queue.add(series.key);
    }
  }

  /** Sends until the signal aborts, then what is buffered, for at most 2 s. */
  async run(signal: AbortSignal): Promise<void> {
    this.#stopped = false;
    const stop = (): void => {
      this.#stopped = true;
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#queue.run(signal, { flush: true, drainMs: flushMs });
    } finally {
      signal.removeEventListener("abort", stop);
      this.#stopped = true;
      for (const [key, series] of this.#buffer) {
        this.#queue.forget(key);
        this.#drop(series.occurrence, "stopped");
      }
      this.#buffer.clear();
    }
  }

  async #send(key: string, signal: AbortSignal): Promise<void> {
    await this.#giveWay(signal);
    const series = this.#buffer.get(key);
    if (series === undefined) return;
    this.#buffer.delete(key);
    try {
      await this.#write(series, signal);
    } catch (thrown) {
      const error = VirtualKubeletError.from(thrown);
      const cause = this.#finalCause(key, error);
      if (cause === undefined) {
        this.#buffer.set(key, series);
        this.#log.debug({ ...about(series.occurrence), err: errorText(error) }, "event not recorded, will be retried");
        throw error;
      }
      this.#drop(series.occurrence, cause, error);
      return;
    }
    if (this.#lost > 0) this.#log.info({ lost: this.#lost }, "events are recorded again");
    this.#lost = 0;
  }

  async #giveWay(signal: AbortSignal): Promise<void> {
    const { busy } = this.#options;
    const until = this.#clock.now() + longestYieldMs;
    while (busy?.() === true && !this.#stopped && !signal.aborted && this.#clock.now() < until)
      await pause(this.#clock, yieldStepMs, signal);
  }

  async #write(series: EventSeries, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const call = { signal, timeoutMs: callTimeoutMs };
    const ref = { namespace: series.occurrence.target.namespace ?? "default", name: series.name };
    // Once more for an Event that expired meanwhile, or one whose creation was done but never confirmed.
    for (let changed = false; ; changed = true) {
      try {
        if (series.created) {
          const { count, message } = series;
          const patch = { count, message, lastTimestamp: timestamp(series.lastAt) };
          await client.patchMeta(events, ref, "merge", patch, call);
        } else {
          await client.create(events, this.#event(series), call);
          series.created = true;
        }
        return;
      } catch (thrown) {
        const error = VirtualKubeletError.from(thrown);
        const expired = series.created && error.kind === "NotFound";
        const existing = !series.created && error.kind === "Conflict" && error.reason === "AlreadyExists";
        if (changed || !(expired || existing)) throw error;
        series.created = existing;
      }
    }
  }

  #event(series: EventSeries): Event {
    const { target, component, host, type, reason } = series.occurrence;
    const { namespace } = target;
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: series.name, namespace: namespace ?? "default" },
      involvedObject: {
        apiVersion: target.apiVersion,
        kind: target.kind,
        name: target.name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(target.uid === undefined ? {} : { uid: target.uid }),
        ...(target.resourceVersion === undefined ? {} : { resourceVersion: target.resourceVersion }),
        ...(target.fieldPath === undefined ? {} : { fieldPath: target.fieldPath }),
      },
      reason,
      message: series.message,
      type,
      source: { component, ...(host === "" ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host,
      firstTimestamp: timestamp(series.firstAt),
      lastTimestamp: timestamp(series.lastAt),
      count: series.count,
    };
  }

  /** Why not to try again, if so. */
  #finalCause(key: string, error: VirtualKubeletError): DropCause | undefined {
    if (error.kind === "Aborted") return "stopped";
    if (error.kind === "NotFound") return "namespace";
    if (error.kind === "Forbidden" && error.message.includes("being terminated")) return "namespace";
    if (error.kind === "Invalid") return "refused";
    if (this.#queue.retries(key) + 1 < tries) return undefined;
    return error.kind === "Forbidden" || error.kind === "Unauthorized" ? "refused" : "failed";
  }

  #drop(occurrence: Occurrence, cause: DropCause, error?: VirtualKubeletError): void {
    this.#options.metrics?.eventsDropped.inc({ cause });
    const fields = { ...about(occurrence), cause, ...(error === undefined ? {} : { err: errorText(error) }) };
    const expected = cause === "namespace" || cause === "spam" || cause === "stopped";
    if (expected || this.#lost > 0) this.#log.debug(fields, "event dropped");
    else this.#log.warn(fields, "event dropped, further ones are only counted");
    if (!expected) this.#lost += 1;
  }
}

function about({ target, reason, message }: Occurrence): Readonly<Record<string, unknown>> {
  return { kind: target.kind, namespace: target.namespace, name: target.name, reason, event: message };
}

/** RFC 3339 in whole seconds, as the API's Time. */
function timestamp(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
