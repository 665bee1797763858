// Faults that the mock commits on request: latency, errors, hangs and cut watches, by method. Set by the configuration and,
// in tests within the process, at any time.
import { type Clock, pause } from "../../clock.ts";
import { type ErrorKind, VirtualKubeletError } from "../../errors.ts";
import type { Span } from "./behaviour.ts";
import { throwIfAborted } from "./connection.ts";

export const faultMethods = [
  "createPod",
  "updatePod",
  "deletePod",
  "stopPod",
  "getPodStatus",
  "getPods",
  "watchPods",
  "ping",
  "getContainerLogs",
  "runInContainer",
  "attachToContainer",
  "portForward",
  "getStatsSummary",
] as const;
/** A method of the provider that can be made to fail. */
export type FaultMethod = (typeof faultMethods)[number];

export const faultKinds = [
  "NotFound",
  "Invalid",
  "Unsupported",
  "Conflict",
  "Quota",
  "Throttled",
  "Unavailable",
  "Unauthorized",
  "Forbidden",
  "Internal",
] as const;

export interface FaultCount {
  readonly method: FaultMethod;
  /** So many calls from now on; with neither this nor probability: every call. */
  readonly next?: number | undefined;
  /** Each call with this probability, 0 to 1. */
  readonly probability?: number | undefined;
}

export interface ErrorFault extends FaultCount {
  readonly kind: ErrorKind;
  /** "after": the backend does it, and the answer is lost. Default "before". */
  readonly when?: "before" | "after" | undefined;
  readonly message?: string | undefined;
  /** Milliseconds. */
  readonly retryAfter?: number | undefined;
}

export interface HangFault extends FaultCount {
  /** Goes on hanging when the call is aborted, until `releaseHangs`; then does its work, late and unasked. */
  readonly ignoreAbort?: boolean | undefined;
}

export interface FaultSettings {
  /** Milliseconds that a call takes at least, by method; "*" for all others. */
  readonly latency?: Readonly<Partial<Record<FaultMethod | "*", Span | undefined>>> | undefined;
  readonly errors?: readonly ErrorFault[] | undefined;
  readonly hangs?: readonly HangFault[] | undefined;
  /** Milliseconds after which each watch breaks off. */
  readonly cutWatchEvery?: number | undefined;
}

export class Faults {
  readonly #clock: Clock;
  readonly #random: () => number;
  #latency: Readonly<Partial<Record<FaultMethod | "*", Span | undefined>>>;
  #errors: { readonly fault: ErrorFault; left: number }[];
  #hangs: { readonly fault: HangFault; left: number }[];
  #released = Promise.withResolvers<void>();
  #cut = new AbortController();
  readonly #cutWatchEvery: number | undefined;

  constructor(settings: FaultSettings, clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
    this.#latency = settings.latency ?? {};
    this.#errors = (settings.errors ?? []).map(counted);
    this.#hangs = (settings.hangs ?? []).map(counted);
    this.#cutWatchEvery = settings.cutWatchEvery;
  }

  /** Milliseconds; undefined takes it back. */
  setLatency(method: FaultMethod | "*", latency: Span | undefined): void {
    this.#latency = { ...this.#latency, [method]: latency };
  }

  addError(fault: ErrorFault): void {
    this.#errors.push(counted(fault));
  }

  addHang(fault: HangFault): void {
    this.#hangs.push(counted(fault));
  }

  /** Calls that hang go on as if nothing had been; no further call hangs. */
  releaseHangs(): void {
    this.#hangs = [];
    this.#released.resolve();
    this.#released = Promise.withResolvers();
  }

  /** Ends all errors, hangs and latency. */
  clear(): void {
    this.#errors = [];
    this.#latency = {};
    this.releaseHangs();
  }

  /** Breaks off all watches of this moment with Unavailable. */
  cutWatches(): void {
    this.#cut.abort();
    this.#cut = new AbortController();
  }

  /** Aborts when the caller's signal does or when the watch is to be cut; `end` frees what it holds. */
  watchSignal(signal: AbortSignal): { readonly signal: AbortSignal; readonly end: () => void } {
    const stop = new AbortController();
    const cut = this.#cut.signal;
    const onStop = (): void => {
      stop.abort();
      signal.removeEventListener("abort", onStop);
      cut.removeEventListener("abort", onStop);
      cancel?.();
    };
    const cancel = this.#cutWatchEvery === undefined ? undefined : this.#clock.schedule(this.#cutWatchEvery, onStop);
    cut.addEventListener("abort", onStop, { once: true });
    signal.addEventListener("abort", onStop, { once: true });
    if (signal.aborted) onStop();
    return { signal: stop.signal, end: onStop };
  }

  /** Does `work` with the faults that are due, and with the signal that it is to heed. */
  async around<T>(method: FaultMethod, caller: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    throwIfAborted(caller);
    const hang = this.#take(this.#hangs, (fault) => fault.method === method);
    const signal = hang?.ignoreAbort === true ? new AbortController().signal : caller;
    if (hang !== undefined) await this.#hang(signal);
    const latency = this.#latency[method] ?? this.#latency["*"] ?? 0;
    const delay = typeof latency === "number" ? latency : latency[0] + (latency[1] - latency[0]) * this.#random();
    if (delay > 0) await pause(this.#clock, delay, signal);
    throwIfAborted(signal);
    const before = this.#take(this.#errors, (fault) => fault.method === method && fault.when !== "after");
    if (before !== undefined) throw failure(before);
    const after = this.#take(this.#errors, (fault) => fault.method === method && fault.when === "after");
    const result = await work(signal);
    if (after !== undefined) throw failure(after);
    return result;
  }

  async #hang(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<void>();
    const onAbort = (): void => aborted.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    await Promise.race([this.#released.promise, aborted.promise]);
    signal.removeEventListener("abort", onAbort);
  }

  #take<F extends FaultCount>(
    list: { readonly fault: F; left: number }[],
    matches: (fault: F) => boolean,
  ): F | undefined {
    const entry = list.find(
      ({ fault, left }) => left > 0 && matches(fault) && this.#random() < (fault.probability ?? 1),
    );
    if (entry === undefined) return undefined;
    entry.left -= 1;
    return entry.fault;
  }
}

function counted<F extends FaultCount>(fault: F): { readonly fault: F; left: number } {
  return { fault, left: fault.next ?? Number.POSITIVE_INFINITY };
}

function failure(fault: ErrorFault): VirtualKubeletError {
  return new VirtualKubeletError(fault.kind, fault.message ?? `${fault.method} was made to fail (${fault.kind})`, {
    retryAfterMs: fault.retryAfter,
  });
}
