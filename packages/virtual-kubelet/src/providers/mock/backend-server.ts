// The mock's backend as a server of its own, so that pods outlive the virtual kubelet, as they do on a real backend. Keeps
// a journal of every call: tests read from it that no pod was lost, doubled or leaked.
import { unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { type Clock, systemClock } from "../../clock.ts";
import { type ErrorKind, VirtualKubeletError } from "../../errors.ts";
import type { MockBackend } from "./backend.ts";
import { performAction, watchBackend } from "./connection.ts";
import { decodeAction, decodeCreate, decodeStop, decodeUpdate } from "./wire.ts";

export interface JournalEntry {
  /** From 1 on, without gaps. */
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly method:
    | "createPod"
    | "updatePod"
    | "deletePod"
    | "stopPod"
    | "getPodStatus"
    | "getPods"
    | "watchPods"
    | "act";
  readonly node?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly uid?: string | undefined;
  /** Of a create: what CreateOutcome says. Of the others: "ok". Of each: "error: " and the kind. */
  readonly outcome: string;
  readonly gracePeriodSeconds?: number | undefined;
}

export interface BackendServerOptions {
  readonly backend: MockBackend;
  /** `unix:///path.sock` or `http://127.0.0.1:port` (0: any). */
  readonly listen: string;
  /** Called once, with the address to use. */
  readonly onListening?: ((address: string) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** Serves until the signal aborts. Nobody is authenticated: for tests on one machine only. */
export async function runBackendServer(options: BackendServerOptions, signal: AbortSignal): Promise<void> {
  const handler = new Handler(options.backend, options.clock ?? systemClock, signal);
  const server = createServer((request, response) => void handler.handle(request, response));
  server.keepAliveTimeout = 60_000;
  const url = new URL(options.listen);
  if (url.protocol === "unix:") await removeStaleSocket(url.pathname);
  const closed = Promise.withResolvers<void>();
  server.on("error", closed.reject);
  server.on("close", closed.resolve);
  const address = url.protocol === "unix:" ? { path: url.pathname } : { host: url.hostname, port: Number(url.port) };
  server.listen(address, () => {
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : undefined;
    options.onListening?.(port === undefined ? `unix://${url.pathname}` : `http://${url.hostname}:${port}`);
  });
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  try {
    await closed.promise;
  } finally {
    signal.removeEventListener("abort", stop);
    options.backend.close();
  }
}

const statusOf: Partial<Record<ErrorKind, number>> = { NotFound: 404, Invalid: 422, Quota: 507 };

class Handler {
  readonly #backend: MockBackend;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #journal: JournalEntry[] = [];

  constructor(backend: MockBackend, clock: Clock, signal: AbortSignal) {
    this.#backend = backend;
    this.#clock = clock;
    this.#signal = signal;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await readBody(request);
      const url = new URL(request.url ?? "/", "http://backend");
      await this.#route(`${request.method} ${url.pathname}`, url.searchParams, body, response);
    } catch (error) {
      const { kind, message, field } = VirtualKubeletError.from(error);
      if (response.headersSent) response.destroy();
      else answer(response, statusOf[kind] ?? 500, { kind, message, ...(field === undefined ? {} : { field }) });
    }
  }

  async #route(route: string, query: URLSearchParams, body: string, response: ServerResponse): Promise<void> {
    const pod = /^(PUT|DELETE|GET) \/pods\/([^/]+)$/.exec(route);
    const runs = /^GET \/pods\/([^/]+)\/runs$/.exec(route);
    const stop = /^POST \/pods\/([^/]+)\/stop$/.exec(route);
    const usage = /^GET \/pods\/([^/]+)\/usage$/.exec(route);
    if (route === "POST /pods") {
      const { request, hostIPs } = decodeCreate(body);
      const outcome = this.#noted("createPod", request.owner, () => this.#backend.create(request, hostIPs));
      answer(response, 200, { outcome });
    } else if (route === "GET /pods") {
      const node = query.get("node") ?? undefined;
      answer(
        response,
        200,
        this.#noted("getPods", { node }, () => this.#backend.list(node), "ok"),
      );
    } else if (route === "GET /watch") {
      await this.#watch(query.get("node") ?? "", response);
    } else if (route === "GET /journal") {
      answer(response, 200, this.#journal.slice(Number(query.get("from") ?? 0)));
    } else if (route === "GET /ping") {
      answer(response, 200, {});
    } else if (route === "POST /act") {
      const action = decodeAction(body);
      this.#noted("act", { uid: action.uid, name: action.action }, () => performAction(this.#backend, action), "ok");
      answer(response, 200, {});
    } else if (pod?.[1] === "PUT") {
      const update = decodeUpdate(body);
      this.#noted("updatePod", update.owner, () => this.#backend.update(update), "ok");
      answer(response, 200, {});
    } else if (pod?.[1] === "DELETE") {
      const uid = decodeURIComponent(pod[2] ?? "");
      const node = query.get("node") ?? undefined;
      const gracePeriodSeconds = Number(query.get("gracePeriodSeconds") ?? 0);
      this.#noted(
        "deletePod",
        { uid, node, gracePeriodSeconds },
        () => this.#backend.delete(uid, gracePeriodSeconds),
        "ok",
      );
      answer(response, 200, {});
    } else if (pod?.[1] === "GET") {
      const uid = decodeURIComponent(pod[2] ?? "");
      answer(
        response,
        200,
        this.#noted("getPodStatus", { uid }, () => this.#backend.get(uid), "ok"),
      );
    } else if (stop !== null) {
      const uid = decodeURIComponent(stop[1] ?? "");
      const { gracePeriodSeconds, failure } = decodeStop(body);
      const about = { uid, node: query.get("node") ?? undefined, gracePeriodSeconds };
      this.#noted("stopPod", about, () => this.#backend.stop(uid, gracePeriodSeconds, failure), "ok");
      answer(response, 200, {});
    } else if (route === "GET /usage") {
      answer(response, 200, this.#backend.usages(query.get("node") ?? ""));
    } else if (runs !== null) {
      answer(response, 200, this.#backend.runs(decodeURIComponent(runs[1] ?? "")));
    } else if (usage !== null) {
      answer(response, 200, this.#backend.usage(decodeURIComponent(usage[1] ?? "")));
    } else throw new VirtualKubeletError("NotFound", `no route ${route}`);
  }

  /** First the state, then each change: who connects again has missed nothing that still is. */
  async #watch(node: string, response: ServerResponse): Promise<void> {
    this.#noted("watchPods", { node }, () => {}, "ok");
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const updates = watchBackend(this.#backend, node, AbortSignal.any([gone.signal, this.#signal]));
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.flushHeaders();
    const send = async (line: unknown): Promise<void> => {
      if (response.write(`${JSON.stringify(line)}\n`) || response.destroyed) return;
      await new Promise<void>((resolve) => {
        response.once("drain", resolve);
        response.once("close", resolve);
      });
    };
    for (const report of this.#backend.list(node)) await send({ type: "report", report });
    for await (const update of updates) await send(update);
    response.end();
  }

  #noted<T>(
    method: JournalEntry["method"],
    about: Pick<JournalEntry, "node" | "namespace" | "name" | "uid" | "gracePeriodSeconds">,
    work: () => T,
    outcome?: string,
  ): T {
    const { node, namespace, name, uid, gracePeriodSeconds } = about;
    const note = (text: string): void => {
      const [seq, at] = [this.#journal.length + 1, this.#clock.now()];
      this.#journal.push({ seq, at, method, node, namespace, name, uid, outcome: text, gracePeriodSeconds });
    };
    try {
      const result = work();
      note(outcome ?? String(result));
      return result;
    } catch (error) {
      note(`error: ${VirtualKubeletError.from(error).kind}`);
      throw error;
    }
  }
}

/** A backend that was killed leaves its socket behind; one at which somebody answers stays, and listening fails. */
async function removeStaleSocket(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const probe = connect(path);
  probe.on("connect", () => resolve(undefined));
  probe.on("error", (error) => resolve("code" in error ? String(error.code) : undefined));
  const code = await promise;
  probe.destroy();
  if (code === "ECONNREFUSED") await unlink(path);
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) text += String(chunk);
  return text;
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
