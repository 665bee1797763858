// From a request to its handler and back: the gate, the route, time limits, what errors become, metrics.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { sendText } from "./answers.ts";
import { errorAnswer } from "./error-answer.ts";
import type { KubeletServerLimits } from "./kubelet-server-options.ts";
import type { NodesServed } from "./node-choice.ts";
import type { Passed, RequestGate, TextAnswer } from "./request-gate.ts";
import { type AnyRequest, type AnyResponse, breakOff, hostOf, peerOf, type RequestPeer } from "./request-peer.ts";
import type { RouteHandler } from "./routes.ts";
import type { StreamCall, UpgradeRequest } from "./stream-call.ts";
import { refuseUpgrade } from "./upgrade-answer.ts";
import type { VerifiedCallers } from "./verified-callers.ts";

export interface RequestDispatchOptions {
  readonly gate: RequestGate<RouteHandler>;
  readonly callers: VerifiedCallers;
  /** The nodes of the listener that took the connection. */
  readonly servedAt: (socket: TLSSocket) => NodesServed | undefined;
  readonly limits: KubeletServerLimits;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const lingerMs = 500;

const knownMethods: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);

export class RequestDispatch {
  readonly #options: RequestDispatchOptions;
  readonly #ending = new AbortController();
  /** Requests under way, streams among them. */
  readonly #open = new Set<Promise<void>>();
  #stopping = false;

  constructor(options: RequestDispatchOptions) {
    this.#options = options;
  }

  /** A request that takes no connection over. */
  readonly request = (request: AnyRequest, response: AnyResponse): void => {
    this.#track(this.#answer(request, response), () => breakOff(response));
  };

  /** A request for an upgrade. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Nobody else listens while the caller is looked at; what breaks is seen by 'close'.
    socket.on("error", (error) => this.#options.log.debug({ err: error }, "a connection broke"));
    this.#track(this.#upgrade(request, { request, socket, head }), () => socket.destroy());
  };

  /** From now on connections are closed after their request. */
  stop(): void {
    this.#stopping = true;
  }

  /** Ends what is still under way. */
  end(reason: Error): void {
    this.#ending.abort(reason);
  }

