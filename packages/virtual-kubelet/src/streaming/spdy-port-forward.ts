// Port-forward over SPDY (portforward.k8s.io): pairs of a data and an error stream for each connection.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "../clock.ts";
import type { ForwardedConnection, PortForward } from "./port-forward.ts";
import type { StreamLimits } from "./remote-command.ts";
import type { SpdyHeaders } from "./spdy-headers.ts";
import { type AcceptStream, SpdySession } from "./spdy-session.ts";
import type { SpdyStream } from "./spdy-stream.ts";
import { negotiateSpdy, switchToSpdy } from "./spdy-upgrade.ts";

const protocol = "portforward.k8s.io";

/** Connections of one client at a time, half-open pairs included; more are refused. */
export const mostForwardedConnections = 512;

/** Grants an upgrade to SPDY/3.1 for port-forward. Rejects with UpgradeRefusal before anything is sent. */
export function acceptSpdyPortForward(
  request: Pick<IncomingMessage, "headersDistinct">,
  socket: Duplex,
  head: Buffer,
  limits: StreamLimits,
  clock: Clock = systemClock,
): Promise<PortForward> {
  return new Promise((resolve) => {
    const chosen = negotiateSpdy(request, [protocol]);
    switchToSpdy(socket, chosen);
    resolve(spdyPortForward(socket, head, limits, clock));
  });
}

/**
 * The same over a transport that speaks SPDY already, e.g. a WebSocket tunnel. `head`: what was read of it before, often empty.
 * The transport's end must show by its 'end', 'error' or 'close' event.
 */
export function spdyPortForward(
  transport: Duplex,
  head: Buffer,
  limits: StreamLimits,
  clock: Clock = systemClock,
): PortForward {
  return new SpdyPortForward(transport, head, limits, clock);
}

interface StreamRole {
  readonly type: "data" | "error";
  readonly port: number;
  /** What the two streams of a pair have in common. */
  readonly pair: string;
}

/** What a new stream is for; undefined: its headers say nothing sensible. */
export function roleOf(headers: SpdyHeaders, streamId: number): StreamRole | undefined {
  const type = headers.get("streamtype");
  const port = headers.get("port") ?? "";
  if ((type !== "data" && type !== "error") || !/^\d{1,5}$/.test(port)) return undefined;
  if (Number(port) < 1 || Number(port) > 65535) return undefined;
  const requestId = headers.get("requestid");
  if (requestId !== undefined && requestId.length > 64) return undefined;
  // Clients of old name no request: they open the error stream and the data stream right after it.
  const pair =
    requestId === undefined ? `stream ${type === "error" ? streamId : streamId - 2}` : `request ${requestId}`;
  return { type, port: Number(port), pair };
}

interface HalfPair {
  readonly role: StreamRole;
  readonly stream: SpdyStream;
  readonly cancel: () => void;
}

class SpdyPortForward implements PortForward {
  readonly connections: AsyncIterable<ForwardedConnection>;
  readonly #creationTimeoutMs: number;
  readonly #clock: Clock;
  readonly #halves = new Map<string, HalfPair>();
  readonly #session: SpdySession;
  #ready: ForwardedConnection[] = [];
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #ended = false;

  constructor(transport: Duplex, head: Buffer, limits: StreamLimits, clock: Clock) {
    this.#creationTimeoutMs = limits.creationTimeoutMs;
    this.#clock = clock;
    this.connections = this.#takeConnections();
    this.#session = new SpdySession(transport, {
      accept: this.#accept,
      head,
      idleTimeoutMs: limits.idleTimeoutMs,
      maxStreams: 2 * mostForwardedConnections,
      clock,
    });
    this.#session.signal.addEventListener("abort", () => this.#end());
    void this.#session.closed.then(() => this.#end());
  }

  get signal(): AbortSignal {
    return this.#session.signal;
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  readonly #accept: AcceptStream = (headers, streamId) => {
    const role = roleOf(headers, streamId);
    if (role === undefined || this.#halves.get(role.pair)?.role.type === role.type) return undefined;
    return (stream) => this.#opened(role, stream);
  };

  #opened(role: StreamRole, stream: SpdyStream): void {
    const other = this.#halves.get(role.pair);
    if (other !== undefined) {
      this.#forget(role.pair, other);
      const [data, error] = role.type === "data" ? [stream, other.stream] : [other.stream, stream];
      const { port } = role.type === "data" ? role : other.role;
      this.#ready.push(forwardedConnection(port, data, error, (ended) => this.#endInTime(ended)));
      this.#wake.resolve();
      return;
    }
    const cancel = this.#clock.schedule(this.#creationTimeoutMs, () => stream.destroy());
    const half: HalfPair = { role, stream, cancel };
    this.#halves.set(role.pair, half);
    stream.once("close", () => this.#forget(role.pair, half));
  }

  #forget(pair: string, half: HalfPair): void {
    half.cancel();
    if (this.#halves.get(pair) === half) this.#halves.delete(pair);
  }

  /** Ends our side. The client ends its own, or is made to: a reset at once could cost it what it has not read yet. */
  #endInTime(stream: SpdyStream): void {
    if (stream.destroyed) return;
    if (!stream.writableEnded) stream.end();
    stream.once(
      "close",
      this.#clock.schedule(this.#creationTimeoutMs, () => stream.destroy()),
    );
  }

  #end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *#takeConnections(): AsyncGenerator<ForwardedConnection, void, undefined> {
    while (!this.#ended) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
      const ready = this.#ready;
      this.#ready = [];
      for (const connection of ready) if (!connection.stream.destroyed) yield connection;
    }
  }
}

function forwardedConnection(
  port: number,
  data: SpdyStream,
  error: SpdyStream,
  endInTime: (stream: SpdyStream) => void,
): ForwardedConnection {
  // The client writes nothing there; its end is to be seen all the same.
  error.resume();
  return {
    port,
    stream: data,
    fail(message) {
      if (error.writable) error.write(message);
      endInTime(error);
      data.destroy();
    },
    done() {
      endInTime(error);
      data.discardInput();
      endInTime(data);
    },
  };
}
