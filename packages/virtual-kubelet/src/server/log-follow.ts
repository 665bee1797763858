// A container's log from its backend, as the client wants it: what the backend leaves out of the options is done here,
// and a log that is followed is read on, and again from where it was, until the container's run has ended.
import { type Clock, pause } from "../clock.ts";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ContainerLogOptions, ContainerLogs } from "../provider/streams.ts";
import { LogLines } from "./log-lines.ts";
import { type LogRequest, sinceTimeOf } from "./log-options.ts";
import { LogSource } from "./log-source.ts";
import { logTail } from "./log-tail.ts";
import { type Instant, instantOf } from "./log-time.ts";

export interface LogBackend {
  open(options: ContainerLogOptions, signal: AbortSignal): Promise<ContainerLogs>;
  /** Has the run whose log it is ended, as far as is known now? */
  hasEnded(): boolean;
}

export interface LogContext {
  readonly clock: Clock;
  /** Between two looks at whether the run has ended, and before a stream that ended too early is read again. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Chunks that are larger are worked on in parts: what is made of them may be many times as long. */
const largestPart = 64 * 1024;

/** Resolves when the backend has answered; its errors are thrown before anything is yielded. */
export async function openLog(
  backend: LogBackend,
  request: LogRequest,
  context: LogContext,
): Promise<AsyncGenerator<Uint8Array>> {
  const reader = new LogReader(backend, request, context);
  const first = await reader.openFirst();
  return limited(reader.read(first), request.limitBytes);
}

/** One stream of the backend. */
interface Opened {
  readonly logs: ContainerLogs;
  readonly stop: AbortController;
  readonly source: LogSource;
  /** It was asked to go on until the run ends. */
  readonly follows: boolean;
  /** The run had ended before it was asked for: there is nothing more to come after it. */
  readonly isLast: boolean;
}

class LogReader {
  readonly #backend: LogBackend;
  readonly #request: LogRequest;
  readonly #context: LogContext;
  readonly #lines: LogLines;
  /** Of the last data, or of the begin. */
  #readAt: Instant;

  constructor(backend: LogBackend, request: LogRequest, context: LogContext) {
    this.#backend = backend;
    this.#request = request;
    this.#context = context;
    const { timestamps, since, stream } = request;
    this.#lines = new LogLines({ timestamps, since, stream, now: () => context.clock.now() });
    this.#readAt = instantOf(context.clock.now());
  }

  async openFirst(): Promise<Opened> {
    const isLast = !this.#request.follow || this.#backend.hasEnded();
    return await this.#open(this.#firstOptions(!isLast), isLast);
  }

