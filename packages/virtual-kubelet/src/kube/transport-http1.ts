// The other transport: HTTP/1.1 over undici, for proxies, unix sockets and servers or gateways without HTTP/2.
import { type Dispatcher, errors, Pool, ProxyAgent, Socks5ProxyAgent } from "undici";
import { VirtualKubeletError } from "../errors.ts";
import type { TlsMaterial } from "./cluster-config.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpResponse,
  type HttpStream,
  type Transport,
  TransportError,
} from "./transport.ts";

export interface Http1TransportOptions {
  /** http, https or socks5, may hold user and password. */
  readonly proxyUrl?: string | undefined;
  /** Connections for requests; default 16. Each watch has one of its own. */
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  /** HTTP/1.1 has no pings: a watch without a byte, not even a bookmark, is given up after this. Default 5 min. */
  readonly silenceMs?: number;
}

/** Failures that happen before a request is written. */
const neverSent =
  /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EADDRNOTAVAIL|UND_ERR_(CONNECT_TIMEOUT|CLOSED|DESTROYED|PRX_TLS|SOCKS5.*)|CERT_.*|DEPTH_ZERO.*|SELF_SIGNED.*|UNABLE_TO.*|ERR_TLS_.*|ERR_SSL_.*)$/;

function headerOf(headers: Readonly<Record<string, string | string[] | undefined>>, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}

export class Http1Transport implements Transport {
  readonly #server: URL;
  readonly #options: Http1TransportOptions;
  #material: TlsMaterial | undefined;
  #pools: Readonly<Record<"request" | "stream", Dispatcher>> | undefined;
  /** Pools of former certificates, until their calls have ended. */
  readonly #retired = new Set<Dispatcher>();

  constructor(server: URL, options: Http1TransportOptions = {}) {
    this.#server = server;
    this.#options = options;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const { answer, body } = await this.#send("request", request);
    try {
      return { ...answer, body: Buffer.from(await body.bytes()) };
    } catch (error) {
      throw this.#fault(error, request.signal, true);
    }
  }

  async stream(request: HttpRequest): Promise<HttpStream> {
    const { answer, body } = await this.#send("stream", request);
    const close = (): void => {
      if (!body.destroyed) body.destroy();
    };
    // Destroying a body before its end makes it emit an error, which the reader, if any, gets as well.
    body.on("error", () => {});
    const chunks = async function* (this: Http1Transport): AsyncGenerator<Buffer> {
      try {
        for await (const chunk of body) {
          if (chunk instanceof Buffer) yield chunk;
        }
      } catch (error) {
        throw this.#fault(error, request.signal, true);
      } finally {
        close();
      }
    };
    return { ...answer, chunks: chunks.call(this), close };
  }

  async close(): Promise<void> {
    const pools = [...this.#retired, ...Object.values(this.#pools ?? {})];
    this.#pools = undefined;
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  async #send(
    use: "request" | "stream",
    request: HttpRequest,
  ): Promise<{ readonly answer: HttpAnswer; readonly body: Dispatcher.ResponseData["body"] }> {
    const { method, path, body, signal } = request;
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of Object.entries(request.headers))
      headers[name] = typeof value === "string" ? value : [...value];
    const pool = this.#pool(use, request.tls);
    try {
      const response = await pool.request({
        origin: this.#origin(),
        path,
        method,
        headers,
        signal,
        body: body ?? null,
        headersTimeout: 0,
        bodyTimeout: use === "stream" ? (this.#options.silenceMs ?? 300_000) : 0,
      });
      const answer = {
        status: response.statusCode,
        retryAfter: headerOf(response.headers, "retry-after"),
        contentType: headerOf(response.headers, "content-type"),
      };
      return { answer, body: response.body };
    } catch (error) {
      throw this.#fault(error, signal, false);
    }
  }

  #origin(): string {
    return this.#server.protocol === "unix:" ? "http://localhost" : this.#server.origin;
  }

  #pool(use: "request" | "stream", material: TlsMaterial): Dispatcher {
    if (this.#pools === undefined || this.#material !== material) {
      for (const old of Object.values(this.#pools ?? {})) this.#retire(old);
      this.#material = material;
      this.#pools = {
        request: this.#create(material, this.#options.maxConnections ?? 16),
        stream: this.#create(material, null),
      };
    }
    return this.#pools[use];
  }

  #retire(pool: Dispatcher): void {
    this.#retired.add(pool);
    // close() waits for the calls under way; that of a destroyed pool fails, and then nothing is left to do.
    pool.close().then(
      () => this.#retired.delete(pool),
      () => this.#retired.delete(pool),
    );
  }

  #create(material: TlsMaterial, connections: number | null): Dispatcher {
    const tls = {
      rejectUnauthorized: !material.insecure,
      ...(material.ca === undefined ? {} : { ca: material.ca }),
      ...(material.cert === undefined ? {} : { cert: material.cert }),
      ...(material.key === undefined ? {} : { key: material.key }),
      ...(material.serverName === undefined ? {} : { servername: material.serverName }),
    };
    const timeout = this.#options.connectTimeoutMs ?? 10_000;
    const common = { connections, pipelining: 1, keepAliveTimeout: 30_000, allowH2: false };
    const { proxyUrl } = this.#options;
    if (proxyUrl === undefined) {
      const socketPath = this.#server.protocol === "unix:" ? { socketPath: this.#server.pathname } : {};
      return new Pool(this.#origin(), { ...common, connect: { ...tls, ...socketPath, timeout } });
    }
    if (/^socks5?:/.test(proxyUrl)) return new Socks5ProxyAgent(proxyUrl, { ...common, requestTls: tls });
    if (!/^https?:/.test(proxyUrl))
      throw new VirtualKubeletError("Invalid", "the proxy's address must begin with http, https or socks5", {
        field: "proxy-url",
      });
    return new ProxyAgent({ ...common, uri: proxyUrl, requestTls: { ...tls, timeout }, proxyTunnel: true });
  }

  #fault(error: unknown, signal: AbortSignal, answered: boolean): unknown {
    if (signal.aborted) return signal.reason;
    if (!(error instanceof Error) || error instanceof VirtualKubeletError) return error;
    const code = "code" in error && typeof error.code === "string" ? error.code : "";
    if (error instanceof errors.BodyTimeoutError)
      return new TransportError("the connection stayed silent", "unknown", error);
    const message = `${answered ? "the connection broke" : `no answer from ${this.#server.host || "the socket"}`}: ${error.message}`;
    return new TransportError(message, !answered && neverSent.test(code) ? "no" : "unknown", error);
  }
}
