// Follows one collection of the API for ever: reads its state, watches it, resumes after cuts, reads anew only when it must.
import { type Clock, pause } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { KubeClient, WatchEvent } from "./client.ts";
import type { KubeObject, Resource, Stored } from "./resource.ts";

/**
 * What is watched instead while the server cannot keep up with a watch that its index serves: such watches have room for ten
 * events there, others for a hundred times more. Resumes where the narrow one was.
 */
export interface WideWatch<T extends KubeObject> {
  readonly fieldSelector: string;
  /** Is this object one of the narrow selection? Others are dropped before they are kept. */
  readonly accept: (object: T) => boolean;
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly namespace?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
  /** Default: none, the selection stays what it is. */
  readonly wide?: WideWatch<T> | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
  /** Told of each failure; it is tried again. */
  readonly onFailure?: ((error: VirtualKubeletError) => void) | undefined;
}

/** Where the state goes. Called in turn, never at once; must not throw. */
export interface ReflectorSink<T extends KubeObject> {
  /** The whole state, when it was read in full. */
  replace(objects: readonly Stored<T>[]): void;
  put(object: Stored<T>): void;
  delete(object: Stored<T>): void;
}

/** Back-off between failures in a row: doubles from the first to the second, less up to a half at random. */
const backoffMs = { base: 250, max: 30_000 };
/** The server is asked to end a watch after this, plus up to as much again. */
const watchSeconds = 300;
/** A watch that ends sooner and brought nothing counts as a failure. */
const shortestWatchMs = 1000;
/** A watch that held so long was sound: the next failure is a first one. */
const soundWatchMs = 10_000;
/** A streaming list that brings nothing for so long is given up for a paged one. */
const stallMs = 60_000;
/** So many watches in a row that the server ended within so long each: it drops those that it thinks slow. */
const hastyEnds = 3;
const hastyMs = 10_000;
/** Watches begun within this time after that are wide ones; each lasts as long as any watch. */
const wideMs = 60_000;
/** After a refusal the streaming list is tried again. */
const refusedMs = 3_600_000;