  async *read(first: Opened): AsyncGenerator<Uint8Array> {
    const { clock, intervalMs, signal } = this.#context;
    yield* this.#begin(first);
    let opened = first;
    for (let took = 0; !signal.aborted; ) {
      if (opened.isLast || this.#isTrusted(opened)) break;
      // A backend that has to be read from the start each time is read no more than half of the time.
      if (!this.#backend.hasEnded() && (opened.follows || took > 0)) {
        await pause(clock, Math.max(intervalMs, took), signal);
      }
      if (signal.aborted) return;
      const startedAt = clock.now();
      const next = await this.#reopen(first);
      if (next === undefined) break;
      opened = next;
      const { format } = opened.logs;
      if ((format === "plain") !== (first.logs.format === "plain")) {
        this.#discard(opened);
        throw new VirtualKubeletError("Internal", "the provider answered in another format than before");
      }
      this.#lines.begin(format, this.#knowsOffset(first), opened.logs.applied);
      for await (const chunk of this.#watched(opened)) yield* this.#parts(chunk);
      // A stream that follows may have been cut; one that does not shows all there is.
      if (this.#lines.position.isBehind && !isApplied(opened.logs, "follow")) this.#lines.position.forget();
      took = Math.max(1, clock.now() - startedAt);
    }
    const rest = this.#lines.end();
    if (rest.length > 0) yield rest;
  }

  /** The first stream, with its tail. */
  async *#begin(first: Opened): AsyncGenerator<Uint8Array> {
    const { tailLines } = this.#request;
    this.#lines.begin(first.logs.format, false, first.logs.applied);
    if (tailLines === undefined || isApplied(first.logs, "tailLines")) {
      for await (const chunk of this.#watched(first)) yield* this.#parts(chunk);
      if (tailLines !== undefined && this.#lines.position.latest === undefined)
        this.#lines.position.startAt(this.#readAt);
      return;
    }
    // Where the tail begins is known at the end: of a stream that has one.
    const again = async (): Promise<AsyncIterable<Uint8Array>> =>
      this.#watched(await this.#open(this.#firstOptions(false), first.isLast));
    let whole: AsyncIterable<Uint8Array> = this.#watched(first);
    if (first.follows && isApplied(first.logs, "follow")) {
      this.#discard(first);
      whole = await again();
    }
    for await (const { bytes, isTail } of logTail(whole, { lines: tailLines, withRest: !first.isLast, again })) {
      this.#lines.muted = !isTail;
      // The bytes are overwritten later, the client may be slow.
      yield* this.#parts(isTail ? bytes.slice() : bytes);
    }
    this.#lines.muted = false;
  }

  /** The log from where we are; undefined when it cannot be gone on with. */
  async #reopen(first: Opened): Promise<Opened | undefined> {
    const isLast = this.#backend.hasEnded();
    const isPlain = first.logs.format === "plain";
    const isCounted = this.#knowsOffset(first);
    const from = isPlain
      ? isCounted
        ? undefined
        : this.#readAt
      : (this.#lines.position.latest ?? this.#request.since);
    const options = { ...this.#firstOptions(!isLast), sinceTime: sinceTimeOf(from), tailLines: undefined };
    const opened = await this.#open(options, isLast).catch((error: unknown) => {
      if (!isErrorKind(error, "NotFound")) throw error;
      return undefined;
    });
    if (opened === undefined || isCounted || isApplied(opened.logs, "sinceTime")) return opened;
    this.#discard(opened);
    this.#context.log.warn({}, "a log cannot be followed on: the backend tells neither times nor its start");
    return undefined;
  }

  /**
   * Is the end of this stream the log's end? One that has followed to the end of the run should have said everything. Where
   * times tell what is new, it costs little to look once more; else the whole log would be read for it.
   */
  #isTrusted({ logs, follows }: Opened): boolean {
    return logs.format === "plain" && follows && isApplied(logs, "follow") && this.#backend.hasEnded();
  }

  /** Do we know how far we are? A log without times that was cut at its start by the backend does not tell. */
  #knowsOffset({ logs }: Opened): boolean {
    if (logs.format !== "plain") return true;
    const { tailLines, since } = this.#request;
    return !(
      (tailLines !== undefined && isApplied(logs, "tailLines")) ||
      (since !== undefined && isApplied(logs, "sinceTime"))
    );
  }

  #firstOptions(follow: boolean): ContainerLogOptions {
    const { previous, since, tailLines, stream, timestamps } = this.#request;
    return {
      follow,
      previous,
      sinceTime: sinceTimeOf(since),
      tailLines,
      stream,
      // Times tell also where to begin, and to go on.
      timestamps: timestamps || since !== undefined || this.#request.follow,
    };
  }

  async #open(options: ContainerLogOptions, isLast: boolean): Promise<Opened> {
    const { signal, log } = this.#context;
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener("abort", onAbort, { once: true });
    stop.signal.addEventListener("abort", () => signal.removeEventListener("abort", onAbort), { once: true });
    try {
      const logs = await this.#backend.open(options, stop.signal);
      const source = new LogSource(logs.data, stop.signal, (err) => log.debug({ err }, "a log stream ended badly"));
      return { logs, stop, source, follows: options.follow === true, isLast };
    } catch (error) {
      stop.abort();
      throw error;
    }
  }

  /** Gives back a stream that nobody has begun to read. */
  #discard({ stop, source }: Opened): void {
    stop.abort();
    source.discard();
  }

  /** The stream's data; one that follows is stopped when the run has ended and nothing has come for a while. */
  async *#watched({ source, stop, follows }: Opened): AsyncGenerator<Uint8Array> {
    const { clock, intervalMs } = this.#context;
    let cancel = (): void => {};
    let seen: number | undefined;
    const look = (): void => {
      const quiet = source.waiting && this.#backend.hasEnded() ? source.chunks : undefined;
      if (quiet !== undefined && quiet === seen) stop.abort();
      seen = quiet;
      cancel = clock.schedule(intervalMs, look);
    };
    if (follows) cancel = clock.schedule(intervalMs, look);
    try {
      for await (const chunk of source.read()) {
        this.#readAt = instantOf(clock.now());
        yield chunk;
      }
    } finally {
      cancel();
      stop.abort();
    }
  }

  *#parts(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length; at += largestPart) {
      const isWhole = chunk.length <= largestPart;
      const text = this.#lines.push(isWhole ? chunk : chunk.subarray(at, at + largestPart));
      if (text.length > 0) yield text;
    }
  }
}

async function* limited(chunks: AsyncIterable<Uint8Array>, limitBytes: number | undefined): AsyncGenerator<Uint8Array> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of chunks) {
    if (chunk.length >= left) {
      yield chunk.subarray(0, left);
      return;
    }
    left -= chunk.length;
    yield chunk;
  }
}

function isApplied(logs: ContainerLogs, option: "follow" | "sinceTime" | "tailLines" | "stream"): boolean {
  return logs.applied?.includes(option) ?? false;
}
