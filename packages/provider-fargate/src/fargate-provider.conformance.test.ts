// The Fargate provider keeps the provider contract, over a fake region of AWS whose tasks run in memory.
import assert from "node:assert/strict";
import { after } from "node:test";
import { MemoryGroups, providerConformance } from "@virtual-kubelet/virtual-kubelet/testing";
import { FakeEcs } from "./testing/fake-ecs.ts";
import { configOn, providerOn } from "./testing/fargate-bench.ts";

const fake = await FakeEcs.start({ runner: new MemoryGroups(), logGroups: ["/pods"], paceMs: 5, secondMs: 20 });
after(async () => {
  await fake[Symbol.asyncDispose]();
  assert.deepEqual(fake.misuse, []);
});

providerConformance("Fargate", {
  create: async () => ({
    // Groups in memory have no shell on a terminal.
    provider: providerOn(fake, { node: "conformance-node", cluster: "conformance" }, configOn(fake, { exec: false })),
    dispose: async () => {},
  }),
  runningPod: { spec: { containers: [{ name: "main", image: "app:1" }] } },
  finishingPod: (code) => ({
    spec: { restartPolicy: "Never", containers: [{ name: "main", image: `exit-${code}` }] },
  }),
  outlives: true,
  lacks: ["configureNode", "portForward", "runInContainer"],
});
