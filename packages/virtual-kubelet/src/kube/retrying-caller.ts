// One call to the API server with what belongs around it: credentials, time limit, waiting out overload, trying again where
// that is safe. Knows transports and Status codes, no resources.
import { type Clock, jitter, pause } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { span } from "../trace.ts";
import { answerError, retryAfterMs } from "./api-errors.ts";
import type { CallOptions } from "./client.ts";
import type { Credential, Credentials } from "./credentials.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpResponse,
  type HttpStream,
  type Transport,
  TransportError,
  untilAborted,
} from "./transport.ts";

export interface Call {
  readonly verb: string;
  /** Plural with sub-resource, for metrics. */
  readonly resource: string;
  /** For messages: "patch pods/status default/web". */
  readonly what: string;
  readonly method: HttpRequest["method"];
  readonly path: string;
  readonly accept?: string | undefined;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
}

export interface CallerOptions {
  readonly transport: Transport;
  readonly credentials: Credentials;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
}

export const defaultTimeoutMs = 30_000;
/** Failures in a row of the wire that a call bears: to connect, and for reads also of connections that broke. */
const wireTries = 4;
const accept = "application/json";

/** The signal of one call: aborts with the caller's, at the deadline, and with the client. Leaves no listener behind. */
interface Scope {
  readonly signal: AbortSignal;
  /** The deadline passes no more; the other causes stay. */
  untimed(): void;
  end(): void;
}

