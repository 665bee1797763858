// Processes keep the contract of a container runtime, with and without namespaces. Needs root on Linux.
import { after } from "node:test";
import { benchImage, ProcessBench } from "../../testing/process-bench.ts";
import { runtimeConformance } from "../../testing/runtime-conformance.ts";

for (const isolation of ["namespaces", "none"]) {
  for (const cgroups of ["auto", "off"]) {
    const bench = new ProcessBench({ isolation, cgroups });
    after(() => bench[Symbol.asyncDispose]());
    runtimeConformance(`isolation ${isolation}, cgroups ${cgroups}`, {
      create: () => bench.open(),
      running: {
        image: benchImage,
        command: ["/bin/sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"],
      },
      ending: (exitCode) => ({ image: benchImage, command: ["/bin/sh", "-c", `exit ${exitCode}`] }),
      stubborn: {
        image: benchImage,
        command: ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"],
      },
      settled: async (_, ref) => (await bench.log(ref)).length > 0,
      outlives: true,
    });
  }
}
