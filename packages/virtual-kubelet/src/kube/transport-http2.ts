// The usual transport: node:http2 with a few sessions for requests and, apart from them, sessions for watches, since the
// server allows about 100 streams on a connection and a watch holds one for minutes.

import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { constants } from "node:http2";
import type { TlsMaterial } from "./cluster-config.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpResponse,
  type HttpStream,
  type Transport,
  TransportError,
  untilAborted,
} from "./transport.ts";
import { defaultTiming, Http2Connection, type Http2Timing, streamFault } from "./transport-http2-connection.ts";

export interface Http2TransportOptions extends Partial<Http2Timing> {
  /** Connections for requests; default 4. Those for watches have no limit. */
  readonly maxConnections?: number;
  /** A further connection is opened when each has so many calls; default 32. */
  readonly growAt?: number;
}

type Use = "request" | "stream";

function head(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): HttpAnswer {
  return {
    status: headers[":status"] ?? 0,
    retryAfter: headers["retry-after"],
    contentType: headers["content-type"],
  };
}

export class Http2Transport implements Transport {
  readonly #origin: URL;
  readonly #timing: Http2Timing;
  readonly #maxConnections: number;
  readonly #growAt: number;
  readonly #connections: Readonly<Record<Use, Set<Http2Connection>>> = { request: new Set(), stream: new Set() };
  readonly #opening: Record<Use, Promise<void> | undefined> = { request: undefined, stream: undefined };
  /** Callers that wait for room on a connection, first come first served. */
  readonly #waiting = new Set<() => void>();
  #material: TlsMaterial | undefined;
  #closed = false;

  constructor(server: URL, options: Http2TransportOptions = {}) {
    const { maxConnections = 4, growAt = 32, ...timing } = options;
    this.#origin = new URL(server.origin);
    this.#timing = { ...defaultTiming, ...timing };
    this.#maxConnections = maxConnections;
    this.#growAt = growAt;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const connection = await this.#take("request", request);
    const stream = connection.start(request);
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    let answer: HttpAnswer | undefined;
    let fault: Error | undefined;
    let ended = false;
    const chunks: Buffer[] = [];
    const abort = (): void => {
      ended = true;
      reject(request.signal.reason);
      stream.close(constants.NGHTTP2_CANCEL);
      // Perhaps the time ran out because nobody is there any more: the next call should not have to find out as well.
      if (answer === undefined) connection.probe();
    };
    request.signal.addEventListener("abort", abort, { once: true });
    stream.on("response", (headers) => {
      answer = head(headers);
    });
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
    });
    stream.on("end", () => {
      // Node emits "end" as well for a stream whose connection broke; its code tells them apart.
      if (answer === undefined || stream.rstCode !== 0) return;
      ended = true;
      const [first] = chunks;
      resolve({ ...answer, body: chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks) });
    });
    stream.on("error", (error) => {
      fault = error;
    });
    stream.on("close", () => {
      if (!ended) reject(streamFault(stream, connection, fault));
    });
    if (request.signal.aborted) abort();
    try {
      return await promise;
    } finally {
      request.signal.removeEventListener("abort", abort);
    }
  }

  async stream(request: HttpRequest): Promise<HttpStream> {
    const connection = await this.#take("stream", request);
    const stream = connection.start(request);
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    let fault: Error | undefined;
    const abort = (): void => {
      reject(request.signal.reason);
      stream.close(constants.NGHTTP2_CANCEL);
    };
    request.signal.addEventListener("abort", abort, { once: true });
    stream.once("response", (headers) => resolve(head(headers)));
    stream.on("error", (error) => {
      fault = error;
    });
    stream.once("close", () => {
      request.signal.removeEventListener("abort", abort);
      reject(streamFault(stream, connection, fault));
    });
    if (request.signal.aborted) abort();
    const close = (): void => {
      if (!stream.destroyed) stream.close(constants.NGHTTP2_CANCEL);
    };
    return { ...(await promise), chunks: chunksOf(stream, connection, request.signal, close), close };
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const set of Object.values(this.#connections)) {
      for (const connection of set) connection.destroy();
      set.clear();
    }
    for (const wake of this.#waiting) wake();
    return Promise.resolve();
  }

  /** A connection with room, already counted. */
  async #take(use: Use, request: HttpRequest): Promise<Http2Connection> {
    const { signal } = request;
    this.#rotate(request.tls);
    for (;;) {
      signal.throwIfAborted();
      if (this.#closed) throw new TransportError("the client is closed", "no");
      // By now perhaps newer than the request's own: going back to that would undo the rotation.
      const material = this.#material ?? request.tls;
      let best: Http2Connection | undefined;
      let usable = 0;
      for (const connection of this.#connections[use]) {
        if (connection.usable) usable++;
        if (connection.room > 0 && (best === undefined || connection.active < best.active)) best = connection;
      }
      const mayGrow = use === "stream" || usable < this.#maxConnections;
      if (best !== undefined) {
        best.active++;
        // There may be room for the next as well.
        this.#wake();
        if (use === "request" && mayGrow && best.active > this.#growAt) {
          // This caller has a connection: should the further one fail, it is tried again with the next call.
          this.#open(use, material).catch(() => {});
        }
        return best;
      }
      if (mayGrow) await untilAborted(this.#open(use, material), signal);
      else await this.#room(signal);
    }
  }

  /** Connections made with other certificates end when their calls have. */
  #rotate(material: TlsMaterial): void {
    if (this.#material === material) return;
    this.#material = material;
    for (const set of Object.values(this.#connections)) {
      for (const connection of set) connection.retire();
    }
  }

  #open(use: Use, material: TlsMaterial): Promise<void> {
    const under = this.#opening[use];
    if (under !== undefined) return under;
    const opening = (async () => {
      try {
        const connection = await Http2Connection.open(this.#origin, material, this.#timing, () => this.#wake());
        if (this.#closed) connection.destroy();
        else if (material === this.#material) this.#connections[use].add(connection);
        else connection.retire();
      } finally {
        this.#opening[use] = undefined;
        this.#wake();
      }
    })();
    this.#opening[use] = opening;
    return opening;
  }

  /** Resolves when it is worth looking again. */
  async #room(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    try {
      await untilAborted(promise, signal);
    } finally {
      this.#waiting.delete(resolve);
    }
  }

  #wake(): void {
    for (const set of Object.values(this.#connections)) {
      for (const connection of set) if (connection.ended) set.delete(connection);
    }
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    first();
  }
}

async function* chunksOf(
  stream: ClientHttp2Stream,
  connection: Http2Connection,
  signal: AbortSignal,
  close: () => void,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) {
      if (chunk instanceof Buffer) yield chunk;
    }
    if (stream.rstCode !== 0) throw streamFault(stream, connection);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TransportError) throw error;
    throw streamFault(stream, connection, error instanceof Error ? error : undefined);
  } finally {
    close();
  }
}
