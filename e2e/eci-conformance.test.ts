// The ECI provider keeps the provider contract, over the fake of the cloud whose groups are real containers: commands, terminals,
// restarts and the end by TERM included. Needs root on Linux and podman.
import assert from "node:assert/strict";
import { after } from "node:test";
import { providerOf } from "../packages/provider-eci/src/testing/eci-bench.ts";
import { FakeEci } from "../packages/provider-eci/src/testing/fake-eci.ts";
import { providerConformance } from "../packages/virtual-kubelet/src/testing/provider-conformance.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const parts = new AsyncDisposableStack();
after(() => parts.disposeAsync());
const engine = parts.use(await PodmanBench.start());
const runner = parts.use(new PodmanGroups(engine));
// A restart takes its time, as on the cloud: what ends by TERM is stopped before it begins anew.
const fake = await FakeEci.start({ runner, pace: { restartMs: 2_000 } });
parts.defer(async () => {
  await fake[Symbol.asyncDispose]();
  assert.deepEqual(fake.problems, []);
});

const container = (script: string): { readonly name: string; readonly image: string } => ({
  ...{ name: "main", image: benchImage, command: ["/bin/sh", "-c", script] },
  ...{ resources: { requests: { cpu: "250m", memory: "200Mi" } } },
});
const wait = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";

providerConformance("ECI over containers of Podman", {
  create: async () => ({
    provider: providerOf(fake, { node: "conformance-node", cluster: "conformance" }),
    dispose: async () => {},
  }),
  runningPod: { spec: { containers: [container(wait)] } },
  finishingPod: (exitCode) => ({ spec: { restartPolicy: "Never", containers: [container(`exit ${exitCode}`)] } }),
  restartingPod: { spec: { restartPolicy: "Always", containers: [container("exit 1")] } },
  loggingPod: { spec: { containers: [container(`echo line; ${wait}`)] } },
  outlives: true,
  lacks: ["stopPod", "configureNode", "attachToContainer", "portForward"],
});
