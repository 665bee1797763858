// Containers of a real engine keep the contract of a container runtime. Needs root on Linux and podman.
import { text } from "node:stream/consumers";
import { after } from "node:test";
import { runtimeConformance } from "../packages/virtual-kubelet/src/testing/runtime-conformance.ts";
import { context, openRuntime } from "./containers-bench.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const engine = await PodmanBench.start();
after(() => engine[Symbol.asyncDispose]());

const sh = (script: string) => ({ image: benchImage, command: ["/bin/sh", "-c", script] });

runtimeConformance("containers of Podman", {
  create: () => openRuntime(engine, "node-a"),
  running: sh("trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"),
  ending: (exitCode) => sh(`exit ${exitCode}`),
  stubborn: sh("trap '' TERM; echo ready; while :; do sleep 0.1; done"),
  settled: async (runtime, ref) => (await text((await runtime.logs(ref, {}, context)).data)).includes("ready"),
  outlives: true,
});
