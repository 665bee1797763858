// The API over TLS, HTTP/1.1 and HTTP/2: who calls, whether they may, and the answer onto the wire.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { User } from "./access.ts";
import type { Api } from "./api.ts";
import { ApiError, methodNotAllowed, noSuchResource } from "./api-error.ts";
import { authenticate, certificateUser, impersonated } from "./authentication.ts";
import type { Authorizer } from "./authorization.ts";
import type { Call } from "./call.ts";
import type { KeyPair } from "./certificates.ts";
import { type HandledAnswer, Handler } from "./handler.ts";
import type { Json } from "./json.ts";
import { isProxied, pass, passUpgrade, scrape, targetOf } from "./kubelet-proxy.ts";
import { attributesOf, refusal, requireImpersonation } from "./request-access.ts";
import { type Route, routeOf } from "./route.ts";
import type { Tokens } from "./tokens.ts";
import { watch } from "./watching.ts";

const bodyLimit = 3 * 2 ** 20;
/** How far a watch may be behind its changes. */
const watchLimit = 32 * 2 ** 20;

export interface ServerParts {
  readonly api: Api;
  readonly authorizer: Authorizer;
  readonly tokens: Tokens;
  /** Users by token, beside ServiceAccounts. */
  readonly users: ReadonlyMap<string, User>;
  readonly serving: KeyPair;
  /** PEM; verifies client certificates. */
  readonly clientCa: string;
  /** What the server is to kubelets. */
  readonly kubeletClient: KeyPair;
  readonly log: (line: string) => void;
}

