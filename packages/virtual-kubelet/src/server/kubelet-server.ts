// The kubelet API of all nodes of the process: addresses, TLS, who may do what, routes; starts and ends in order.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { pause, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Renewed, ServingCertificate } from "./certificate-source.ts";
import { defaultWires } from "./default-wires.ts";
import {
  type BoundAddress,
  defaultKubeletServerLimits,
  type KubeletServerLimits,
  type KubeletServerOptions,
} from "./kubelet-server-options.ts";
import { groupListeners, type ListenerGroup, ServedAddresses } from "./listener-groups.ts";
import { RequestDispatch } from "./request-dispatch.ts";
import { RequestGate } from "./request-gate.ts";
import { Router } from "./router.ts";
import { kubeletRoutes, type RouteHandler } from "./routes.ts";
import { SecureEndpoint } from "./secure-endpoint.ts";
import { StreamSessions } from "./stream-sessions.ts";
import { VerifiedCallers } from "./verified-callers.ts";

/** Whoever was told to end may take so long for it. */
const lastGraceMs = 3000;

export class KubeletServer {
  readonly #options: KubeletServerOptions;
  readonly #limits: KubeletServerLimits;
  readonly #groups: readonly ListenerGroup[];
  readonly #served = new ServedAddresses();
  readonly #listening: PromiseWithResolvers<ReadonlyMap<string, BoundAddress>> = Promise.withResolvers();
  readonly #router: Router<RouteHandler>;
  readonly #sessions: StreamSessions;
  readonly #dispatch: RequestDispatch;
  readonly #sockets = new Set<Socket>();
  #endpoints: readonly SecureEndpoint[] = [];
  #refusedToldAt = Number.NEGATIVE_INFINITY;

  /** Throws Invalid when nodes collide. */
  constructor(options: KubeletServerOptions) {
    const { authenticator, authorizer, log, metrics } = options;
    const limits = { ...defaultKubeletServerLimits, ...options.limits };
    this.#options = options;
    this.#limits = limits;
    this.#listening.promise.catch(() => undefined);
    this.#groups = groupListeners(options.nodes, options.sharedPort ?? false);
    this.#sessions = new StreamSessions({ metrics, podEndGraceMs: limits.podEndGraceMs });
    this.#router = new Router(
      kubeletRoutes({
        handlers: options.handlers,
        streams: {
          wires: options.wires ?? defaultWires,
          limits: { idleTimeoutMs: limits.streamIdleTimeoutMs, creationTimeoutMs: limits.streamCreationTimeoutMs },
          sessions: this.#sessions,
          auditArguments: options.auditArguments ?? false,
          forwardedConnections: limits.forwardedConnections,
        },
        problem: options.problem ?? (() => undefined),
        zpages: {
          configuration: (node) => ({ ...this.#configuration(node), ...options.configuration?.(node) }),
          flags: options.flags ?? {},
          version: options.version ?? "unknown",
          startedAt: Date.now(),
          paths: () => this.#router.patterns,
        },
      }),
    );
    this.#dispatch = new RequestDispatch({
      gate: new RequestGate({ router: this.#router, authenticator, authorizer, log }),
      callers: new VerifiedCallers({
        clientCA: options.clientCA,
        handshakeBundle: (socket) => {
          for (const endpoint of this.#endpoints) {
            const bundle = endpoint.handshakeBundle(socket);
            if (bundle !== undefined) return bundle;
          }
          return undefined;
        },
        log,
      }),
      servedAt: (socket) => this.#served.at(socket),
      limits,
      log,
      metrics,
    });
  }

  /** Where each node's API is bound, by the node's name; rejects (Unavailable) when one cannot be. Pends until run(). */
  get listening(): Promise<ReadonlyMap<string, BoundAddress>> {
    return this.#listening.promise;
  }

  /**
   * Serves until the signal aborts, then stops listening, lets short requests end and gives streams their grace.
   * Throws Unavailable when an address cannot be had.
   */
  async run(signal: AbortSignal): Promise<void> {
    const bound = new Map<string, BoundAddress>();
    try {
      this.#endpoints = await this.#listen(bound);
      this.#listening.resolve(bound);
      await aborted(signal);
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    } finally {
      await this.#stop();
    }
  }

  async #listen(bound: Map<string, BoundAddress>): Promise<readonly SecureEndpoint[]> {
    const endpoints = new Map<Renewed<ServingCertificate>, SecureEndpoint>();
    this.#endpoints = [];
    for (const group of this.#groups) {
      const [first] = group.nodes;
      if (first === undefined) continue;
      const certificate = this.#certificateOf(first.name);
      // Groups of several nodes may have certificates by name, so they share with nobody.
      let endpoint = group.nodes.length === 1 ? endpoints.get(certificate) : undefined;
      if (endpoint === undefined) {
        endpoint = this.#endpoint(group, certificate);
        if (group.nodes.length === 1) endpoints.set(certificate, endpoint);
        this.#endpoints = [...this.#endpoints, endpoint];
      }
      const address = await endpoint.listen(group.host, group.port);
      this.#served.add(address, group);
      for (const { name } of group.nodes) {
        bound.set(name, address);
        this.#options.log.info({ node: name, ...address }, "serving the kubelet API");
      }
    }
    return this.#endpoints;
  }

