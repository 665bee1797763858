// The mock provider: a backend that simulates pods instead of running them, for trials, load tests and tests of the core.
import { type Clock, systemClock } from "../../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../../errors.ts";
import type { Node } from "../../kube/types.gen.ts";
import type { Capabilities } from "../../provider/capabilities.ts";
import type { NodeReport } from "../../provider/node.ts";
import type { PodOwner } from "../../provider/pods.ts";
import type {
  CallContext,
  CheckProvider,
  CreateProvider,
  DescribeProvider,
  Provider,
  ProviderInit,
  ProviderMethod,
} from "../../provider.ts";
import { AddressPool } from "./addresses.ts";
import { MockBackend } from "./backend.ts";
import { type MockConfig, readMockConfig } from "./config.ts";
import { type BackendAction, type BackendConnection, localConnection } from "./connection.ts";
import { Faults } from "./faults.ts";
import { kubeletApi } from "./kubelet-api.ts";
import { remoteConnection } from "./remote-connection.ts";
import type { ContainerUsage } from "./usage.ts";

export interface MockProviderOptions {
  /** Default: the one that the configuration asks for. */
  readonly connection?: BackendConnection | undefined;
  readonly clock?: Clock | undefined;
  /** Decides about faults with a probability and about latency. Default Math.random. */
  readonly random?: (() => number) | undefined;
}

/** What tests within the process do to the backend while it works. */
export interface MockControl {
  readonly faults: Faults;
  /** Does something to a pod behind the provider's back. Not subject to faults. */
  act(action: BackendAction): Promise<void>;
  /** What the pod's running containers use now. Throws NotFound. */
  usage(owner: PodOwner): Promise<readonly ContainerUsage[]>;
  /** What watchNode yields from now on; fields replace those of the report before. */
  reportNode(change: NodeReport): void;
}

export interface MockProvider extends Provider {
  readonly control: MockControl;
}

/** Pods of all nodes in this process have different addresses. */
const pools = new Map<string, AddressPool>();

export const createProvider: CreateProvider = async (init) => await createMockProvider(init);

export const describeProvider: DescribeProvider = async (init) => {
  const config = await readMockConfig(init.node, { path: init.configPath, object: init.config });
  const { cpu, memory, pods, others } = config;
  return {
    capabilities: capabilitiesOf(config),
    methods: [...methods],
    node: { capacity: { cpu, memory, pods, ...others } },
  };
};

const methods: readonly ProviderMethod[] = [
  ...(["updatePod", "stopPod", "watchPods", "watchNode", "ping", "configureNode", "getContainerLogs"] as const),
  ...(["runInContainer", "attachToContainer", "portForward", "getStatsSummary"] as const),
];

/** Its faults are those of a real back end: a ping tries the credentials, a create in dry run the quota. */
export const checkProvider: CheckProvider = async (init, { signal }) => {
  const config = await readMockConfig(init.node, { path: init.configPath, object: init.config });
  const faults = new Faults(config.faults, systemClock, Math.random);
  if (config.backend === undefined) await faults.around("ping", signal, async () => {});
  else {
    const connection = remoteConnection(config.backend);
    try {
      await faults.around("ping", signal, (inner) => connection.ping(inner));
    } finally {
      await connection.close();
    }
  }
  const place = config.backend === undefined ? "in this process" : `at ${config.backend}`;
  const reached = { name: "back end", status: "ok", message: `the simulation ${place} answers` } as const;
  try {
    await faults.around("createPod", signal, async () => {});
    return [reached, { name: "quota", status: "ok", message: `room for ${config.pods} pods` }];
  } catch (error) {
    if (!isErrorKind(error, "Quota")) throw error;
    return [
      reached,
      { name: "quota", status: "fail", message: errorText(error), fix: "raise the quota of the account" },
    ];
  }
};

/** As `createProvider`, with what tests put in place of the real, and with the control. */
export async function createMockProvider(
  init: Pick<ProviderInit, "node" | "internalIP" | "configPath" | "config">,
  options: MockProviderOptions = {},
): Promise<MockProvider> {
  const config = await readMockConfig(init.node, { path: init.configPath, object: init.config });
  const clock = options.clock ?? systemClock;
  const connection =
    options.connection ??
    (config.backend === undefined
      ? localConnection(ownBackend(config, clock), true)
      : remoteConnection(config.backend));
  const faults = new Faults(config.faults, clock, options.random ?? Math.random);
  return mockProvider(init, config, connection, faults, clock);
}

