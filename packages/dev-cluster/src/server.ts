// The API over TLS, HTTP/1.1 and HTTP/2: requests and answers on the wire.
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
import { type Aggregation, onBehalfOf } from "./aggregation.ts";
import type { Api } from "./api.ts";
import { ApiError, forbiddenValue, invalid, methodNotAllowed, noSuchResource } from "./api-error.ts";
import type { Call } from "./call.ts";
import { type Admitted, Callers, type CallersParts } from "./callers.ts";
import type { KeyPair } from "./certificates.ts";
import { type HandledAnswer, Handler } from "./handler.ts";
import { type Json, text } from "./json.ts";
import { isProxied, scrape, targetOf } from "./kubelet-proxy.ts";
import { answerWith, type PeerTls, pass, passUpgrade } from "./proxy.ts";
import { type FindResource, finderOf, routeOf } from "./route.ts";
import { watch } from "./watching.ts";

const bodyLimit = 3 * 2 ** 20;
/** How far a watch may be behind its changes. */
const watchLimit = 32 * 2 ** 20;

export interface ServerParts extends CallersParts {
  readonly api: Api;
  readonly aggregation: Aggregation;
  readonly serving: KeyPair;
  /** PEM; verifies client certificates. */
  readonly clientCa: string;
  /** What the server is to kubelets, and which of them it takes. */
  readonly kubelets: PeerTls;
  /** Watches may begin with what is there already. */
  readonly watchList: boolean;
  readonly log: (line: string) => void;
}

export class ApiServer {
  readonly #parts: ServerParts;
  readonly #handler: Handler;
  readonly #server: Http2SecureServer;
  /** Those that still shake hands are among them: they would be served by what is no more. */
  readonly #sockets = new Set<Socket>();
  readonly #callers: Callers;
  readonly #find: FindResource;
  readonly #stop = new AbortController();
  #address = "";

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.#callers = new Callers(parts, parts.api.now);
    const here = finderOf(parts.api.resources);
    this.#find = (...names) => parts.aggregation.find(...names) ?? here(...names);
    this.#handler = new Handler({
      ...parts,
      served: () => parts.aggregation.served(),
      scrape: (node) => scrape(parts.api, node, parts.kubelets, this.#stop.signal),
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
    this.#server.on("secureConnection", (socket) => this.#callers.connected(socket));
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

  async #serve(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const warnings: string[] = [];
    let audited: Admitted["audited"] = () => undefined;
    try {
      const route = routeOf(request.method, request.url, this.#find);
      const admitted = this.#callers.admit(request, route);
      const { user } = admitted;
      audited = admitted.audited;
      response.once("close", () => audited(response.statusCode));
      this.#callers.authorize(admitted);
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
      if (this.#parts.aggregation.serves(route) || (isProxied(route) && route.verb !== "watch"))
        await this.#proxy(call, request, response);
      else if (route.verb === "watch") this.#watch(call, response);
      else {
        const answer = await this.#handler.answer(call, this.#address);
        audited(answer.code, text(answer.body, "metadata", "name"));
        this.#send(response, answer, warnings);
      }
    } catch (error) {
      this.#refuse(response, error, audited);
    }
  }

  #watch(call: Call, response: Http2ServerResponse): void {
    const { resource } = call.route;
    if (resource === undefined) throw noSuchResource();
    if (!resource.verbs.includes("watch") || call.route.subresource !== "") throw methodNotAllowed();
    if (!this.#parts.watchList && call.route.query.has("sendInitialEvents")) {
      const why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
      throw invalid({ group: "meta.k8s.io", kind: "ListOptions", name: "" }, [
        forbiddenValue("sendInitialEvents", why),
      ]);
    }
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
    const { aggregation, api, kubelets } = this.#parts;
    const isAggregated = aggregation.serves(call.route);
    const target = isAggregated ? aggregation.targetOf(call.route) : targetOf(api, call.route, kubelets);
    if (target === undefined) {
      response.writeHead(204);
      response.end();
      return;
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const passed = {
      method: request.method,
      headers: isAggregated ? onBehalfOf(call.user, request.headers) : request.headers,
      signal: AbortSignal.any([gone.signal, this.#stop.signal]),
    };
    const incoming = await pass(target, passed, call.body);
    if (!isAggregated && call.route.subresource === "log" && (incoming.statusCode ?? 500) >= 400) {
      const chunks: Buffer[] = await incoming.toArray();
      throw kubeletRefusal(incoming.statusCode ?? 500, Buffer.concat(chunks).toString());
    }
    answerWith(incoming, response);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => undefined);
    let audited: Admitted["audited"] = () => undefined;
    try {
      const route = routeOf(request.method ?? "GET", request.url ?? "/", this.#find);
      const admitted = this.#callers.admit(request, route);
      audited = admitted.audited;
      this.#callers.authorize(admitted);
      if (!isProxied(route) || this.#parts.aggregation.serves(route))
        throw new ApiError(400, "BadRequest", "no such connection can be upgraded");
      const passed = {
        method: request.method ?? "GET",
        headers: { ...request.headers, "x-forwarded-for": request.socket.remoteAddress },
        signal: this.#stop.signal,
      };
      const target = targetOf(this.#parts.api, route, this.#parts.kubelets);
      if (target === undefined) throw noSuchResource();
      audited(101);
      await passUpgrade(target, passed, socket, head);
    } catch (error) {
      const { code, status } = this.#asStatus(error);
      audited(code);
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

  #refuse(response: Http2ServerResponse, error: unknown, audited: Admitted["audited"]): void {
    if (this.#stop.signal.aborted || response.headersSent) {
      response.end();
      return;
    }
    const { code, status } = this.#asStatus(error);
    audited(code);
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