  #endpoint(group: ListenerGroup, certificate: Renewed<ServingCertificate>): SecureEndpoint {
    const { clientCA, log, metrics } = this.#options;
    const named = [...group.byName].map(([name, node]) => [name, this.#certificateOf(node.name)] as const);
    return new SecureEndpoint({
      certificate,
      certificatesByName: new Map(named.filter(([, other]) => other !== certificate)),
      clientCA,
      limits: this.#limits,
      log,
      connected: (socket) => this.#connected(socket),
      refused: () => {
        metrics.kubeletConnectionsRefused.inc();
        if (performance.now() - this.#refusedToldAt < 60_000) return;
        this.#refusedToldAt = performance.now();
        log.warn({ limit: this.#limits.connections }, "too many connections to the kubelet API: one more was refused");
      },
      request: this.#dispatch.request,
      upgrade: this.#dispatch.upgrade,
      isUpgrade: (request: IncomingMessage) => this.#isStream(request),
    });
  }

  /** The head is not authorised yet: this decides only by whom it is read. */
  #isStream({ url = "" }: IncomingMessage): boolean {
    return /^\/(?:exec|attach|portForward)(?:\/|$)/.test(url.split("?")[0] ?? "");
  }

  #certificateOf(node: string): Renewed<ServingCertificate> {
    const { certificate } = this.#options;
    return typeof certificate === "function" ? certificate(node) : certificate;
  }

  #connected(socket: Socket): void {
    const { kubeletConnections } = this.#options.metrics;
    this.#sockets.add(socket);
    kubeletConnections.set(this.#sockets.size);
    if (this.#sockets.size >= this.#limits.connections) for (const endpoint of this.#endpoints) endpoint.full = true;
    socket.setNoDelay(true);
    socket.once("close", () => {
      if (this.#sockets.size >= this.#limits.connections) for (const endpoint of this.#endpoints) endpoint.full = false;
      this.#sockets.delete(socket);
      kubeletConnections.set(this.#sockets.size);
    });
  }

  async #stop(): Promise<void> {
    const { log } = this.#options;
    this.#dispatch.stop();
    for (const endpoint of this.#endpoints) endpoint.stop();
    const idle = this.#dispatch.idle();
    await within(idle, this.#limits.shutdownGraceMs);
    if (this.#dispatch.size > 0) log.info({ requests: this.#dispatch.size }, "ending logs and streams");
    this.#dispatch.end(new VirtualKubeletError("Aborted", "the kubelet is shutting down"));
    await within(idle, lastGraceMs);
    for (const socket of this.#sockets) socket.destroy();
    await within(idle, lastGraceMs / 3);
    if (this.#dispatch.size > 0)
      log.warn({ requests: this.#dispatch.size }, "left behind requests whose provider does not end them");
  }

  #configuration(node: string): Readonly<Record<string, unknown>> {
    const { streamIdleTimeoutMs } = this.#limits;
    const group = this.#groups.find(({ nodes }) => nodes.some(({ name }) => name === node));
    return {
      enableServer: true,
      address: group === undefined || group.host === "" ? "0.0.0.0" : group.host,
      port: group?.port ?? 0,
      streamingConnectionIdleTimeout: `${streamIdleTimeoutMs / 1000}s`,
      enableDebuggingHandlers: true,
      enableSystemLogHandler: false,
    };
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}

/** Resolves when the work is done or its time is up. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, pause(systemClock, ms, done.signal)]);
  done.abort();
}