export class RetryingCaller {
  readonly #options: CallerOptions;
  readonly #scopes = new Set<AbortController>();
  #closed = false;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** The body of a successful answer. Throws VirtualKubeletError. */
  request(call: Call, options: CallOptions = {}): Promise<Buffer> {
    return span(`kube.${call.verb}`, { "k8s.resource": call.resource }, () => this.#request(call, options));
  }

  async #request(call: Call, options: CallOptions): Promise<Buffer> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const scope = this.#scope(options.signal, timeoutMs, call.what);
    const { transport } = this.#options;
    try {
      const { answer } = await this.#tries(call, scope.signal, timeoutMs, async (request) => {
        const response: HttpResponse = await transport.request(request);
        return { answer: response, error: (now) => answerError(response, call.what, now) };
      });
      return answer.body;
    } catch (error) {
      throw this.#ours(error, scope.signal, call.what);
    } finally {
      scope.end();
    }
  }

  /** A successful answer's body while it comes. `timeoutMs` limits the whole of it; without, only its beginning is limited. */
  async *stream<R>(
    call: Call,
    options: CallOptions,
    read: (chunks: AsyncIterable<Buffer>) => AsyncIterable<R>,
  ): AsyncGenerator<R, void, undefined> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const scope = this.#scope(options.signal, timeoutMs, call.what);
    const { transport } = this.#options;
    let answer: HttpStream | undefined;
    try {
      const opened = await this.#tries(call, scope.signal, timeoutMs, async (request) => {
        const stream: HttpStream = await transport.stream(request);
        if (stream.status < 300)
          return { answer: stream, error: (now) => answerError({ ...stream, body: Buffer.alloc(0) }, call.what, now) };
        const body = await collect(stream.chunks);
        return { answer: stream, error: (now) => answerError({ ...stream, body }, call.what, now) };
      });
      answer = opened.answer;
      if (options.timeoutMs === undefined) scope.untimed();
      yield* read(answer.chunks);
    } catch (error) {
      throw this.#ours(error, scope.signal, call.what);
    } finally {
      answer?.close();
      scope.end();
    }
  }

  /** Calls under way fail with Aborted. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const controller of this.#scopes)
      controller.abort(new VirtualKubeletError("Aborted", "the client was closed"));
    await this.#options.transport.close();
  }

  async #tries<A extends HttpAnswer>(
    call: Call,
    signal: AbortSignal,
    timeoutMs: number,
    send: (
      request: HttpRequest,
    ) => Promise<{ readonly answer: A; readonly error: (now: number) => VirtualKubeletError }>,
  ): Promise<{ readonly answer: A }> {
    const { clock, random, credentials, log } = this.#options;
    const deadline = clock.now() + timeoutMs;
    let broken = 0;
    let refusals = 0;
    let overloads = 0;
    let renewed = false;
    for (;;) {
      signal.throwIfAborted();
      const current = credentials.current();
      const credential = current instanceof Promise ? await untilAborted(current, signal) : current;
      const begun = clock.now();
      let outcome: Awaited<ReturnType<typeof send>>;
      try {
        outcome = await send(this.#prepare(call, credential, signal));
      } catch (error) {
        this.#measure(call, "error", begun);
        signal.throwIfAborted();
        if (!(error instanceof TransportError)) throw error;
        if (error.reached === "refused") refusals++;
        else if (error.reached === "unknown" && call.method !== "GET") throw error;
        else if (++broken >= wireTries) throw error;
        const wait = jitter(Math.min(50 * 2 ** (broken + refusals), 2000), 0.5, true, random);
        if (clock.now() + wait >= deadline) throw error;
        log.debug({ what: call.what, err: error }, "trying again after the connection failed");
        await this.#wait(wait, signal);
        continue;
      }
      const { status } = outcome.answer;
      this.#measure(call, String(status), begun);
      if (status >= 200 && status < 300) return outcome;
      if (status === 401 && !renewed) {
        renewed = true;
        if (await untilAborted(credentials.refused(credential), signal)) continue;
      }
      const now = clock.now();
      const after = status === 429 || status >= 500 ? retryAfterMs(outcome.answer.retryAfter, now) : undefined;
      const error = outcome.error(now);
      if (after === undefined) throw error;
      // Spread out by more the longer it lasts: everybody was told the same second.
      const wait = jitter(after, 0.5, false, random) + random() * Math.min(100 * 2 ** overloads++, 5000);
      if (now + wait >= deadline) throw error;
      log.debug({ what: call.what, httpStatus: status, waitMs: Math.round(wait) }, "the API server asks to wait");
      await this.#wait(wait, signal);
    }
  }

  async #wait(waitMs: number, signal: AbortSignal): Promise<void> {
    // A clock keeps no process alive; a call under way does.
    const hold = setInterval(() => {}, 2 ** 30);
    try {
      await pause(this.#options.clock, waitMs, signal);
    } finally {
      clearInterval(hold);
    }
  }

  #prepare(call: Call, credential: Credential, signal: AbortSignal): HttpRequest {
    const headers = {
      accept: call.accept ?? accept,
      "user-agent": this.#options.userAgent,
      ...(call.contentType === undefined ? {} : { "content-type": call.contentType }),
      ...credential.headers,
    };
    return { method: call.method, path: call.path, headers, body: call.body, tls: credential.tls, signal };
  }

  #measure(call: Call, code: string, begun: number): void {
    const { metrics, clock } = this.#options;
    if (metrics === undefined) return;
    const { verb, resource } = call;
    metrics.apiRequests.inc({ verb, resource, code });
    metrics.apiRequestDuration.observe({ verb, resource }, (clock.now() - begun) / 1000);
  }

  #scope(outer: AbortSignal | undefined, timeoutMs: number, what: string): Scope {
    if (this.#closed) throw new VirtualKubeletError("Aborted", `${what}: the client is closed`);
    const controller = new AbortController();
    const abort = (): void => controller.abort(outer?.reason);
    if (outer?.aborted === true) abort();
    else outer?.addEventListener("abort", abort, { once: true });
    const untimed = this.#options.clock.schedule(timeoutMs, () =>
      controller.abort(new VirtualKubeletError("Unavailable", `${what}: no answer within ${timeoutMs / 1000} s`)),
    );
    this.#scopes.add(controller);
    const end = (): void => {
      untimed();
      outer?.removeEventListener("abort", abort);
      this.#scopes.delete(controller);
    };
    return { signal: controller.signal, untimed, end };
  }

  /** Any failure of a call as one of ours. */
  #ours(error: unknown, signal: AbortSignal, what: string): VirtualKubeletError {
    const cause = signal.aborted ? signal.reason : error;
    if (cause instanceof VirtualKubeletError) return cause;
    if (signal.aborted) return new VirtualKubeletError("Aborted", `${what}: aborted`, { cause });
    if (cause instanceof TransportError)
      return new VirtualKubeletError("Unavailable", `${what}: ${cause.message}`, { cause });
    return VirtualKubeletError.from(cause);
  }
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
