// Pod controllers between an API in memory and a simulated backend, in fake time; both outlive a controller's restart.
import type { Logger } from "../log.ts";
import { createMetrics, type Metrics } from "../metrics.ts";
import type { PodNode } from "../pod/action-context.ts";
import { PodController } from "../pod/pod-controller.ts";
import type { PodControllerOptions } from "../pod/pod-controller-options.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { Provider } from "../provider.ts";
import { AddressPool } from "../providers/mock/addresses.ts";
import { type CreateOutcome, MockBackend } from "../providers/mock/backend.ts";
import type { BehaviourSettings } from "../providers/mock/behaviour.ts";
import { localConnection } from "../providers/mock/connection.ts";
import { createMockProvider, type MockProvider } from "../providers/mock/mock-provider.ts";
import { FakeClock } from "./fake-clock.ts";
import { MemoryPods } from "./memory-pods.ts";

export interface PodBenchOptions {
  /** Default one, "n". */
  readonly nodes?: readonly string[];
  /** What pods do on the backend. */
  readonly behaviour?: Partial<BehaviourSettings>;
  readonly consistencyDelayMs?: number;
  /** Providers that cannot push. */
  readonly polling?: boolean;
  readonly capabilities?: Capabilities;
  readonly controller?: Partial<PodControllerOptions>;
  readonly random?: () => number;
  /** Puts something of the test's in place of the provider's own. */
  readonly wrap?: (provider: Provider) => Provider;
}

export class PodBench implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly api: MemoryPods = new MemoryPods(() => this.clock.now());
  readonly backend: MockBackend;
  readonly metrics: Metrics = createMetrics();
  /** "Warning Reason", with the pod's name. */
  readonly events: string[] = [];
  readonly warnings: string[] = [];
  /** Provider calls begun, e.g. "createPod web". */
  readonly calls: string[] = [];
  /** How creates ended on the backend, by UID. */
  readonly creates: Map<string, CreateOutcome[]> = new Map();
  /** Allocatable pods of each node; undefined: not registered. */
  capacity: string | undefined = "100";
  readonly #options: PodBenchOptions;
  readonly #providers = new Map<string, MockProvider>();
  #end: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  #hasEnded = false;

  constructor(options: PodBenchOptions = {}) {
    this.#options = options;
    const { behaviour, consistencyDelayMs } = options;
    const addresses = [new AddressPool("10.1.0.0/16")];
    this.backend = new MockBackend({ addresses, behaviour, consistencyDelayMs, clock: this.clock });
    const create = this.backend.create.bind(this.backend);
    this.backend.create = (request, hostIPs) => {
      const outcome = create(request, hostIPs);
      const { uid } = request.owner;
      this.creates.set(uid, [...(this.creates.get(uid) ?? []), outcome]);
      return outcome;
    };
  }

  get nodes(): readonly string[] {
    return this.#options.nodes ?? ["n"];
  }

  provider(node = "n"): MockProvider {
    const provider = this.#providers.get(node);
    if (provider === undefined) throw new Error(`no provider of ${node}`);
    return provider;
  }

  /** Begins a controller; with `ms` it gets so long to settle. */
  async start(ms = 100): Promise<PodController> {
    const { consistencyDelayMs = 0, random = () => 0.5 } = this.#options;
    for (const node of this.nodes) {
      if (this.#providers.has(node)) continue;
      const connection = localConnection(this.backend, false);
      const init = { node, config: consistencyDelayMs === 0 ? {} : { consistencyDelay: `${consistencyDelayMs}ms` } };
      this.#providers.set(node, await createMockProvider(init, { connection, clock: this.clock, random }));
    }
    const log: Logger = {
      debug() {},
      info() {},
      warn: (fields, message) => this.warnings.push(`${message} ${JSON.stringify(fields)}`),
      error: (fields, message) => this.warnings.push(`${message} ${JSON.stringify(fields)}`),
      child: () => log,
    };
    const controller = new PodController({
      client: this.api.client,
      recorder: { record: (target, type, reason) => this.events.push(`${type} ${reason} ${target.name}`) },
      metrics: this.metrics,
      log,
      nodes: this.nodes.map((node) => this.#node(node)),
      cluster: "c",
      watchMode: "per-node",
      clock: this.clock,
      random,
      ...this.#options.controller,
    });
    this.#end = new AbortController();
    this.#hasEnded = false;
    this.#running = controller.run(this.#end.signal).finally(() => {
      this.#hasEnded = true;
    });
    await this.clock.advance(ms);
    return controller;
  }

  /** Ends the controller in good order; throws when it takes longer than `withinMs`. */
  async stop(withinMs = 30_000): Promise<void> {
    if (this.#end === undefined) return;
    this.#end.abort();
    this.#end = undefined;
    for (let spent = 0; !this.#hasEnded && spent < withinMs; spent += 500) await this.clock.advance(500);
    if (!this.#hasEnded) throw new Error(`the controller did not end within ${withinMs} ms`);
    await this.#running;
  }

  phase(name: string): string | undefined {
    return this.api.get(name)?.status?.phase;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const provider of this.#providers.values()) provider.control.faults.clear();
    await this.stop();
    this.backend.close();
  }

  #node(name: string): PodNode {
    const watched = this.#watched(this.provider(name));
    const provider = this.#options.wrap?.(watched) ?? watched;
    return {
      name,
      provider,
      object: () =>
        this.capacity === undefined
          ? undefined
          : {
              metadata: { name, uid: `node-${name}`, resourceVersion: "1" },
              status: { allocatable: { cpu: "1000", memory: "1000Gi", pods: this.capacity } },
            },
      addresses: () => ["192.0.2.1"],
    };
  }

  #watched(provider: MockProvider): Provider {
    const note = (call: string): void => {
      this.calls.push(call);
    };
    const { polling, capabilities } = this.#options;
    const pushes = polling === true ? undefined : provider.watchPods?.bind(provider);
    return {
      capabilities: { ...provider.capabilities, ...capabilities },
      createPod: (request, context) => {
        note(`createPod ${request.owner.name}`);
        return provider.createPod(request, context);
      },
      updatePod: async (request, context) => {
        note(`updatePod ${request.owner.name}`);
        await provider.updatePod?.(request, context);
      },
      stopPod: async (owner, options, context) => {
        note(`stopPod ${owner.name} ${options.gracePeriodSeconds} ${options.failure?.reason ?? ""}`);
        await provider.stopPod?.(owner, options, context);
      },
      deletePod: (owner, options, context) => {
        note(`deletePod ${owner.name} ${options.gracePeriodSeconds}`);
        return provider.deletePod(owner, options, context);
      },
      getPodStatus: (owner, context) => {
        note(`getPodStatus ${owner.name}`);
        return provider.getPodStatus(owner, context);
      },
      getPods: (context) => {
        note("getPods");
        return provider.getPods(context);
      },
      ...(pushes === undefined ? {} : { watchPods: pushes }),
    };
  }
}
