// One HTTP/2 connection to the API server: TLS with ALPN, the number of calls on it, pings, and the end of it.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { TlsMaterial } from "./cluster-config.ts";
import { type HttpRequest, NoHttp2Error, TransportError } from "./transport.ts";

export interface Http2Timing {
  /** Milliseconds a TCP and TLS handshake may take; default 10 s. */
  readonly connectTimeoutMs: number;
  /** A connection with calls on it is pinged so often; default 30 s. */
  readonly pingIntervalMs: number;
  /** It is given up when the answer to a ping takes longer; default 15 s. */
  readonly pingTimeoutMs: number;
  /** A connection without calls is closed after this; default 90 s. */
  readonly idleMs: number;
}

export const defaultTiming: Http2Timing = {
  connectTimeoutMs: 10_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 15_000,
  idleMs: 90_000,
};

/** Until the server's SETTINGS came: what kube-apiserver sets. */
const streamsBeforeSettings = 100;
/** Where the server sets no limit. */
const mostStreams = 1000;

/** A TLS socket on which the server agreed to speak h2. */
function openSocket(origin: URL, material: TlsMaterial, timeoutMs: number): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const host = origin.hostname.replace(/^\[(.*)\]$/, "$1");
  const servername = material.serverName ?? (isIP(host) === 0 ? host : "");
  const socket = connectTls({
    host,
    port: origin.port === "" ? 443 : Number(origin.port),
    ALPNProtocols: ["h2", "http/1.1"],
    servername,
    rejectUnauthorized: !material.insecure,
    ...(material.ca === undefined ? {} : { ca: material.ca }),
    ...(material.cert === undefined ? {} : { cert: material.cert }),
    ...(material.key === undefined ? {} : { key: material.key }),
  });
  const fail = (error: Error): void => {
    clearTimeout(timer);
    socket.destroy();
    reject(error);
  };
  const timer = setTimeout(
    () => fail(new TransportError(`no connection to ${origin.host} within ${timeoutMs / 1000} s`, "no")),
    timeoutMs,
  );
  socket.once("error", (error) =>
    fail(new TransportError(`no connection to ${origin.host}: ${error.message}`, "no", error)),
  );
  socket.once("secureConnect", () => {
    clearTimeout(timer);
    socket.removeAllListeners("error");
    socket.setNoDelay(true);
    if (socket.alpnProtocol === "h2") {
      resolve(socket);
      return;
    }
    fail(new NoHttp2Error(`${origin.host} speaks no HTTP/2`));
  });
  return promise;
}

export class Http2Connection {
  readonly material: TlsMaterial;
  /** Calls on it. */
  active = 0;
  readonly #session: ClientHttp2Session;
  readonly #timing: Http2Timing;
  readonly #onRoom: () => void;
  #limit = streamsBeforeSettings;
  #retired = false;
  #probing = false;
  readonly #pinger: NodeJS.Timeout;
  #idler: NodeJS.Timeout | undefined;
  /** Why it ended, when it was us who noticed. */
  #fault: Error | undefined;

