// What listens on the ports of a simulated pod: an echo server and a small HTTP server.
import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { VirtualKubeletError } from "../../errors.ts";
import type { PodTarget } from "../../provider/streams.ts";
import { rolesOf } from "./behaviour.ts";
import { throwIfAborted } from "./connection.ts";
import type { RunWatch } from "./run-watch.ts";
import type { ContainerRuns } from "./runs.ts";
import { copy, inputFrom, outputTo } from "./shell/bytes.ts";

export type PortService = "echo" | "http";

/** Ports on which HTTP is spoken although nobody declares them. */
const httpPorts = [80, 8080];

export class Ports {
  readonly #watch: RunWatch;
  readonly #served = new WeakMap<Duplex, { readonly target: PodTarget; readonly port: number }>();
  /** Listens nowhere: it is handed its connections. */
  readonly #http: Server;

  constructor(watch: RunWatch) {
    this.#watch = watch;
    this.#http = createServer((request, response) => {
      const { target, port } = this.#served.get(request.socket) ?? {};
      const { namespace, name, uid, node } = target?.owner ?? {};
      const { method, url, headers } = request;
      request.resume();
      // At once, not after the body: a client that has closed its side would find the connection closed.
      response.writeHead(200, { "content-type": "application/json" });
      response.end(
        `${JSON.stringify({ pod: name, namespace, uid, node, port, method, path: url, headers }, null, 2)}\n`,
      );
    });
    // What a client breaks off is its own affair.
    this.#http.on("clientError", (_error, socket) => socket.destroy());
  }

  /** Carries a connection until both sides have ended, or the run of the container that listens has. Throws when nobody listens. */
  async forward(
    target: PodTarget,
    port: number,
    connection: Duplex,
    all: readonly ContainerRuns[],
    signal: AbortSignal,
  ): Promise<void> {
    const { name } = target.owner;
    const listener = listenerOf(target, port, all);
    const run = all.find((runs) => runs.name === listener?.container)?.latest;
    if (listener === undefined || run === undefined) {
      throw new VirtualKubeletError("Unavailable", `connection to port ${port} of pod ${JSON.stringify(name)} refused`);
    }
    const stop = new AbortController();
    const own = AbortSignal.any([signal, stop.signal]);
    const destroy = (): void => void connection.destroy();
    signal.addEventListener("abort", destroy, { once: true });
    this.#watch.ended(target.owner, listener.container, run, own).then(
      ({ ended }) => {
        if (ended !== undefined) destroy();
      },
      // The backend cannot be asked: the connection goes on until an end of it is known.
      () => {},
    );
    const closed = closeOf(connection);
    try {
      if (listener.service === "http") {
        this.#served.set(connection, { target, port });
        this.#http.emit("connection", connection);
      } else {
        await copy(inputFrom(connection, own), outputTo(connection, own));
        connection.end();
      }
      await closed;
    } finally {
      stop.abort();
      signal.removeEventListener("abort", destroy);
    }
    throwIfAborted(signal);
  }
}

/** Which running container listens on the port, and what it speaks. */
export function listenerOf(
  { pod }: PodTarget,
  port: number,
  all: readonly ContainerRuns[],
): { readonly container: string; readonly service: PortService } | undefined {
  const isRunning = (name: string): boolean =>
    all.some(({ name: known, latest }) => known === name && latest !== undefined && latest.ended === undefined);
  const running = rolesOf(pod).filter(({ container }) => isRunning(container.name));
  for (const { container } of running) {
    for (const declared of container.ports ?? []) {
      if (declared.containerPort !== port || (declared.protocol ?? "TCP") !== "TCP") continue;
      if (declared.name === "echo") return { container: container.name, service: "echo" };
      if (declared.name === "http") return { container: container.name, service: "http" };
    }
  }
  const [main] = running.filter(({ role }) => role === "main" || role === "sidecar");
  return httpPorts.includes(port) && main !== undefined
    ? { container: main.container.name, service: "http" }
    : undefined;
}

/** Resolves when both directions have ended, or it was destroyed. */
function closeOf(connection: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = (): void => {
    if (connection.destroyed || (connection.readableEnded && connection.writableFinished)) resolve();
  };
  for (const event of ["end", "finish", "close"]) connection.on(event, check);
  connection.on("error", () => resolve());
  check();
  return promise;
}
