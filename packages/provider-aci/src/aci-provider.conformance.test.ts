// The ACI provider keeps the provider contract, over a fake of the cloud whose groups run in memory.
import assert from "node:assert/strict";
import { after } from "node:test";
import { MemoryGroups, providerConformance } from "@virtual-kubelet/virtual-kubelet/testing";
import { providerOf } from "./testing/aci-bench.ts";
import { FakeArm } from "./testing/fake-arm.ts";

const fake = await FakeArm.start({ runner: new MemoryGroups() });
after(async () => {
  await fake[Symbol.asyncDispose]();
  assert.deepEqual(fake.problems, []);
});

// With a public address.
const ports = [{ containerPort: 80 }];
providerConformance("ACI", {
  create: async () => ({
    provider: providerOf(fake, { node: "conformance-node", cluster: "conformance" }),
    dispose: async () => {},
  }),
  runningPod: { spec: { containers: [{ name: "main", image: "app:1", ports }] } },
  finishingPod: (code) => ({
    spec: { restartPolicy: "Never", containers: [{ name: "main", image: `exit-${code}` }] },
  }),
  outlives: true,
  lacks: ["configureNode", "portForward"],
});