export class ApiServer {
  readonly #parts: ServerParts;
  readonly #handler: Handler;
  readonly #server: Http2SecureServer;
  /** Those that still shake hands are among them: they would be served by what is no more. */
  readonly #sockets = new Set<Socket>();
  /** By the client's address and port: requests of HTTP/2 do not have their socket itself. */
  readonly #users = new Map<string, User>();
  readonly #stop = new AbortController();
  #address = "";

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.#handler = new Handler({
      ...parts,
      scrape: (node) => scrape(parts.api, node, parts.kubeletClient, this.#stop.signal),
    });
    this.#server = createSecureServer({
      allowHTTP1: true,
      cert: parts.serving.certificate,
      key: parts.serving.key,
      ca: parts.clientCa,
      requestCert: true,
      rejectUnauthorized: false,
      settings: { maxConcurrentStreams: 250 },
    });
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("secureConnection", (socket) => this.#connected(socket));
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    this.#server.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, socket, head),
    );
    this.#server.on("sessionError", () => undefined);
    this.#server.on("tlsClientError", () => undefined);
  }

  /** `https://127.0.0.1:1234` once it listens. */
  get address(): string {
    return this.#address;
  }

  /** Port 0: one that the system picks. Rejects where it is taken. */
  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new TypeError("no port");
    this.#address = `https://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.resolve();
  }

  #connected(socket: TLSSocket): void {
    const peer = peerOf(socket);
    const user = certificateUser(socket);
    if (user === undefined) this.#users.delete(peer);
    else this.#users.set(peer, user);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      if (user !== undefined && this.#users.get(peer) === user) this.#users.delete(peer);
    });
  }

  async #serve(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const warnings: string[] = [];
    try {
      const { route, user } = this.#admit(request);
      if (/^\/(healthz|livez|readyz)(\/|$)/.test(route.path)) {
        response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
        response.end("ok");
        return;
      }
      const call: Call = {
        route,
        user,
        accept: request.headers.accept ?? "",
        contentType: request.headers["content-type"] ?? "",
        body: await bodyOf(request),
        warn: (text) => warnings.push(text),
      };
      if (route.verb === "watch") this.#watch(call, response);
      else if (isProxied(route)) await this.#proxy(call, request, response);
      else this.#send(response, await this.#handler.answer(call, this.#address), warnings);
    } catch (error) {
      this.#refuse(response, error);
    }
  }

  /** Throws ApiError for callers who may not. */
  #admit(
    request: Pick<IncomingMessage, "headers" | "method" | "url"> & {
      readonly socket: Peer;
    },
  ): {
    readonly route: Route;
    readonly user: User;
  } {
    const { tokens, users, authorizer } = this.#parts;
    const caller = authenticate(request.headers, this.#users.get(peerOf(request.socket)), tokens, users);
    const other = impersonated(request.headers);
    if (other !== undefined) requireImpersonation(authorizer, caller, other);
    const user = other ?? caller;
    const route = routeOf(request.method ?? "GET", request.url ?? "/");
    const asked = attributesOf(route);
    if (!authorizer.allows(user, asked)) throw refusal(user, asked);
    return { route, user };
  }

  #watch(call: Call, response: Http2ServerResponse): void {
    const { resource } = call.route;
    if (resource === undefined) throw noSuchResource();
    if (!resource.verbs.includes("watch") || call.route.subresource !== "") throw methodNotAllowed();
    const begin = watch(this.#parts.api, { ...call, resource });
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
    let waiting = 0;
    const stop = begin({
      write(line) {
        waiting += line.length;
        response.write(line, () => {
          waiting -= line.length;
        });
        return waiting < watchLimit;
      },
      end: () => void response.end(),
    });
    // So that the client has the headers before there is any change.
    if ("flushHeaders" in response && typeof response.flushHeaders === "function") response.flushHeaders();
    response.once("close", stop);
  }

  async #proxy(call: Call, request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const target = targetOf(this.#parts.api, call.route);
    if (target === undefined) {
      response.writeHead(204);
      response.end();
      return;
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const passed = {
      method: request.method,
      headers: request.headers,
      client: this.#parts.kubeletClient,
      signal: AbortSignal.any([gone.signal, this.#stop.signal]),
    };
    const incoming = await pass(target, passed, call.body);
    const { connection: _, "transfer-encoding": __, "keep-alive": ___, ...headers } = incoming.headers;
    if (call.route.subresource === "log" && (incoming.statusCode ?? 500) >= 400) {
      const chunks: Buffer[] = await incoming.toArray();
      throw kubeletRefusal(incoming.statusCode ?? 500, Buffer.concat(chunks).toString());
    }
    response.writeHead(incoming.statusCode ?? 502, headers);
    incoming.on("error", () => response.end());
    incoming.on("data", (chunk: Buffer) => {
      if (response.write(chunk)) return;
      incoming.pause();
      response.once("drain", () => incoming.resume());
    });
    incoming.once("end", () => response.end());
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => undefined);
    try {
      const { route } = this.#admit(request);
      if (!isProxied(route)) throw new ApiError(400, "BadRequest", "no such connection can be upgraded");
      const passed = {
        method: request.method ?? "GET",
        headers: { ...request.headers, "x-forwarded-for": request.socket.remoteAddress },
        client: this.#parts.kubeletClient,
        signal: this.#stop.signal,
      };
      const target = targetOf(this.#parts.api, route);
      if (target === undefined) throw noSuchResource();
      await passUpgrade(target, passed, socket, head);
    } catch (error) {
      const { code, status } = this.#asStatus(error);
      const body = JSON.stringify(status);
      const lines = [
        `HTTP/1.1 ${code} Refused`,
        "Content-Type: application/json",
        `Content-Length: ${Buffer.byteLength(body)}`,
        "Connection: close",
      ];
      socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
    }
  }

  #send(response: Http2ServerResponse, answer: HandledAnswer, warnings: readonly string[] = []): void {
    const body = answer.raw ?? JSON.stringify(answer.body);
    for (const text of new Set(warnings)) response.appendHeader("warning", `299 - ${JSON.stringify(text)}`);
    response.writeHead(answer.code, {
      "content-type": answer.contentType ?? "application/json",
      "content-length": Buffer.byteLength(body),
      "cache-control": "no-cache, private",
    });
    response.end(body);
  }

  #refuse(response: Http2ServerResponse, error: unknown): void {
    if (this.#stop.signal.aborted || response.headersSent) {
      response.end();
      return;
    }
    const { code, status } = this.#asStatus(error);
    this.#send(response, { code, body: status });
  }

  #asStatus(error: unknown): { readonly code: number; readonly status: Json } {
    if (error instanceof ApiError) return { code: error.code, status: error.status() };
    if (this.#stop.signal.aborted)
      return { code: 503, status: new ApiError(503, "ServiceUnavailable", "shutting down").status() };
    this.#parts.log(`a request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return { code: 500, status: new ApiError(500, "InternalError", "Internal error occurred").status() };
  }
}

interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** The port alone names nobody: all of 127.0.0.0/8 are addresses that callers on this machine may have. */
function peerOf({ remoteAddress = "", remotePort = 0 }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Kubelets refuse logs in words; the API says them in a Status. */
function kubeletRefusal(code: number, words: string): ApiError {
  const reasons: Readonly<Record<number, string>> = { 400: "BadRequest", 404: "NotFound" };
  return new ApiError(code, reasons[code] ?? "InternalError", words.trim());
}

async function bodyOf(request: Http2ServerRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) continue;
    size += chunk.length;
    if (size > bodyLimit) {
      throw new ApiError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${bodyLimit}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
