// The kubelet API of an assembly: the server over the nodes' pods and providers, and what keeps its certificates fresh.
import { systemClock } from "./clock.ts";
import type { Stored } from "./kube/resource.ts";
import type { Pod, Quantity } from "./kube/types.gen.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Provider } from "./provider.ts";
import type { Renewed } from "./server/certificate-source.ts";
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
  /** `status.capacity` of the node. */
  readonly capacityOf: (node: string) => Readonly<Record<string, Quantity>> | undefined;
  /** What is wrong with the work on the node's pods. */
  readonly problem: (node: string) => string | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export class KubeletApi {
  readonly #server: KubeletServer;
  readonly #serving: readonly Renewed<unknown>[];
  readonly #clientCA: Renewed<unknown> | undefined;
  readonly #ended: AbortController = new AbortController();
  readonly #background: NonNullable<KubeletApiOptions["background"]>;

  /** Throws Invalid when nodes collide. */
  constructor({ background = [], ...options }: KubeletApiOptions, parts: KubeletApiParts) {
    const { cluster, pods, log, metrics } = parts;
    const nodes = parts.nodes.map(({ name, provider, listener }): NodeListener => {
      const node: ServedNode = {
        name,
        provider,
        pods: () => pods.podsOf(name),
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
    const { certificate } = options;
    this.#serving =
      typeof certificate === "function" ? parts.nodes.map(({ name }) => certificate(name)) : [certificate];
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
    try {
      await Promise.all([
        awaited(this.#serving, servingMs, signal),
        awaited(this.#clientCA === undefined ? [] : [this.#clientCA], clientCAMs, signal),
      ]);
      await Promise.race([this.#server.run(signal), ...background.map(untilFault)]);
    } finally {
      end.abort();
      this.#ended.abort();
      await Promise.all(background);
    }
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
