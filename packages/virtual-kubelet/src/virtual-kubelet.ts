// Assembly of one virtual kubelet: events, pods and nodes over one client, in the order in which they start and stop.
import { assembledBudgets } from "./assembled-budgets.ts";
import type { Budgets } from "./budget/budgets.ts";
import { type Clock, pause, systemClock } from "./clock.ts";
import { EventRecorder } from "./kube/event-recorder.ts";
import type { Stored } from "./kube/resource.ts";
import type { Node, NodeAddress, Quantity } from "./kube/types.gen.ts";
import { KubeletApi } from "./kubelet-api.ts";
import { type Logger, silentLogger } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { NodeController } from "./node/node-controller.ts";
import type { NodeSpec } from "./node/node-entry.ts";
import { defaultPort, withCapacity } from "./node/node-object.ts";
import { nodeWatchMode } from "./node/node-watch.ts";
import type { ShutdownRule } from "./pod/node-shutdown.ts";
import { PodController } from "./pod/pod-controller.ts";
import type { NodeReport } from "./provider/node.ts";
import type { CallContext, Provider } from "./provider.ts";
import { PodResolver } from "./resolve/pod-resolver.ts";
import { claimsFor } from "./resolve/volume-claim.ts";
import { observedClient } from "./view/observed-client.ts";
import { observedRecorder } from "./view/observed-recorder.ts";
import { checkNodes, type VirtualKubeletOptions, type VirtualNode } from "./virtual-kubelet-options.ts";