function ownBackend(config: MockConfig, clock: Clock): MockBackend {
  const addresses = config.addresses.map((range) => {
    const pool = pools.get(range) ?? new AddressPool(range);
    pools.set(range, pool);
    return pool;
  });
  const { behaviour, seed, consistencyDelayMs } = config;
  return new MockBackend({ addresses, behaviour, seed, consistencyDelayMs, clock });
}

function mockProvider(
  init: Pick<ProviderInit, "node" | "internalIP">,
  config: MockConfig,
  connection: BackendConnection,
  faults: Faults,
  clock: Clock,
): MockProvider {
  const hostIPs = init.internalIP === undefined ? undefined : [init.internalIP];
  const capacity = { cpu: config.cpu, memory: config.memory, pods: config.pods, ...config.others };
  let nodeReport: NodeReport = { capacity };
  const nodeWatchers = new Set<() => void>();
  const lifetime = new AbortController();
  const capabilities = capabilitiesOf(config);

  async function* watchNode({ signal }: CallContext): AsyncGenerator<NodeReport> {
    let wake: (() => void) | undefined;
    const onWake = (): void => wake?.();
    nodeWatchers.add(onWake);
    signal.addEventListener("abort", onWake);
    try {
      for (let shown: NodeReport | undefined; !signal.aborted; ) {
        if (shown === nodeReport) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        shown = nodeReport;
        yield shown;
      }
    } finally {
      nodeWatchers.delete(onWake);
      signal.removeEventListener("abort", onWake);
    }
  }

  return {
    capabilities,
    createPod: (request, { signal: caller, log }) =>
      faults.around("createPod", caller, async (signal) => {
        const outcome = await connection.create(request, hostIPs, signal);
        const { namespace, name, uid } = request.owner;
        log.debug({ namespace, pod: name, uid, outcome }, "mock pod created");
      }),
    updatePod: (request, { signal: caller }) =>
      faults.around("updatePod", caller, (signal) => connection.update(request, signal)),
    deletePod: (owner, { gracePeriodSeconds }, { signal: caller }) =>
      faults.around("deletePod", caller, (signal) => connection.delete(owner, gracePeriodSeconds, signal)),
    stopPod: (owner, order, { signal: caller }) =>
      faults.around("stopPod", caller, (signal) => connection.stop(owner, order, signal)),
    getPodStatus: (owner, { signal: caller }) =>
      faults.around("getPodStatus", caller, (signal) => connection.get(owner.uid, signal)),
    getPods: ({ signal: caller }) => faults.around("getPods", caller, (signal) => connection.list(init.node, signal)),
    watchPods: ({ signal }) => {
      // At once, not with the first value asked for: what happens between the two must not be missed.
      const stop = faults.watchSignal(signal);
      const updates = connection.watch(init.node, stop.signal);
      return (async function* () {
        try {
          await faults.around("watchPods", stop.signal, async () => {});
          yield* updates;
        } catch (error) {
          if (!isErrorKind(error, "Aborted")) throw error;
        } finally {
          stop.end();
        }
        if (!signal.aborted) throw new VirtualKubeletError("Unavailable", "the watch was cut");
      })();
    },
    watchNode,
    ping: ({ signal: caller }) => faults.around("ping", caller, (signal) => connection.ping(signal)),
    configureNode: async (node) => configured(node, config),
    ...kubeletApi({ node: init.node, memory: config.memory, connection, faults, clock, lifetime: lifetime.signal }),
    control: {
      faults,
      usage: (owner) => connection.usage(owner.uid, lifetime.signal),
      act: (action) => connection.act(action, lifetime.signal),
      reportNode(change) {
        nodeReport = { ...nodeReport, ...change };
        for (const wake of nodeWatchers) wake();
      },
    },
    async [Symbol.asyncDispose]() {
      lifetime.abort();
      faults.releaseHangs();
      await connection.close();
    },
  };
}

function capabilitiesOf({ consistencyDelayMs }: MockConfig): Capabilities {
  return { consistencyDelaySeconds: consistencyDelayMs / 1000 };
}

/** As the Go implementation's mock: no cloud load balancer sends traffic to such a node. */
function configured(node: Node, config: MockConfig): Node {
  const labels = {
    ...node.metadata?.labels,
    "alpha.service-controller.kubernetes.io/exclude-balancer": "true",
    "node.kubernetes.io/exclude-from-external-load-balancers": "true",
  };
  return {
    ...node,
    metadata: { ...node.metadata, labels },
    ...(config.providerID === undefined ? {} : { spec: { ...node.spec, providerID: config.providerID } }),
  };
}
