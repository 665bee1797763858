// CloudProvider keeps the provider contract, over a cloud that shows its groups late and lists them without containers.
import { silentLogger } from "../log.ts";
import { MemoryCloud } from "../testing/memory-cloud.ts";
import { providerConformance } from "../testing/provider-conformance.ts";
import { CloudProvider } from "./cloud-provider.ts";

const pace = { fastMs: 20, slowMs: 100, steadyMs: 100 };
const image = "sleep";
const lacks = [
  "configureNode",
  "getContainerLogs",
  "runInContainer",
  "attachToContainer",
  "portForward",
  "getStatsSummary",
] as const;

for (const [name, options] of [
  ["in batches", { shownAfterMs: 30 }],
  ["one by one, listed partly", { describeAtOnce: 1, listsPartly: true }],
] as const) {
  const cloud = new MemoryCloud(options);
  providerConformance(`a cloud in memory, ${name},`, {
    create: async () => {
      const provider = new CloudProvider({
        ...{ backend: cloud, node: "conformance-node", log: silentLogger, capabilities: {}, pace, consistencyMs: 1000 },
      });
      return { provider, dispose: async () => {} };
    },
    runningPod: { spec: { containers: [{ name: "main", image }] } },
    finishingPod: (code) => ({
      spec: { restartPolicy: "Never", containers: [{ name: "main", image: `exit-${code}` }] },
    }),
    outlives: true,
    lacks,
  });
}