export interface Health {
  readonly ready: boolean;
  /** Name and outcome of each check. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly message?: string }[];
}

/** What nodes promise whose kubelet API is served: the API server passes WebSockets on to it as they are. */
const servedFeatures: readonly string[] = ["ExtendWebSocketsToKubelet"];

/** How long slow backends may hold up the registration of the nodes; their pods wait on. */
const firstListingMs = 10_000;

export class VirtualKubelet {
  readonly #options: VirtualKubeletOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #recorder: EventRecorder;
  readonly #nodes: NodeController;
  readonly #pods: PodController;
  readonly #resolver: PodResolver | undefined;
  readonly #budgets: Budgets | undefined;
  readonly #api: KubeletApi | undefined;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  /** Throws Invalid when the nodes do not fit the credentials. */
  constructor(options: VirtualKubeletOptions) {
    checkNodes(options);
    this.#options = options;
    const { identity, observer } = options;
    const client = observer === undefined ? options.client : observedClient(options.client, observer);
    const metrics = options.metrics ?? createMetrics();
    const clock = options.clock ?? systemClock;
    const log = options.log ?? silentLogger;
    const random = options.random ?? Math.random;
    this.#clock = clock;
    this.#log = log;
    this.#recorder = new EventRecorder({
      client,
      component: "kubelet",
      busy: () => this.#pods.isBusy(),
      clock,
      log,
      metrics,
    });
    const recorder = observer === undefined ? this.#recorder : observedRecorder(this.#recorder, observer);
    const names = options.nodes.map(({ node }) => node.name);
    const watchMode = nodeWatchMode(identity.credentials, names.length, options.perNodeWatchLimit);
    this.#nodes = new NodeController({
      client,
      recorder,
      credentials: identity.credentials,
      watchMode,
      shutdown: options.shutdownNode ?? "leave",
      leaseDurationSeconds: options.leaseDurationSeconds,
      statusReportMs: options.statusReportMs,
      clock,
      random,
      log,
      metrics,
    });
    for (const virtual of options.nodes)
      this.#nodes.add(withProvider(virtual, log, options.kubeletApi === undefined ? [] : servedFeatures));
    const resolves = options.nodes.some(({ provider }) => provider.capabilities?.resolve === true);
    this.#resolver = !resolves
      ? undefined
      : new PodResolver({
          clusterDomain: "cluster.local",
          ...options.resolve,
          client,
          node: (name) => this.#nodes.current(name),
          claims: claimsFor(options.nodes),
          onChange: (uid) => this.#pods.resolutionChanged(uid),
          clock,
          random,
          log,
          metrics,
        });
    this.#budgets = assembledBudgets(options, this.#nodes, { clock, metrics });
    this.#pods = new PodController({
      ...options.pods,
      budgets: this.#budgets,
      resolution: this.#resolver,
      client,
      recorder,
      cluster: identity.cluster,
      watchMode,
      observer,
      mayWatchAll: identity.credentials === "service-account",
      nodes: options.nodes.map(({ node, provider }) => ({
        name: node.name,
        provider,
        object: () => this.#nodes.current(node.name),
        addresses: () => this.#internalIPs(node.name),
      })),
      clock,
      random,
      log,
      metrics,
    });
    this.#api = this.#kubeletApi(options, log, metrics);
  }

  #kubeletApi(
    { kubeletApi, identity, nodes }: VirtualKubeletOptions,
    log: Logger,
    metrics: Metrics,
  ): KubeletApi | undefined {
    if (kubeletApi === undefined) return undefined;
    return new KubeletApi(kubeletApi, {
      cluster: identity.cluster,
      nodes: nodes.map(({ node, provider, listenAddress }) => ({
        name: node.name,
        provider,
        listener: { host: listenAddress, port: node.port ?? defaultPort },
      })),
      pods: this.#pods,
      costOf: this.#budgets && ((node, pod) => this.#budgets?.costOf(node, pod)),
      capacityOf: (node) => this.#nodes.current(node)?.status?.capacity,
      problem: () => (this.#pods.hasSynced() ? undefined : "the pods of the API server are not known yet"),
      log,
      metrics,
    });
  }

  /** Resolves when every node is registered. Pends if run() was never called. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Addresses of the node: in the API, or as configured while it is not registered. */
  addresses(node: string): readonly NodeAddress[] {
    const configured = this.#options.nodes.find((one) => one.node.name === node)?.node.addresses;
    return this.#nodes.current(node)?.status?.addresses ?? configured ?? [];
  }

  /** How it stands inside, for those who look: live values, not to be changed. */
  get inside(): {
    readonly pods: Pick<PodController, "inspect" | "inspectPod" | "inspectNode" | "hasSynced">;
    readonly node: (name: string) => Stored<Node> | undefined;
    readonly nodes: readonly string[];
  } {
    const nodes = this.#options.nodes.map(({ node }) => node.name);
    return { pods: this.#pods, node: (name) => this.#nodes.current(name), nodes };
  }

  health(): Health {
    const checks = [
      { name: "pods-synced", ok: this.#pods.hasSynced() },
      ...this.#options.nodes.map(({ node }) => {
        const registered = this.#nodes.current(node.name) !== undefined;
        return { name: `node-registered/${node.name}`, ok: registered };
      }),
    ];
    return { ready: checks.every(({ ok }) => ok), checks };
  }

  /**
   * Runs until the signal aborts: calls under way are finished, due statuses and events written, Node and Lease left as
   * they are (unless `shutdownNode` says otherwise), pods left running. Rejects on a fault of the program.
   */
  async run(signal: AbortSignal): Promise<void> {
    // Timers of the clock keep no process alive, and while the API server is away there may be no socket that does.
    const alive = setInterval(() => {}, 2 ** 30);
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    const eventsEnd = new AbortController();
    const events = this.#recorder.run(eventsEnd.signal);
    const guarded = async (work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    };
    try {
      const outcomes = await Promise.allSettled([
        guarded(this.#pods.run(stop)),
        guarded(this.#budgets?.run(stop) ?? Promise.resolve()),
        guarded(this.#resolver?.run(stop) ?? Promise.resolve()),
        guarded(this.#api?.run(stop) ?? Promise.resolve()),
        guarded(this.#runNodes(stop)),
        guarded(this.#awaitReady(stop)),
      ]);
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    } finally {
      eventsEnd.abort();
      try {
        await events;
      } finally {
        clearInterval(alive);
      }
    }
  }

  /**
   * While it runs: the nodes go down with all that is on them. They are not ready and take no more pods; their pods are ended,
   * those of the lowest priority first. Resolves when all have ended or their time has; run()'s signal is to be aborted next.
   */
  async shutdown(rules: readonly ShutdownRule[]): Promise<void> {
    for (const { node } of this.#options.nodes) {
      const { name } = node;
      const uid = this.#nodes.current(name)?.metadata.uid;
      const target = { apiVersion: "v1", kind: "Node", name, ...(uid === undefined ? {} : { uid }) };
      this.#recorder.record(target, "Normal", "Shutdown", "Shutdown manager detected shutdown event", { host: name });
      this.#nodes.setReadyGate(name, "node is shutting down");
    }
    await this.#pods.shutdown(rules);
  }

  /** The nodes come after the pods: a node is Ready only when what is bound to it and what runs there is known. */
  async #runNodes(signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) return;
    await Promise.race([this.#pods.synced, pause(this.#clock, firstListingMs, signal), aborted]);
    const bound = await Promise.race([this.#api?.listening, aborted]);
    for (const [node, { port }] of bound ?? []) this.#nodes.setPort(node, port);
    await this.#nodes.run(signal);
  }

  async #awaitReady(signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) return;
    const registered = Promise.all(this.#options.nodes.map(({ node }) => this.#nodes.registered(node.name)));
    await Promise.race([registered, aborted]);
    if (signal.aborted) return;
    this.#log.info({ nodes: this.#options.nodes.length }, "registered");
    this.#ready.resolve();
  }

  #internalIPs(node: string): readonly string[] {
    return this.addresses(node)
      .filter(({ type }) => type === "InternalIP")
      .map(({ address }) => address);
  }
}

/** Binds the provider's own methods for nodes, where it has them, to the node. */
function withProvider(
  { node, provider, capacity = {} }: VirtualNode,
  log: Logger,
  features: readonly string[],
): NodeSpec {
  const context = (signal: AbortSignal): CallContext => ({ signal, log: log.child({ node: node.name }) });
  return {
    ...node,
    declaredFeatures: [
      ...(node.declaredFeatures ?? []),
      ...(provider.capabilities?.declaredFeatures ?? []),
      ...features,
    ],
    ...(provider.ping === undefined ? {} : { ping: async (signal) => provider.ping?.(context(signal)) }),
    ...(provider.watchNode === undefined
      ? {}
      : { watchNode: (signal) => watched(provider, capacity, context(signal)) }),
    ...(provider.configureNode === undefined
      ? {}
      : {
          configureNode: async (object, signal) => (await provider.configureNode?.(object, context(signal))) ?? object,
        }),
  };
}

async function* watched(
  provider: Provider,
  capacity: Readonly<Record<string, Quantity>>,
  context: CallContext,
): AsyncIterable<NodeReport> {
  if (provider.watchNode === undefined) return;
  for await (const report of provider.watchNode(context)) yield withCapacity(report, capacity);
}
