// What the assembly gets from the configuration; providers are made with patience, and given back when one fails.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import type { CreateProvider, Provider, ProviderInit } from "../provider.ts";
import { assemblySettings, makeNodes, nodeSpecOf } from "./assemble.ts";
import { type Config, type NodeConfig, nodeDefaults, processDefaults } from "./config.ts";
import { UsageError } from "./fault.ts";
import { kubeletVersion, version } from "./version.ts";

const node = (name: string, more: Partial<NodeConfig> = {}): NodeConfig => ({
  ...nodeDefaults,
  name,
  provider: { name: "p" },
  taints: [],
  port: 10250,
  ...more,
});
const never = (): Promise<never> => Promise.reject(new Error("not called in this test"));
const provider: Provider = { createPod: never, deletePod: never, getPodStatus: never, getPods: never };

test("every setting reaches the assembly", () => {
  assert.deepEqual(assemblySettings(processWith([])), {
    pods: {
      workers: 10,
      statusForm: "put",
      statusWorkers: 128,
      resyncMs: 60_000,
      pollMinMs: 1000,
      pollMaxMs: 30_000,
      orphanGraceMs: 60_000,
      callTimeoutMs: 120_000,
    },
    resolve: { clusterDomain: "cluster.local", clusterDNS: undefined },
    budgets: undefined,
    perNodeWatchLimit: 10,
    shutdownNode: "leave",
    leaseDurationSeconds: 40,
    statusReportMs: 300_000,
  });
});

test("the addresses of the cluster's DNS reach the assembly", () => {
  const clusterDNS = ["10.0.0.10", "fd00::a"];
  assert.deepEqual(assemblySettings({ ...processWith([]), clusterDNS }).resolve?.clusterDNS, clusterDNS);
});

test("a node's settings become its specification", () => {
  const config = node("vk-0", {
    provider: { name: "@scope/provider-x" },
    internalIP: "10.0.0.1",
    addresses: [{ type: "ExternalIP", address: "1.2.3.4" }],
    providerID: "x://1",
  });
  assert.deepEqual(nodeSpecOf(config, processDefaults), {
    name: "vk-0",
    provider: { name: "provider-x", version },
    kubeletVersion,
    operatingSystem: "linux",
    architecture: undefined,
    labels: {},
    annotations: {},
    taints: [],
    addresses: [
      { type: "InternalIP", address: "10.0.0.1" },
      { type: "ExternalIP", address: "1.2.3.4" },
    ],
    capacity: {},
    providerID: "x://1",
    port: 10250,
    pingIntervalMs: 10_000,
    pingTimeoutMs: 10_000,
    pingThreshold: 3,
  });
});

function processWith(nodes: readonly NodeConfig[]): Config {
  return { ...processDefaults, nodes };
}

/** A clock on which every wait is over at once. */
const waits: number[] = [];
const clock: Clock = {
  now: () => 0,
  schedule: (delayMs, callback) => {
    waits.push(delayMs);
    setImmediate(callback);
    return () => undefined;
  },
};

function make(
  nodes: readonly NodeConfig[],
  create: CreateProvider,
  made: Provider[] = [],
): ReturnType<typeof makeNodes> {
  const options = {
    config: processWith(nodes),
    modules: new Map([["p", create]]),
    cluster: "c-1",
    log: silentLogger,
    metrics: createMetrics(),
    clock,
    onMade: (one: Provider) => made.push(one),
  };
  return makeNodes(options, new AbortController().signal);
}

describe("providers", () => {
  test("are made with what their node says, in its order", async () => {
    const inits: ProviderInit[] = [];
    const nodes = [
      node("a", { provider: { name: "p", config: { x: 1 }, configPath: "/f" }, internalIP: "10.0.0.1", port: 1 }),
      ...Array.from({ length: 40 }, (_, index) => node(`n-${index}`)),
    ];
    const made = await make(nodes, (init) => {
      inits.push(init);
      return provider;
    });
    assert.deepEqual(
      made.map((one) => one.node.name),
      nodes.map(({ name }) => name),
    );
    assert.deepEqual(inits[0], {
      node: "a",
      operatingSystem: "linux",
      cluster: "c-1",
      clusterDomain: "cluster.local",
      internalIP: "10.0.0.1",
      daemonEndpointPort: 1,
      configPath: "/f",
      config: { x: 1 },
      prices: undefined,
      hasCeiling: false,
      log: silentLogger,
    });
  });

  test("whose backend is away are tried again, with back-off", async () => {
    waits.length = 0;
    let tries = 0;
    await make([node("a")], () => {
      if (++tries < 4) throw new VirtualKubeletError("Unavailable", "away");
      return provider;
    });
    assert.equal(waits.length, 3);
    for (const [index, wait] of waits.entries())
      assert.ok(wait >= 350 * 2 ** index && wait <= 650 * 2 ** index, String(wait));
  });

  test("that are wrong end it, and those already made are known", async () => {
    const made: Provider[] = [];
    const failing: CreateProvider = async ({ node: name }) => {
      if (name === "b") throw new VirtualKubeletError("Invalid", "config.cpu: bad");
      return Promise.resolve(provider);
    };
    await assert.rejects(make([node("a"), node("b")], failing, made), (error: unknown) => {
      assert.ok(error instanceof UsageError);
      assert.equal(error.message, "1 fault in the configuration:\n  node b: config.cpu: bad");
      return true;
    });
    assert.deepEqual(made, [provider]);
  });
});
