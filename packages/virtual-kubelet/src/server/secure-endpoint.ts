// One TLS context and HTTP server (HTTP/2 and 1.1) for any number of addresses, with certificates that change while it runs.
import { constants } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { createSecureServer, type Http2SecureServer, type Http2Session } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext, type SecureContextOptions, type TLSSocket } from "node:tls";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Renewed, ServingCertificate } from "./certificate-source.ts";
import { HandshakeAuthorities } from "./handshake-authorities.ts";
import type { BoundAddress, KubeletServerLimits } from "./kubelet-server-options.ts";
import type { AnyRequest, AnyResponse } from "./request-peer.ts";

export interface SecureEndpointOptions {
  readonly certificate: Renewed<ServingCertificate>;
  /** Certificates of other names (TLS server names, lower case). */
  readonly certificatesByName: ReadonlyMap<string, Renewed<ServingCertificate>>;
  readonly clientCA: Renewed<string> | undefined;
  readonly limits: KubeletServerLimits;
  readonly log: Logger;
  /** Of each connection that comes in. */
  readonly connected: (socket: Socket) => void;
  /** Of each connection that was refused because the endpoint is full. */
  readonly refused: () => void;
  readonly request: (request: AnyRequest, response: AnyResponse) => void;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Is the request for an upgrade? Others are answered as if they had asked for none. */
  readonly isUpgrade: (request: IncomingMessage) => boolean;
}

/** Forward secrecy and authenticated encryption alone. */
const cipherSuites = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

const tlsOptions: SecureContextOptions = {
  minVersion: "TLSv1.2",
  ciphers: cipherSuites,
  honorCipherOrder: true,
  // A session that is taken up again would bring a client certificate that nobody has verified since.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
};

const mostStreamsPerSession = 250;

export class SecureEndpoint {
  readonly #options: SecureEndpointOptions;
  readonly #server: Http2SecureServer;
  /** The first is the HTTP server itself, the others hand their connections to it. */
  readonly #listeners: (Server | Http2SecureServer)[] = [];
  readonly #sessions = new Set<Http2Session>();
  readonly #contexts = new Map<string, SecureContext>();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #authorities = new HandshakeAuthorities();
  #ready = false;
  #stopping = false;

