// From a request to its handler and back: the gate, the route, time limits, what errors become, metrics.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { VirtualKubeletError } from "../errors.ts";
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
  /** Requests under way, streams among them, each with what ends it. */
  readonly #open = new Map<Promise<void>, AbortController>();
  #stopping = false;

  constructor(options: RequestDispatchOptions) {
    this.#options = options;
  }

  /** A request that takes no connection over. */
  readonly request = (request: AnyRequest, response: AnyResponse): void => {
    this.#track(
      (ending) => this.#answer(request, response, ending),
      () => breakOff(response),
    );
  };

  /** A request for an upgrade. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Nobody else listens while the caller is looked at; what breaks is seen by 'close'.
    socket.on("error", (error) => this.#options.log.debug({ err: error }, "a connection broke"));
    this.#track(
      (ending) => this.#upgrade(request, { request, socket, head }, ending),
      () => socket.destroy(),
    );
  };

  /** From now on connections are closed after their request. */
  stop(): void {
    this.#stopping = true;
  }

  /** Ends what is still under way. */
  end(reason: Error): void {
    for (const ending of this.#open.values()) ending.abort(reason);
  }

  /** How many are under way. */
  get size(): number {
    return this.#open.size;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open.keys());
  }

  #track(work: (ending: AbortController) => Promise<void>, destroy: () => void): void {
    const ending = new AbortController();
    const tracked = work(ending)
      .catch((error: unknown) => {
        this.#options.log.error({ err: error }, "a request to the kubelet API failed");
        destroy();
      })
      .finally(() => this.#open.delete(tracked));
    this.#open.set(tracked, ending);
  }

  async #answer(request: AnyRequest, response: AnyResponse, ending: AbortController): Promise<void> {
    const began = performance.now();
    const { log, limits, metrics } = this.#options;
    const closed = Promise.withResolvers<void>();
    let gone = false;
    response.once("close", () => {
      gone = true;
      ending.abort(clientGone());
      closed.resolve();
    });
    for (const stream of [request, response])
      stream.on("error", (error) => log.debug({ err: error }, "a request broke"));
    let refused = false;
    drainBody(request, response, limits.bodyBytes, () => {
      refused = true;
      ending.abort();
    });
    if (this.#stopping && request.httpVersionMajor === 1) response.setHeader("Connection", "close");
    const peer = peerOf(request);
    if (peer === undefined) return breakOff(response);
    let timer = setTimeout(() => ending.abort(tooSlow(limits.requestTimeoutMs)), limits.requestTimeoutMs).unref();
    const passed = await this.#pass(request, peer, ending.signal);
    let route = "";
    let isLong = false;
    if (!gone && !refused) {
      if ("status" in passed) sendText(response, passed.status, passed.body, passed.headers);
      else {
        route = passed.match.route.pattern;
        const { handler } = passed.match.route;
        const call = { ...this.#call(request, peer, passed, ending.signal), response };
        if (handler.type === "long") {
          isLong = true;
          clearTimeout(timer);
          response.setTimeout(limits.streamIdleTimeoutMs, () => {
            ending.abort(new VirtualKubeletError("Aborted", "nothing moved for too long"));
            if (response.writableEnded) breakOff(response);
          });
        }
        try {
          if (handler.type !== "stream") await handler.handle(call);
          else await handler.handle({ ...call, upgrade: undefined, pattern: route });
        } catch (error) {
          if (!gone && !refused) failed(error, call.log, response);
        }
      }
    }
    if (refused) log.info({ limit: limits.bodyBytes }, "a request with too long a body was refused");
    else if (!response.writableEnded) breakOff(response);
    clearTimeout(timer);
    if (!isLong) timer = setTimeout(() => breakOff(response), limits.requestTimeoutMs).unref();
    await closed.promise;
    clearTimeout(timer);
    const method = methodLabel(request.method);
    metrics.kubeletRequests.inc({ method, route, code: String(response.statusCode) });
    metrics.kubeletRequestDuration.observe({ method, route }, (performance.now() - began) / 1000);
  }

  async #upgrade(request: IncomingMessage, upgrade: UpgradeRequest, ending: AbortController): Promise<void> {
    const { socket } = upgrade;
    const { limits, metrics } = this.#options;
    socket.once("close", () => ending.abort(clientGone()));
    const peer = peerOf(request);
    if (peer === undefined || socket.destroyed) return void socket.destroy();
    const timer = setTimeout(() => ending.abort(tooSlow(limits.requestTimeoutMs)), limits.requestTimeoutMs).unref();
    const passed = await this.#pass(request, peer, ending.signal);
    clearTimeout(timer);
    if (ending.signal.aborted) return void socket.destroy();
    let route = "";
    let code = 101;
    const refuse = (answer: TextAnswer): void => {
      code = answer.status;
      refuseUpgrade(socket, answer.status, answer.body, answer.headers);
    };
    if ("status" in passed) refuse(passed);
    else {
      route = passed.match.route.pattern;
      const { handler } = passed.match.route;
      const call: StreamCall = { ...this.#call(request, peer, passed, ending.signal), upgrade, pattern: route };
      try {
        if (handler.type === "stream") await handler.handle(call);
        else refuse({ status: 400, body: "unable to upgrade: this path is no stream\n" });
      } catch (error) {
        const answer = errorAnswer(error);
        call.log.info({ err: error, code: answer.status }, "a stream was refused");
        refuse(answer);
      }
    }
    metrics.kubeletRequests.inc({ method: methodLabel(request.method), route, code: String(code) });
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
      certificate: this.#options.callers.certificateOf({ ...peer, socket }),
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

function failed(error: unknown, log: Logger, response: AnyResponse): void {
  const answer = errorAnswer(error);
  if (answer.status === 500) log.error({ err: error }, "a request to the kubelet API failed");
  else log.info({ err: error, code: answer.status }, "a request to the kubelet API failed");
  // A body that was begun must not look whole.
  if (response.headersSent) breakOff(response);
  else sendText(response, answer.status, answer.body, answer.headers);
}

function clientGone(): VirtualKubeletError {
  return new VirtualKubeletError("Aborted", "the client is gone");
}

function tooSlow(ms: number): VirtualKubeletError {
  return new VirtualKubeletError("Unavailable", `no answer within ${ms / 1000} s`);
}

/**
 * Nothing here takes a body: it is read and forgotten, up to a limit. Past it the connection is ended, after an answer if
 * none was begun.
 */
function drainBody(request: AnyRequest, response: AnyResponse, limit: number, refused: () => void): void {
  let bytes = 0;
  let isRefused = false;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= limit || isRefused) return;
    isRefused = true;
    // Ended at once, Node would close the connection, and the answer be lost to a reset.
    setTimeout(() => request.destroy(), lingerMs).unref();
    if (!response.headersSent) {
      const body = "413: the body of the request is too large\n";
      if (request.httpVersionMajor === 1) response.setHeader("Connection", "close");
      response.writeHead(413, { "Content-Type": "text/plain; charset=utf-8", "Content-Length": body.length });
      response.write(body);
    }
    refused();
  });
}

const methodLabel = (method: string | undefined): string =>
  method !== undefined && knownMethods.has(method) ? method : "other";
