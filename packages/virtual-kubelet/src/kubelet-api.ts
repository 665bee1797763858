// The kubelet API of an assembly: the server over the nodes' pods and providers, and what keeps its certificates fresh.
import { X509Certificate } from "node:crypto";
import { systemClock } from "./clock.ts";
import type { Stored } from "./kube/resource.ts";
import type { Pod, Quantity } from "./kube/types.gen.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Provider } from "./provider.ts";
import type { Renewed, ServingCertificate } from "./server/certificate-source.ts";
import { KubeletServer } from "./server/kubelet-server.ts";
import type { BoundAddress, KubeletServerOptions, NodeListener } from "./server/kubelet-server-options.ts";
import { available } from "./server/renewed-value.ts";
import type { ServedNode } from "./server/served-node.ts";
import { createStatsHandlers } from "./server/stats-handlers.ts";

/** How the kubelet API is served; see KubeletServerOptions for what each means. */
export interface KubeletApiOptions
  extends Omit<KubeletServerOptions, "nodes" | "handlers" | "problem" | "log" | "metrics"> {
  /** Run beside the server: what keeps certificates and authorities fresh. */
  readonly background?: readonly { run(signal: AbortSignal): Promise<void> }[] | undefined;
}

/** What the assembly gives to it. */
export interface KubeletApiParts {
  /** UID of the cluster. */
  readonly cluster: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly provider: Provider;
    readonly listener: Omit<NodeListener, "node">;
  }[];
  readonly pods: {
    podsOf(node: string): readonly Stored<Pod>[];
    find(node: string, namespace: string, name: string): Stored<Pod> | undefined;
  };
  /** What one of the node's pods costs, where that is known. */
  readonly costOf?: ((node: string, pod: Stored<Pod>) => object | undefined) | undefined;
  /** `status.capacity` of the node. */
  readonly capacityOf: (node: string) => Readonly<Record<string, Quantity>> | undefined;
  /** What is wrong with the work on the node's pods. */
  readonly problem: (node: string) => string | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export class KubeletApi {
  readonly #server: KubeletServer;
  /** Which nodes each certificate is for. */
  readonly #serving: ReadonlyMap<Renewed<ServingCertificate>, readonly string[]>;
  readonly #clientCA: Renewed<unknown> | undefined;
  readonly #ended: AbortController = new AbortController();
  readonly #background: NonNullable<KubeletApiOptions["background"]>;
  readonly #metrics: Metrics;

  /** Throws Invalid when nodes collide. */
  constructor({ background = [], ...options }: KubeletApiOptions, parts: KubeletApiParts) {
    const { cluster, pods, costOf, log, metrics } = parts;
    const nodes = parts.nodes.map(({ name, provider, listener }): NodeListener => {
      const node: ServedNode = {
        name,
        provider,
        pods: () => pods.podsOf(name),
        ...(costOf === undefined ? {} : { costOf: (pod: Stored<Pod>) => costOf(name, pod) }),
        find: (namespace, pod) => pods.find(name, namespace, pod),
        ownerOf: ({ metadata }) => ({
          cluster,
          node: name,
          namespace: metadata.namespace ?? "",
          name: metadata.name,
          uid: metadata.uid,
        }),
      };
      return { ...listener, node };
    });
    const stats = createStatsHandlers({
      metrics,
      kubeletVersion: options.version ?? "unknown",
      log,
      signal: this.#ended.signal,
      capacityOf: ({ name }) => parts.capacityOf(name),
    });
    this.#background = background;
    this.#metrics = metrics;
    const { certificate } = options;
    this.#serving = Map.groupBy(
      parts.nodes.map(({ name }) => name),
      (node) => (typeof certificate === "function" ? certificate(node) : certificate),
    );
    this.#clientCA = options.clientCA;
    this.#server = new KubeletServer({
      ...options,
      nodes,
      handlers: stats,
      problem: parts.problem,
      log,
      metrics,
    });
  }

  /** Where each node's API is bound, by the node's name; rejects when one cannot be. */
  get listening(): Promise<ReadonlyMap<string, BoundAddress>> {
    return this.#server.listening;
  }

  /** Serves until the signal aborts and what is under way has ended. Throws Unavailable when an address cannot be had. */
  async run(signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    const background = this.#background.map((part) => part.run(end.signal));
    const fault = Promise.race(background.map(untilFault));
    // It may come while nobody waits for it yet.
    fault.catch(() => undefined);
    let serving: Promise<void> | undefined;
    const untold = [...this.#serving].map(([source, nodes]) => this.#tellExpiry(source, nodes));
    try {
      await Promise.all([
        awaited([...this.#serving.keys()], servingMs, signal),
        awaited(this.#clientCA === undefined ? [] : [this.#clientCA], clientCAMs, signal),
      ]);
      serving = this.#server.run(AbortSignal.any([signal, end.signal]));
      await Promise.race([serving, fault]);
    } finally {
      for (const stop of untold) stop();
      end.abort();
      this.#ended.abort();
      await Promise.all([serving, ...background]);
    }
  }

  /** Keeps the metric of when a certificate ends, until the returned function is called. */
  #tellExpiry(source: Renewed<ServingCertificate>, nodes: readonly string[]): () => void {
    const tell = (): void => {
      let expiry: number;
      try {
        expiry = new X509Certificate(source.current().cert).validToDate.getTime() / 1000;
      } catch {
        return; // None yet, or none that can be read: the server says so.
      }
      for (const node of nodes) this.#metrics.certificateExpiry.set({ node, use: "serving" }, expiry);
    };
    tell();
    return source.subscribe(tell);
  }
}

/**
 * So long the server waits for its certificates; without them it starts all the same, and takes them when they come. The
 * cluster's client CA is one that may not be allowed to be read.
 */
const servingMs = 3000;
const clientCAMs = 500;

/** Resolves when all of them are there, or have had their time. */
async function awaited(sources: readonly Renewed<unknown>[], limitMs: number, signal: AbortSignal): Promise<void> {
  const late = new AbortController();
  const stop = AbortSignal.any([signal, late.signal]);
  const cancel = systemClock.schedule(limitMs, () => late.abort());
  await Promise.allSettled(sources.map((source) => available(source, stop)));
  cancel();
}

/** Pends for ever but for a fault. */
function untilFault(work: Promise<void>): Promise<void> {
  return new Promise((_, reject) => {
    work.catch(reject);
  });
}
