// The Nomad provider keeps the provider contract, over the fake with containers in memory.
import assert from "node:assert/strict";
import { after } from "node:test";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { MemoryGroups, providerConformance } from "@virtual-kubelet/virtual-kubelet/testing";
import { parseNomadConfig } from "./config.ts";
import { clientOf, nomadProviderOf } from "./nomad-provider.ts";
import { FakeNomad } from "./testing/fake-nomad/fake-nomad.ts";

const runner = new MemoryGroups();
const nomad = await FakeNomad.start({ runner, secondMs: 20 });
const config = parseNomadConfig({ address: nomad.address }, {});
after(async () => {
  await nomad[Symbol.asyncDispose]();
  await runner[Symbol.asyncDispose]();
  assert.deepEqual(nomad.problems, []);
});

providerConformance("Nomad", {
  create: async () => ({
    provider: nomadProviderOf(
      { node: "conformance-node", cluster: "conformance", log: silentLogger },
      config,
      clientOf(config),
      { pace: { fastMs: 20, slowMs: 100, steadyMs: 100, pushedMs: 200 }, consistencyMs: 1000, followEveryMs: 50 },
    ),
    dispose: async () => {},
  }),
  runningPod: { spec: { containers: [{ name: "main", image: "app:1" }] } },
  finishingPod: (code) => ({
    spec: { restartPolicy: "Never", containers: [{ name: "main", image: `exit-${code}` }] },
  }),
  restartingPod: { spec: { restartPolicy: "Always", containers: [{ name: "main", image: "exit-1" }] } },
  loggingPod: { spec: { containers: [{ name: "main", image: "app:1" }] } },
  outlives: true,
  lacks: ["configureNode", "attachToContainer"],
});