  /** How many are under way. */
  get size(): number {
    return this.#open.size;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  #track(work: Promise<void>, destroy: () => void): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#options.log.error({ err: error }, "a request to the kubelet API failed");
        destroy();
      })
      .finally(() => this.#open.delete(tracked));
    this.#open.add(tracked);
  }

  async #answer(request: AnyRequest, response: AnyResponse): Promise<void> {
    const began = performance.now();
    const { log, limits } = this.#options;
    const gone = new AbortController();
    const closed = Promise.withResolvers<void>();
    response.once("close", () => {
      gone.abort();
      closed.resolve();
    });
    for (const stream of [request, response])
      stream.on("error", (error) => log.debug({ err: error }, "a request broke"));
    const refused = drainBody(request, response, limits.bodyBytes);
    if (this.#stopping && request.httpVersionMajor === 1) response.setHeader("Connection", "close");
    const peer = peerOf(request);
    if (peer === undefined) return void breakOff(response);
    const signal = AbortSignal.any([gone.signal, this.#ending.signal, refused]);
    const passed = await this.#pass(request, peer, signal);
    let route = "";
    if (refused.aborted) log.info({ limit: limits.bodyBytes }, "a request with too long a body was refused");
    else if (signal.aborted) breakOff(response);
    else if ("status" in passed) sendText(response, passed.status, passed.body, passed.headers);
    else {
      route = passed.match.route.pattern;
      const { handler } = passed.match.route;
      const time = handler.type === "short" ? [AbortSignal.timeout(limits.requestTimeoutMs)] : [];
      const call = { ...this.#call(request, peer, passed, AbortSignal.any([signal, ...time])), response };
      try {
        if (handler.type !== "stream") await handler.handle(call);
        else await handler.handle({ ...call, upgrade: undefined, pattern: route });
      } catch (error) {
        this.#failed(error, call.log, response, AbortSignal.any([gone.signal, refused]));
      }
    }
    if (!response.writableEnded && !refused.aborted) breakOff(response);
    await closed.promise;
    const method = methodLabel(request.method);
    this.#options.metrics.kubeletRequests.inc({ method, route, code: String(response.statusCode) });
    this.#options.metrics.kubeletRequestDuration.observe({ method, route }, (performance.now() - began) / 1000);
  }

  #failed(error: unknown, log: Logger, response: AnyResponse, gone: AbortSignal): void {
    if (gone.aborted) return;
    const answer = errorAnswer(error);
    if (answer.status === 500) log.error({ err: error }, "a request to the kubelet API failed");
    else log.info({ err: error, code: answer.status }, "a request to the kubelet API failed");
    // A body that was begun must not look whole.
    if (response.headersSent) breakOff(response);
    else sendText(response, answer.status, answer.body, answer.headers);
  }

  async #upgrade(request: IncomingMessage, upgrade: UpgradeRequest): Promise<void> {
    const { socket } = upgrade;
    const gone = new AbortController();
    socket.once("close", () => gone.abort());
    if (socket.destroyed) return;
    const signal = AbortSignal.any([gone.signal, this.#ending.signal]);
    const peer = peerOf(request);
    if (peer === undefined) return void socket.destroy();
    const passed = await this.#pass(
      request,
      peer,
      AbortSignal.any([signal, AbortSignal.timeout(this.#options.limits.requestTimeoutMs)]),
    );
    let route = "";
    let code = 101;
    const refuse = (answer: TextAnswer): void => {
      code = answer.status;
      refuseUpgrade(socket, answer.status, answer.body, answer.headers);
    };
    if (signal.aborted) return void socket.destroy();
    if ("status" in passed) refuse(passed);
    else {
      route = passed.match.route.pattern;
      const { handler } = passed.match.route;
      const call: StreamCall = { ...this.#call(request, peer, passed, signal), upgrade, pattern: route };
      try {
        if (handler.type === "stream") await handler.handle(call);
        else refuse({ status: 400, body: "unable to upgrade: this path is no stream\n" });
      } catch (error) {
        const answer = errorAnswer(error);
        call.log.info({ err: error, code: answer.status }, "a stream was refused");
        refuse(answer);
      }
    }
    const method = methodLabel(request.method);
    this.#options.metrics.kubeletRequests.inc({ method, route, code: String(code) });
  }

  async #pass(
    request: AnyRequest,
    { socket, ...peer }: RequestPeer,
    signal: AbortSignal,
  ): Promise<Passed<RouteHandler> | TextAnswer> {
    const served = this.#options.servedAt(socket);
    if (served === undefined) return { status: 421, body: "no node is served at this address\n" };
    return this.#options.gate.pass({
      method: request.method ?? "",
      target: request.url ?? "",
      authorization: request.headers.authorization,
      verifiedCertificate: this.#options.callers.certificateOf({ ...peer, socket }),
      host: hostOf(request),
      serverName: typeof socket.servername === "string" ? socket.servername : undefined,
      served,
      signal,
    });
  }

  #call(
    request: AnyRequest,
    { remoteAddress, protocol }: RequestPeer,
    { node, user, path, query, match }: Passed<RouteHandler>,
    signal: AbortSignal,
  ): Omit<StreamCall, "upgrade" | "pattern"> {
    const { params } = match;
    const { namespace, pod, container } = params;
    const log = this.#options.log.child({
      node: node.name,
      ...(namespace !== undefined && { namespace }),
      ...(pod !== undefined && { pod }),
      ...(container !== undefined && { container }),
    });
    const { headers, method = "" } = request;
    return { node, method, path, query, params, headers, user, remoteAddress, protocol, signal, log };
  }
}

/**
 * Nothing here takes a body: it is read and forgotten, up to a limit. Past it the connection is ended, after an answer if
 * none was begun: then the signal aborts.
 */
function drainBody(request: AnyRequest, response: AnyResponse, limit: number): AbortSignal {
  const refused = new AbortController();
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= limit || refused.signal.aborted) return;
    refused.abort();
    // Ended at once, Node would close the connection, and the answer be lost to a reset.
    setTimeout(() => request.destroy(), lingerMs).unref();
    if (response.headersSent) return;
    const body = "413: the body of the request is too large\n";
    if (request.httpVersionMajor === 1) response.setHeader("Connection", "close");
    response.writeHead(413, { "Content-Type": "text/plain; charset=utf-8", "Content-Length": body.length });
    response.write(body);
  });
  return refused.signal;
}

const methodLabel = (method: string | undefined): string =>
  method !== undefined && knownMethods.has(method) ? method : "other";
