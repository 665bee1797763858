// A composite keeps the provider contract, whichever of its members has a pod.
import { CloudProvider } from "../cloud/cloud-provider.ts";
import { silentLogger } from "../log.ts";
import { MemoryCloud } from "../testing/memory-cloud.ts";
import { providerConformance } from "../testing/provider-conformance.ts";
import { CompositeProvider } from "./composite-provider.ts";
import { parseCompositeConfig } from "./config.ts";

const node = "conformance-node";
const lacks = [
  "configureNode",
  "getContainerLogs",
  "runInContainer",
  "attachToContainer",
  "portForward",
  "getStatsSummary",
] as const;
const clouds = new Map([
  ["one", new MemoryCloud()],
  ["two", new MemoryCloud({ listsPartly: true, describeAtOnce: 1 })],
]);
const pace = { fastMs: 20, slowMs: 100, steadyMs: 100 };

providerConformance("a composite of two clouds in memory", {
  create: async () => {
    const providers = new Map(
      [...clouds].map(([name, backend]) => [
        name,
        new CloudProvider({ backend, node, log: silentLogger, capabilities: {}, pace, consistencyMs: 300 }),
      ]),
    );
    const members = [...clouds.keys()].map((name) => ({ name, provider: "memory" }));
    const config = parseCompositeConfig({ members, rule: "weight" });
    return { provider: new CompositeProvider({ node, config, providers, log: silentLogger }), dispose: async () => {} };
  },
  runningPod: { spec: { containers: [{ name: "main", image: "sleep" }] } },
  finishingPod: (code) => ({ spec: { restartPolicy: "Never", containers: [{ name: "main", image: `exit-${code}` }] } }),
  outlives: true,
  lacks,
});
