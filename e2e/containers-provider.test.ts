// The pod engine over containers of a real engine keeps the provider contract. Needs root on Linux and podman.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  checkProvider,
  createContainersProvider,
  describeProvider,
} from "../packages/provider-containers/src/containers-provider.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { optionalMethods } from "../packages/virtual-kubelet/src/program/load-provider.ts";
import type { Provider, ProviderInit } from "../packages/virtual-kubelet/src/provider.ts";
import { providerConformance } from "../packages/virtual-kubelet/src/testing/provider-conformance.ts";
import { containersConfig, context } from "./containers-bench.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const engine = await PodmanBench.start();
after(() => engine[Symbol.asyncDispose]());

const node = "conformance-node";
const port = 8080;
const pod = (script: string, more: object = {}): { readonly name: string; readonly image: string } => ({
  ...{ name: "main", image: benchImage, command: ["/bin/sh", "-c", script], imagePullPolicy: "IfNotPresent" },
  ...more,
});
const wait = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";
const create = (): Promise<Provider> =>
  createContainersProvider(
    { node, log: silentLogger, internalIP: "192.0.2.1", config: containersConfig(engine), configPath: undefined },
    context,
  );

providerConformance("engine over containers of Podman", {
  node,
  create: async () => ({ provider: await create(), dispose: async () => {} }),
  lacks: ["configureNode"],
  outlives: true,
  runningPod: { spec: { containers: [pod(wait)] } },
  finishingPod: (exitCode) => ({ spec: { restartPolicy: "Never", containers: [pod(`exit ${exitCode}`)] } }),
  restartingPod: { spec: { restartPolicy: "Always", containers: [pod("exit 1")] } },
  loggingPod: { spec: { containers: [pod(`echo line; ${wait}`)] } },
  interactivePod: { spec: { containers: [pod("cat", { stdin: true })] } },
  echoPod: { spec: { containers: [pod(`echo up; nc -ll -p ${port} -e cat`)] }, port },
});

test("it describes itself as it is, and checks its engine beside a provider that runs", async () => {
  const init: ProviderInit = {
    ...{ node, operatingSystem: "linux", cluster: "test", clusterDomain: "cluster.local", daemonEndpointPort: 0 },
    ...{ log: silentLogger, config: containersConfig(engine) },
  };
  const provider = await create();
  try {
    const description = await describeProvider(init);
    assert.deepEqual(provider.capabilities, description.capabilities);
    const has = Object.keys(optionalMethods).filter((method) => Reflect.get(provider, method) !== undefined);
    assert.deepEqual([...(description.methods ?? [])].sort(), has.sort());
    const checks = await checkProvider(init, context);
    assert.deepEqual(
      checks.map(({ name }) => name),
      ["engine", "limits of pods", "state directory", "room"],
    );
    assert.match(checks[0]?.message ?? "", /^podman \d\S*, API \S+, at \//);
    assert.deepEqual(
      checks.filter(({ status }) => status === "fail"),
      [],
    );
  } finally {
    await provider[Symbol.asyncDispose]?.();
  }
});
