// The API over TLS, HTTP/1.1 and HTTP/2: requests and answers on the wire.
import { once } from "node:events";
import { type IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { Socket } from "node:net";
import { type Aggregation, onBehalfOf } from "./aggregation.ts";
import { ApiError, badRequest, forbiddenValue, invalid, methodNotAllowed, noSuchResource } from "./api-error.ts";
import { type Audit, type Audited, auditor } from "./audit.ts";
import { callersOf, type Request } from "./authentication.ts";
import type { Call } from "./call.ts";
import type { KeyPair } from "./certificates.ts";
import { type HandledAnswer, Handler, type HandlerParts } from "./handler.ts";
import { text } from "./json.ts";
import { isProxied, passToKubelet, targetOf } from "./kubelet-proxy.ts";
import { answerWith, type Passed, type PeerTls, pass, type Response, type Target } from "./proxy.ts";
import { authorize } from "./request-access.ts";
import { type FindResource, finderOf, routeOf } from "./route.ts";
import { watch } from "./watching.ts";

const bodyLimit = 3 * 2 ** 20;
/** How far a watch may be behind its changes. */
const watchLimit = 32 * 2 ** 20;

export interface ServerParts extends Omit<HandlerParts, "served"> {
  readonly aggregation: Aggregation;
  readonly serving: KeyPair;
  /** PEM; verifies client certificates. */
  readonly clientCa: string;
  /** What the server is to kubelets, and which of them it takes. */
  readonly kubelets: PeerTls;
  /** Watches may begin with what is there already. */
  readonly watchList: boolean;
  /** Told of each request. */
  readonly audit: Audit | undefined;
  readonly log: (line: string) => void;
}

export class ApiServer {
  readonly #parts: ServerParts;
  readonly #handler: Handler;
  readonly #server: Http2SecureServer;
  /** Those that still shake hands are among them: they would be served by what is no more. */
  readonly #sockets = new Set<Socket>();
  readonly #find: FindResource;
  readonly #stop = new AbortController();
  #address = "";

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const here = finderOf(parts.api.resources);
    this.#find = (...names) => parts.aggregation.find(...names) ?? here(...names);
    this.#handler = new Handler({ ...parts, served: () => parts.aggregation.served() });
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
    this.#server.on("secureConnection", (socket) => socket.on("error", () => undefined));
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    this.#server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(socket);
      response.once("finish", () => socket.end());
      void this.#serve(request, response, { socket, head });
    });
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

  close(): void {
    this.#stop.abort();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(request: Request, response: Response, upgrade?: Passed["upgrade"]): Promise<void> {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const { method = "GET", url = "/", headers } = request;
    const { aggregation, api, audit, authorizer, tokens } = this.#parts;
    const warnings = new Set<string>();
    let audited: Audited = () => undefined;
    try {
      const route = routeOf(method, url, this.#find);
      // They are known by its connection while that is there.
      const callers = callersOf(request, tokens);
      const forwarded = { ...headers, "x-forwarded-for": request.socket.remoteAddress };
      audited = auditor(audit, { url, userAgent: headers["user-agent"] }, route, callers, api.now);
      response.once("close", () => audited(response.statusCode));
      authorize(authorizer, callers, route);
      const elsewhere = aggregation.targetOf(route);
      if (upgrade !== undefined && (elsewhere !== undefined || !isProxied(route)))
        throw badRequest("no such connection can be upgraded");
      const call: Call = {
        route,
        user: callers.user,
        accept: headers.accept ?? "",
        contentType: headers["content-type"] ?? "",
        body: upgrade === undefined ? await bodyOf(request) : Buffer.alloc(0),
        warn: (text) => warnings.add(text),
      };
      const passed = { method, headers: forwarded, body: call.body, upgrade };
      if (elsewhere !== undefined || (isProxied(route) && route.verb !== "watch"))
        await this.#proxy(call, passed, response, elsewhere);
      else if (route.verb === "watch") this.#watch(call, response);
      else {
        const answer = await this.#handler.answer(call, this.#address);
        audited(answer.code, text(answer.body, "metadata", "name"));
        for (const each of warnings) response.appendHeader("warning", `299 - ${JSON.stringify(each)}`);
        send(response, answer);
      }
    } catch (error) {
      if (this.#stop.signal.aborted || response.headersSent) {
        response.end();
        return;
      }
      const refusal = this.#refusalOf(error);
      audited(refusal.code);
      send(response, { code: refusal.code, body: refusal.status() });
    }
  }

  #watch(call: Call, response: Response): void {
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

  /** `elsewhere`: the registered API server that serves this; undefined: a kubelet does. */
  async #proxy(
    { route, user }: Call,
    passed: Passed,
    response: Response,
    elsewhere: Target | undefined,
  ): Promise<void> {
    const { api, kubelets } = this.#parts;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#stop.signal]);
    if (elsewhere !== undefined) {
      const headers = onBehalfOf(user, passed.headers);
      answerWith(await pass(elsewhere, { ...passed, headers }, signal), response);
      return;
    }
    const target = targetOf(api, route, kubelets);
    if (target === undefined) {
      response.writeHead(204);
      response.end();
      return;
    }
    const incoming = await passToKubelet(target, passed, route, signal);
    if (incoming.statusCode === 101) response.statusCode = 101;
    else answerWith(incoming, response);
  }

  #refusalOf(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    this.#parts.log(`a request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return new ApiError(500, "InternalError", "Internal error occurred");
  }
}

function send(response: Response, answer: HandledAnswer): void {
  const body = answer.raw ?? JSON.stringify(answer.body);
  response.writeHead(answer.code, {
    "content-type": answer.contentType ?? "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-cache, private",
  });
  response.end(body);
}

async function bodyOf(request: Request): Promise<Buffer> {
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
