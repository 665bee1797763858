// What a transport is: requests and byte streams to one API server, over whichever wire. Knows no resources and no retries.
import type { TlsMaterial } from "./cluster-config.ts";

export type HttpHeaders = Readonly<Record<string, string | readonly string[]>>;

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With the query. */
  readonly path: string;
  readonly headers: HttpHeaders;
  readonly body?: string | undefined;
  /** Connections are opened with it; one with other material is left to end its calls and takes no new ones. */
  readonly tls: TlsMaterial;
  /** The caller's; belongs to this one call, so that listeners on it end with it. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** Value of Retry-After as sent. */
  readonly retryAfter: string | undefined;
  /** Value of Content-Type as sent. */
  readonly contentType: string | undefined;
}

export interface HttpResponse extends HttpAnswer {
  readonly body: Buffer;
}

export interface HttpStream extends HttpAnswer {
  /** Chunks as they come; ends at the answer's proper end, throws TransportError on any other. To be iterated once. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Gives the answer up. Harmless after its end. */
  close(): void;
}

export interface Transport {
  /** A whole answer, of any status. Throws TransportError, or the signal's reason. */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** An answer whose body is read while it comes; resolves with its head. */
  stream(request: HttpRequest): Promise<HttpStream>;
  /** Ends all connections; calls under way fail. */
  close(): Promise<void>;
}

/** The wire failed. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  /**
   * "no": the server has certainly not acted on the request; "refused": the same, and it said so itself (try again at once);
   * "unknown": it may have.
   */
  readonly reached: "no" | "refused" | "unknown";

  constructor(message: string, reached: "no" | "refused" | "unknown", cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reached = reached;
  }
}

/** The server speaks no HTTP/2: said by its TLS handshake, before any request. */
export class NoHttp2Error extends Error {
  override readonly name = "NoHttp2Error";
}

/** Rejects with the signal's reason as soon as it aborts; leaves no listener behind. What is waited for goes on. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
