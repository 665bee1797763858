// The HTTP side of a fake Nomad on loopback: finds the operation, checks who asks, answers as the agents do, and keeps a book of calls.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { errorText } from "@virtual-kubelet/virtual-kubelet";
import type { Capability, FakeAcl } from "./fake-acl.ts";
import type { NomadFaults } from "./fake-faults.ts";
import { NomadRefusal } from "./refusal.ts";

export interface Call {
  /** Of the path, unescaped. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly namespace: string;
  /** Parsed JSON. */
  readonly body: unknown;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
  /** For answers that are streams. */
  readonly response: ServerResponse;
}

export interface Answer {
  readonly value?: unknown;
  readonly status?: number | undefined;
  readonly index?: number | undefined;
  readonly nextToken?: string | undefined;
}

export interface Route {
  readonly operation: string;
  readonly method: "GET" | "PUT" | "DELETE";
  /** Of the path below /v1/; its groups are the parts. */
  readonly path: RegExp;
  /** Undefined: everybody may. */
  readonly capability?: Capability | undefined;
  /** "streamed": it has answered by itself. */
  readonly work: (call: Call) => Promise<Answer | "streamed"> | Answer;
}

export interface FakeServerOptions {
  readonly region: string;
  readonly faults: NomadFaults;
  readonly acl: FakeAcl;
  readonly routes: readonly Route[];
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export class FakeServer implements AsyncDisposable {
  /** Answered well, by operation. */
  readonly counts: Record<string, number> = {};
  /** What was asked that the fake does not know, or what it did wrong itself. */
  readonly problems: string[] = [];
  readonly #options: FakeServerOptions;
  readonly #server: ReturnType<typeof createServer>;

  constructor(options: FakeServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.problems.push(errorText(error));
        response.destroy();
      });
    });
    // Clients decide how long a connection is kept: none is closed while a call is on its way.
    this.#server.keepAliveTimeout = 0;
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (options.faults.down) socket.destroy();
      else options.upgrade(request, socket, head);
    });
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    await promise;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the fake does not listen");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    this.#server.closeAllConnections();
    await closed.promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { faults, region, routes } = this.#options;
    if (faults.down) {
      request.socket.destroy();
      return;
    }
    // Who goes while still asking has asked nothing.
    const sent = await textOf(request).catch(() => undefined);
    if (sent === undefined) return;
    const url = new URL(request.url ?? "/", "http://agent");
    const query = url.searchParams;
    const method = request.method === "POST" ? "PUT" : request.method;
    const path = url.pathname.replace(/^\/v1\//, "");
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const { signal } = gone;
    const route = routes.find((each) => each.method === method && each.path.test(path));
    try {
      if (route === undefined) {
        this.problems.push(`the fake has no ${method} ${path}`);
        throw new NomadRefusal(404, "");
      }
      if (!this.#isAllowed(request, route)) {
        // The stream of events has begun to be answered when that is known.
        response.writeHead(200, { "content-type": "application/json" }).end();
        return;
      }
      if (![null, "", region].includes(query.get("region"))) throw new NomadRefusal(500, "No path to region");
      await faults.before(route.operation, signal);
      const parts = (route.path.exec(path) ?? []).slice(1).map(decodeURIComponent);
      const namespace = query.get("namespace") ?? "default";
      const body: unknown = sent === "" ? undefined : JSON.parse(sent);
      const answer = await route.work({ parts, query, namespace, body, signal, response });
      if (faults.down || faults.losesAnswer(route.operation)) {
        request.socket.destroy();
        return;
      }
      this.counts[route.operation] = (this.counts[route.operation] ?? 0) + 1;
      if (answer !== "streamed") respond(response, answer);
    } catch (error) {
      if (!(error instanceof NomadRefusal)) throw error;
      if (error.status === 400) this.problems.push(`${route?.operation}: ${error.message}`);
      if (response.headersSent) response.destroy();
      else response.writeHead(error.status, { "content-type": "text/plain; charset=utf-8" }).end(error.message);
    }
  }

  /** Throws what the call is refused with; false: it is not told. */
  #isAllowed(request: IncomingMessage, { operation, capability }: Route): boolean {
    try {
      this.#options.acl.check(tokenOf(request), capability);
      return true;
    } catch (error) {
      if (operation === "events") return false;
      throw error;
    }
  }
}

export function tokenOf({ headers }: IncomingMessage): string {
  const token = headers["x-nomad-token"];
  if (typeof token === "string") return token;
  return /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
}

function respond(response: ServerResponse, { value, status = 200, index, nextToken = "" }: Answer): void {
  response.writeHead(status, {
    "content-type": "application/json",
    ...(index === undefined
      ? {}
      : { "x-nomad-index": String(index), "x-nomad-knownleader": "true", "x-nomad-lastcontact": "0" }),
    ...(nextToken === "" ? {} : { "x-nomad-nexttoken": nextToken }),
  });
  response.end(value === undefined ? "" : JSON.stringify(value));
}