  private constructor(session: ClientHttp2Session, material: TlsMaterial, timing: Http2Timing, onRoom: () => void) {
    this.#session = session;
    this.material = material;
    this.#timing = timing;
    this.#onRoom = onRoom;
    session.on("goaway", () => {
      this.#retired = true;
      onRoom();
    });
    session.on("error", (error) => {
      this.#fault ??= error;
    });
    session.on("close", () => {
      this.#retired = true;
      clearInterval(this.#pinger);
      clearTimeout(this.#idler);
      onRoom();
    });
    session.on("remoteSettings", ({ maxConcurrentStreams }) => {
      this.#limit = Math.min(maxConcurrentStreams ?? mostStreams, mostStreams);
      onRoom();
    });
    this.#pinger = setInterval(() => this.probe(), timing.pingIntervalMs);
    this.#pinger.unref();
    this.#rest();
  }

  /** `onRoom` is called when a call ended, the limit changed or the connection did. Throws TransportError or NoHttp2Error. */
  static async open(
    origin: URL,
    material: TlsMaterial,
    timing: Http2Timing,
    onRoom: () => void,
  ): Promise<Http2Connection> {
    const socket = await openSocket(origin, material, timing.connectTimeoutMs);
    const session = connect(origin, {
      createConnection: () => socket,
      // Megabytes; the default of 10 refuses streams while a few long lists are read.
      maxSessionMemory: 256,
      settings: { enablePush: false, initialWindowSize: 1 << 20 },
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (error?: Error): void =>
      reject(
        new TransportError(`no connection to ${origin.host}: ${error?.message ?? "closed by the server"}`, "no", error),
      );
    const closed = (): void => fail();
    session.once("error", fail);
    session.once("close", closed);
    session.once("connect", () => resolve());
    await promise;
    const connection = new Http2Connection(session, material, timing, onRoom);
    session.off("error", fail);
    session.off("close", closed);
    // More than one stream's worth at a time, so that a long list does not hold up the rest.
    session.setLocalWindowSize(8 << 20);
    return connection;
  }

  /** Takes new calls. */
  get usable(): boolean {
    return !this.#retired && !this.#session.closed && !this.#session.destroyed;
  }

  get ended(): boolean {
    return this.#session.destroyed;
  }

  /** How many more calls the server lets us have on it. */
  get room(): number {
    if (!this.usable) return 0;
    return Math.max(0, this.#limit - this.active);
  }

  /** Why the connection broke, for messages. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /** Ends when its calls have ended. */
  retire(): void {
    this.#retired = true;
    if (!this.#session.closed) this.#session.close();
  }

  destroy(error?: Error): void {
    this.#fault ??= error;
    this.#retired = true;
    this.#session.destroy(error);
  }

  /** `active` was counted up by who chose this connection; it is counted down here when the stream closes. */
  start(request: HttpRequest): ClientHttp2Stream {
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(
        { ":method": request.method, ":path": request.path, ...request.headers } as const,
        { endStream: request.body === undefined },
      );
    } catch (error) {
      this.#release();
      if (this.usable) throw error;
      // The session went between choice and use: nothing was sent.
      throw new TransportError("the connection closed before the request was sent", "refused", error);
    }
    this.#work();
    stream.once("close", () => this.#release());
    if (request.body !== undefined) stream.end(request.body);
    return stream;
  }

  #release(): void {
    this.active--;
    if (this.active === 0) this.#rest();
    this.#onRoom();
  }

  #work(): void {
    if (this.#idler === undefined) return;
    clearTimeout(this.#idler);
    this.#idler = undefined;
    this.#session.ref();
  }

  #rest(): void {
    if (this.#session.destroyed) return;
    // An idle connection alone keeps no process alive.
    this.#session.unref();
    this.#idler ??= setTimeout(() => this.retire(), this.#timing.idleMs);
    this.#idler.unref();
  }

  /** Is the other side still there? Ends the connection when it does not answer in time. */
  probe(): void {
    if (this.#session.destroyed || this.#probing) return;
    this.#probing = true;
    let answered = false;
    const silent = setTimeout(() => {
      // After a stall of this process the answer may lie unread in the socket: let the loop read once.
      setImmediate(() =>
        setImmediate(() => {
          if (!answered)
            this.destroy(new Error(`the server answered no ping within ${this.#timing.pingTimeoutMs / 1000} s`));
        }),
      );
    }, this.#timing.pingTimeoutMs);
    silent.unref();
    const sent = this.#session.ping(() => {
      // Also called, with an error, when the session ends first.
      answered = true;
      this.#probing = false;
      clearTimeout(silent);
    });
    if (sent) return;
    this.#probing = false;
    clearTimeout(silent);
  }
}

/** What a broken stream means for the request on it. */
export function streamFault(stream: ClientHttp2Stream, connection: Http2Connection, error?: Error): TransportError {
  const cause = connection.fault ?? error;
  // Also what nghttp2 answers for streams above a GOAWAY's last one.
  if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM)
    return new TransportError("the server refused the stream", "refused", cause);
  if (stream.id === undefined)
    return new TransportError("the connection closed before the request was sent", "no", cause);
  const code = stream.rstCode === undefined || stream.rstCode === 0 ? "" : ` (code ${stream.rstCode})`;
  return new TransportError(
    `the connection broke${code}${cause === undefined ? "" : `: ${cause.message}`}`,
    "unknown",
    cause,
  );
}