/** One run of a reflector: its state is how far it has seen the collection. */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #sink: ReflectorSink<T>;
  readonly #log: Logger;
  /** Up to where the collection was seen; undefined: a full read is due. */
  #version: string | undefined;
  #streamingRefusedUntil = 0;
  #failures = 0;
  /** Watches in a row that ended early. */
  #hasty = 0;
  #wideUntil = Number.NEGATIVE_INFINITY;
  #wideRefusedUntil = Number.NEGATIVE_INFINITY;
  /** Full reads in a row that were too old before the watch brought anything. */
  #expiries = 0;
  /** A failure was logged, its end was not. */
  #troubled = false;

  constructor(options: ReflectorOptions<T>, sink: ReflectorSink<T>) {
    this.#options = options;
    this.#sink = sink;
    this.#log = options.log;
  }

  /** Follows until the signal aborts. Failures are tried again with back-off, for ever. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, metrics, resource } = this.#options;
    while (!signal.aborted) {
      const begun = clock.now();
      let cause: string;
      let delayMs = 0;
      try {
        const watched = await this.#round(signal);
        if (!watched) continue;
        cause = "Ended";
      } catch (thrown) {
        if (signal.aborted) return;
        const error = VirtualKubeletError.from(thrown);
        cause = error.kind;
        if (clock.now() - begun >= soundWatchMs) {
          this.#failures = 0;
          this.#expiries = 0;
        }
        delayMs = this.#failed(error);
        this.#options.onFailure?.(error);
      }
      metrics?.watchRestarts.inc({ resource: resource.plural, cause });
      if (delayMs > 0) await pause(clock, delayMs, signal);
    }
  }

  /** One request, for a watch as long as it lasts. False: the state was listed, a watch is to follow. */
  async #round(signal: AbortSignal): Promise<boolean> {
    if (this.#version === undefined) {
      if (this.#options.clock.now() >= this.#streamingRefusedUntil) return await this.#stream(signal);
      await this.#list(signal);
      return false;
    }
    await this.#watch(signal);
    return true;
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource } = this.#options;
    try {
      const list = await client.list(resource, { ...this.#selection(), signal });
      this.#read(list.items, list.resourceVersion);
    } catch (thrown) {
      // Not streaming is refused then, but reading: it says nothing about streaming.
      if (VirtualKubeletError.from(thrown).kind === "Forbidden") this.#streamingRefusedUntil = 0;
      throw thrown;
    }
  }

  /** Reads the state as the first events of a watch: no list in one piece, and no gap between the two. */
  async #stream(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    const stall = new AbortController();
    let received = 0;
    let checked = -1;
    let cancel = (): void => {};
    const check = (): void => {
      if (this.#version !== undefined) return;
      if (received === checked) stall.abort();
      checked = received;
      cancel = clock.schedule(stallMs, check);
    };
    check();
    try {
      await this.#watch(AbortSignal.any([signal, stall.signal]), () => {
        received += 1;
      });
      return true;
    } catch (thrown) {
      const error = VirtualKubeletError.from(thrown);
      const refused = error.kind === "Invalid" || error.kind === "Forbidden";
      if (signal.aborted || this.#version !== undefined || !(refused || stall.signal.aborted)) throw thrown;
      this.#streamingRefusedUntil = clock.now() + refusedMs;
      const why = refused ? errorText(error) : `nothing came for ${stallMs / 1000} s`;
      this.#log.debug({ err: why }, "no streaming list from this server, reading pages");
      await this.#list(signal);
      return false;
    } finally {
      cancel();
    }
  }

  async #watch(signal: AbortSignal, received: () => void = () => {}): Promise<void> {
    const { client, resource, clock, random } = this.#options;
    const begun = clock.now();
    let initial = this.#version === undefined ? new Map<string, Stored<T>>() : undefined;
    let heard = false;
    const wide = initial === undefined && begun < this.#wideUntil ? this.#options.wide : undefined;
    const events = client.watch(resource, {
      ...this.#selection(),
      ...wide,
      ...(initial === undefined ? { resourceVersion: this.#version } : { sendInitialEvents: true }),
      timeoutSeconds: Math.floor(watchSeconds * (1 + random())),
      signal,
    });
    for await (const event of wide === undefined ? events : this.#untilRefused(events)) {
      if (signal.aborted) return;
      heard = true;
      received();
      if (initial === undefined) this.#follow(event);
      else if (event.type !== "BOOKMARK") {
        // A change may come before all of the first state is here.
        if (event.type === "DELETED") initial.delete(event.object.metadata.uid);
        else initial.set(event.object.metadata.uid, event.object);
      } else if (event.initialEventsEnd) {
        this.#read([...initial.values()], event.resourceVersion);
        initial = undefined;
      }
    }
    if (signal.aborted) return;
    if (initial !== undefined)
      throw new VirtualKubeletError("Unavailable", "the watch ended before all objects had come");
    if (!heard && wide === undefined && clock.now() - begun < shortestWatchMs) {
      throw new VirtualKubeletError("Unavailable", "the watch ended at once");
    }
    this.#recovered();
    if (wide === undefined) this.#ended(clock.now() - begun);
  }

  /** The server has ended a narrow watch: too often in a row, and the wide one has its turn. */
  #ended(lastedMs: number): void {
    const now = this.#options.clock.now();
    this.#hasty = lastedMs < hastyMs ? this.#hasty + 1 : 0;
    if (this.#hasty < hastyEnds || this.#options.wide === undefined || now < this.#wideRefusedUntil) return;
    this.#hasty = 0;
    this.#wideUntil = now + wideMs;
    this.#log.debug({}, "the server ends this watch again and again: watching more for some minutes");
  }

  /** The wide watch. Not allowed: the narrow one goes on, as if this one had ended. */
  async *#untilRefused(events: AsyncIterable<WatchEvent<T>>): AsyncIterable<WatchEvent<T>> {
    try {
      yield* events;
    } catch (error) {
      if (!isErrorKind(error, "Forbidden")) throw error;
      this.#wideUntil = Number.NEGATIVE_INFINITY;
      this.#wideRefusedUntil = this.#options.clock.now() + refusedMs;
      this.#log.debug({ err: errorText(error) }, "no more may be watched than this");
    }
  }

  #follow(event: WatchEvent<T>): void {
    this.#expiries = 0;
    this.#recovered();
    const version = event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
    const news = this.#version === undefined || isLater(version, this.#version);
    // What was seen before comes again from a server that lags behind the last one. A deletion can do no harm twice.
    if (event.type === "DELETED") this.#sink.delete(event.object);
    else if (news && event.type !== "BOOKMARK") this.#sink.put(event.object);
    if (news) this.#version = version;
  }

  #read(objects: readonly Stored<T>[], version: string): void {
    this.#sink.replace(objects);
    this.#version = version;
    this.#recovered();
  }

  /** Milliseconds to wait. */
  #failed(error: VirtualKubeletError): number {
    if (error.kind === "Expired") {
      this.#version = undefined;
      this.#log.debug({ err: errorText(error) }, "resource version too old, reading the state anew");
      this.#expiries += 1;
      return this.#expiries === 1 ? 0 : this.#backoff(this.#expiries - 1);
    }
    this.#failures += 1;
    const delayMs = Math.max(this.#backoff(this.#failures), error.retryAfterMs ?? 0);
    if (!this.#troubled) {
      this.#troubled = true;
      const stack = error.kind === "Internal" ? { stack: error.stack } : {};
      this.#log.warn(
        { err: errorText(error), kind: error.kind, ...stack },
        "watch failed, trying again until it works",
      );
    }
    return delayMs;
  }

  #backoff(failures: number): number {
    const ceiling = Math.min(backoffMs.max, backoffMs.base * 2 ** Math.min(failures - 1, 30));
    return Math.ceil(ceiling * (1 - this.#options.random() / 2));
  }

  #recovered(): void {
    this.#failures = 0;
    if (!this.#troubled) return;
    this.#troubled = false;
    this.#log.info({}, "watch works again");
  }

  #selection(): { readonly namespace?: string; readonly fieldSelector?: string; readonly labelSelector?: string } {
    const { namespace, fieldSelector, labelSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
    };
  }
}

/** Resource versions of one collection grow; they are decimal and of any length. Others only differ. */
function isLater(version: string, than: string): boolean {
  const decimal = /^[1-9][0-9]*$/;
  if (!(decimal.test(version) && decimal.test(than))) return version !== than;
  return version.length === than.length ? version > than : version.length > than.length;
}
