// The ECI provider keeps the provider contract, over a fake of the cloud whose groups run in memory.
import assert from "node:assert/strict";
import { after } from "node:test";
import { MemoryGroups, providerConformance } from "@virtual-kubelet/virtual-kubelet/testing";
import { providerOf } from "./testing/eci-bench.ts";
import { FakeEci } from "./testing/fake-eci.ts";

const fake = await FakeEci.start({ runner: new MemoryGroups() });
after(async () => {
  await fake[Symbol.asyncDispose]();
  assert.deepEqual(fake.problems, []);
});

providerConformance("ECI", {
  create: async () => ({
    provider: providerOf(fake, { node: "conformance-node", cluster: "conformance" }),
    dispose: async () => {},
  }),
  runningPod: { spec: { containers: [{ name: "main", image: "app:1" }] } },
  finishingPod: (code) => ({
    spec: { restartPolicy: "Never", containers: [{ name: "main", image: `exit-${code}` }] },
  }),
  restartingPod: { spec: { restartPolicy: "Always", containers: [{ name: "main", image: "exit-1" }] } },
  loggingPod: { spec: { containers: [{ name: "main", image: "app:1" }] } },
  outlives: true,
  lacks: ["stopPod", "configureNode", "attachToContainer", "portForward"],
});