  constructor(options: SecureEndpointOptions) {
    this.#options = options;
    const { limits, log } = options;
    const server = createSecureServer({
      ...tlsOptions,
      allowHTTP1: true,
      // Of both, HTTP/1.1: a Go client answers each 16 KiB of HTTP/2 with a record that gives window back, which costs a
      // log of many bytes half of its speed, and the API server as much again.
      ALPNCallback: ({ protocols }) => ["http/1.1", "h2"].find((protocol) => protocols.includes(protocol)),
      handshakeTimeout: limits.headerTimeoutMs,
      // Verified by us: who shows none may have a token, and the CAs change.
      requestCert: options.clientCA !== undefined,
      rejectUnauthorized: false,
      ca: [],
      SNICallback: (name, callback) => callback(null, this.#contexts.get(name.toLowerCase())),
      settings: { maxConcurrentStreams: mostStreamsPerSession, maxHeaderListSize: limits.headerBytes },
      maxHeaderListPairs: 256,
      streamResetBurst: 200,
      streamResetRate: 20,
    });
    const http1 = {
      headersTimeout: limits.headerTimeoutMs,
      requestTimeout: limits.headerTimeoutMs,
      keepAliveTimeout: limits.idleTimeoutMs,
      connectionsCheckingInterval: Math.min(5000, Math.max(100, limits.headerTimeoutMs / 4)),
      maxHeaderSize: limits.headerBytes,
      shouldUpgradeCallback: options.isUpgrade,
    };
    Object.assign(server, http1);
    server.on("connection", (socket: Socket) => {
      this.#authorities.arrived(socket);
      options.connected(socket);
    });
    server.on("request", options.request);
    server.on("upgrade", options.upgrade);
    server.on("session", (session) => this.#watchSession(session));
    server.on("tlsClientError", (error) => log.debug({ err: error }, "a TLS handshake failed"));
    server.on("sessionError", (error) => log.debug({ err: error }, "an HTTP/2 session failed"));
    this.#server = server;
    for (const source of [options.certificate, options.clientCA, ...options.certificatesByName.values()])
      if (source !== undefined) this.#unsubscribe.push(source.subscribe(() => this.#reload()));
    this.#reload();
  }

  /** Rejects with Unavailable when the address cannot be had. */
  async listen(host: string, port: number): Promise<BoundAddress> {
    const listener = this.#listeners.length === 0 ? this.#server : this.#further();
    this.#listeners.push(listener);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.once("error", reject);
    listener.listen({ port, ...(host !== "" && { host }), backlog: 511 }, resolve);
    try {
      await promise;
    } catch (error) {
      const where = `${host === "" ? "all addresses" : host}, port ${port} (another: --kubelet-port; 0 takes a free one)`;
      throw new VirtualKubeletError("Unavailable", `the kubelet API cannot listen on ${where}`, { cause: error });
    } finally {
      listener.off("error", reject);
    }
    // What goes wrong from now on; until here it is the caller's to tell.
    listener.on("error", (error) => this.#options.log.warn({ err: error }, "fault of the kubelet API's server"));
    listener.on("drop", this.#options.refused);
    const bound = listener.address();
    if (bound === null || typeof bound === "string") throw new VirtualKubeletError("Internal", "no address is bound");
    return { address: bound.address, port: bound.port };
  }

  /** Serves a connection that somebody else has accepted. */
  take(socket: Socket): void {
    this.#server.emit("connection", socket);
  }

  /** The client CAs against which a connection was verified; undefined when they have changed since, or it is none of ours. */
  handshakeBundle(socket: TLSSocket): string | undefined {
    return this.#authorities.of(socket);
  }

  /** Full: further connections are refused until it is so no more. */
  set full(full: boolean) {
    for (const listener of this.#listeners) listener.maxConnections = full ? 0 : Number.MAX_SAFE_INTEGER;
  }

  /** Takes no further connections; ends those on which nothing goes on, the others after their requests. */
  stop(): void {
    this.#stopping = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const listener of this.#listeners) listener.close();
    for (const session of this.#sessions) session.close();
  }

  #further(): Server {
    return createServer((socket) => this.#server.emit("connection", socket));
  }

  /** What cannot be read leaves in use what there was. */
  #reload(): void {
    const { certificate, certificatesByName, clientCA, log } = this.#options;
    const bundle = (clientCA === undefined ? undefined : this.#currentOf(clientCA, "the client CA")) ?? "";
    // An empty text would stand for the authorities of the Web.
    const ca = bundle === "" ? [] : bundle;
    const serving = this.#currentOf(certificate, "the serving certificate");
    if (serving !== undefined) {
      try {
        this.#server.setSecureContext({ ...tlsOptions, cert: serving.cert, key: serving.key, ca });
        this.#ready = true;
        this.#authorities.bundle = bundle;
      } catch (error) {
        log.error({ err: error }, "the serving certificate or the client CA cannot be used");
      }
    }
    for (const [name, source] of certificatesByName) {
      const named = this.#currentOf(source, "a node's serving certificate");
      if (named === undefined) continue;
      try {
        this.#contexts.set(name, createSecureContext({ ...tlsOptions, cert: named.cert, key: named.key, ca }));
      } catch (error) {
        log.error({ err: error, node: name }, "the node's serving certificate cannot be used");
      }
    }
  }

  #currentOf<T>(source: Renewed<T>, what: string): T | undefined {
    try {
      return source.current();
    } catch (error) {
      const { log } = this.#options;
      // At the start that is in the order of things: what it waits for, its source tells.
      if (this.#ready) log.warn({ err: error }, `${what} cannot be had, the one before stays in use`);
      else log.debug({ err: error }, `${what} is not there yet`);
      return undefined;
    }
  }

  /** A session without requests is ended; pings keep none open. */
  #watchSession(session: Http2Session): void {
    this.#sessions.add(session);
    let open = 0;
    let timer: NodeJS.Timeout | undefined;
    const idle = (): void => {
      timer = setTimeout(() => session.close(), this.#options.limits.idleTimeoutMs).unref();
    };
    session.on("stream", (stream) => {
      open++;
      clearTimeout(timer);
      stream.once("close", () => {
        open--;
        if (open === 0 && !session.closed) idle();
      });
    });
    session.once("close", () => {
      clearTimeout(timer);
      this.#sessions.delete(session);
    });
    idle();
    if (this.#stopping) session.close();
  }
}
