// The program's own HTTP endpoint: Prometheus metrics and health, plain HTTP, on an address of its own; the web view where it
// is switched on.
import { createServer, type Server as HttpServer } from "node:http";
import type { Server } from "node:net";
import type { Registry } from "prom-client";
import type { Logger } from "../log.ts";
import type { AnyRequest, AnyResponse } from "../server/request-peer.ts";
import { addressText, type ListenAddress } from "./address.ts";

export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, or what is known; no secrets. */
  readonly message?: string | undefined;
}

export interface Health {
  /** Default true: the process answers. */
  readonly live?: boolean | undefined;
  readonly ready: boolean;
  readonly checks: readonly HealthCheck[];
}

export interface MetricsServerOptions {
  readonly address: ListenAddress;
  readonly registry: Registry;
  readonly health: () => Health;
  readonly log: Logger;
  readonly view?: ServedView | undefined;
}

/** What answers to /view/, and to whoever speaks TLS on this port. */
export interface ServedView {
  isFor(target: string): boolean;
  answer(request: AnyRequest, response: AnyResponse): Promise<void>;
  /** A server of connections of both kinds over one of plain HTTP; `everything` answers those that come by TLS. */
  listener(
    plain: HttpServer,
    everything: (request: AnyRequest, response: AnyResponse) => void,
  ): { readonly server: Server; readonly end: () => void };
}

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #listening: PromiseWithResolvers<string> = Promise.withResolvers<string>();
  #processMetrics: Promise<void> | undefined;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    // Who does not wait for it hears of the failure by run().
    this.#listening.promise.catch(() => undefined);
  }

  /** host:port once it listens; rejects when it cannot. */
  get listening(): Promise<string> {
    return this.#listening.promise;
  }

  /** Serves until the signal aborts; throws when the address cannot be had. */
  async run(signal: AbortSignal): Promise<void> {
    const answer = (request: AnyRequest, response: AnyResponse): void => {
      this.#answer(request, response).catch((error: unknown) => {
        this.#options.log.error({ err: error, path: pathOf(request) }, "metrics request failed");
        if (!response.headersSent) send(response, 500, "internal error\n");
        else response.destroy();
      });
    };
    const plain = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, answer);
    const both = this.#options.view?.listener(plain, answer);
    const server = both?.server ?? plain;
    const ended = Promise.withResolvers<void>();
    server.once("close", ended.resolve);
    server.once("error", (error) => {
      this.#listening.reject(error);
      ended.reject(error);
    });
    const stop = (): void => {
      server.close();
      plain.closeAllConnections();
      both?.end();
    };
    if (signal.aborted) return;
    signal.addEventListener("abort", stop, { once: true });
    server.listen({ port: this.#options.address.port, host: this.#options.address.host }, () => {
      const bound = server.address();
      if (bound === null || typeof bound === "string") return;
      const address = addressText(bound.address, bound.port);
      const also = this.#options.view === undefined ? "" : ", and the web view at /view/";
      this.#options.log.info({ address }, `serving /metrics, /healthz and /readyz${also}`);
      this.#listening.resolve(address);
    });
    try {
      await ended.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #answer(request: AnyRequest, response: AnyResponse): Promise<void> {
    const path = pathOf(request);
    if (this.#options.view?.isFor(request.url ?? "") === true) return this.#options.view.answer(request, response);
    if (path !== "/metrics" && path !== "/healthz" && path !== "/livez" && path !== "/readyz") {
      return send(response, 404, "404 page not found\n");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return send(response, 405, "method not allowed\n");
    }
    if (path !== "/metrics") {
      const health = this.#options.health();
      const ok = path === "/readyz" ? health.ready : (health.live ?? true);
      const verbose = new URL(request.url ?? "/", "http://localhost").searchParams.has("verbose");
      return send(response, ok ? 200 : 503, verbose || !ok ? checksText(health, path, ok) : "ok\n");
    }
    const { registry } = this.#options;
    this.#processMetrics ??= addProcessMetrics(registry);
    await this.#processMetrics;
    send(response, 200, await registry.metrics(), registry.contentType);
  }
}

/** Memory, CPU, event loop and garbage collection of the process: gathered only since somebody asks. */
async function addProcessMetrics(registry: Registry): Promise<void> {
  const { collectDefaultMetrics } = await import("prom-client");
  if (registry.getSingleMetric("process_cpu_seconds_total") === undefined)
    collectDefaultMetrics({ register: registry });
}

function checksText({ checks }: Health, path: string, ok: boolean): string {
  const lines = checks.map((check) => {
    const message = check.message === undefined || check.message === "" ? "" : `: ${check.message}`;
    return check.ok ? `[+]${check.name} ok${message}` : `[-]${check.name} failed${message}`;
  });
  return [...lines, `${path.slice(1)} check ${ok ? "passed" : "failed"}`, ""].join("\n");
}

function pathOf(request: AnyRequest): string {
  return (request.url ?? "/").split("?")[0] ?? "/";
}

function send(response: AnyResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, {
    "Content-Type": type,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
  });
  response.end(body);
}
