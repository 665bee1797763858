// The Nomad provider keeps the provider contract, over Nomad in memory.
import { after } from "node:test";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { MemoryGroups, providerConformance } from "@virtual-kubelet/virtual-kubelet/testing";
import { parseNomadConfig } from "./config.ts";
import { nomadProviderOf } from "./nomad-provider.ts";
import { MemoryNomad } from "./testing/memory-nomad.ts";

const runner = new MemoryGroups();
const nomad = new MemoryNomad(runner);
after(async () => {
  await nomad.close();
  await runner[Symbol.asyncDispose]();
});

providerConformance("Nomad", {
  create: async () => ({
    provider: nomadProviderOf(
      { node: "conformance-node", cluster: "conformance", log: silentLogger },
      parseNomadConfig({}, {}),
      nomad,
      { pace: { fastMs: 20, slowMs: 100, steadyMs: 100, pushedMs: 200 }, consistencyMs: 1000, followEveryMs: 50 },
    ),
    dispose: async () => {},
  }),
  runningPod: { spec: { containers: [{ name: "main", image: "app:1" }] } },
  finishingPod: (code) => ({
    spec: { restartPolicy: "Never", containers: [{ name: "main", image: `exit-${code}` }] },
  }),
  outlives: true,
  lacks: ["configureNode", "attachToContainer"],
});
