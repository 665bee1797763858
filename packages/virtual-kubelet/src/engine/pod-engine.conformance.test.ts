// An engine keeps the provider contract, over a runtime in memory that outlives it.
import { systemClock } from "../clock.ts";
import { silentLogger } from "../log.ts";
import type { Provider } from "../provider.ts";
import { MemoryRuntime } from "../testing/memory-runtime.ts";
import { providerConformance } from "../testing/provider-conformance.ts";
import type { ContainerSpec } from "./container-runtime.ts";
import { PodEngine } from "./pod-engine.ts";

/** Commands of this runtime: ["exit", after how many milliseconds, with which code]. */
function script({ command }: ContainerSpec): { readonly exitAfterMs?: number; readonly exitCode?: number } {
  const [verb, after, code] = command ?? [];
  return verb === "exit" ? { exitAfterMs: Number(after), exitCode: Number(code) } : {};
}

const runtime = new MemoryRuntime({ clock: systemClock, script: (spec) => ({ ...script(spec), log: "a line\n" }) });
const container = { name: "main", image: "any:1" };

providerConformance("an engine", {
  outlives: true,
  // Nobody runs commands in memory.
  lacks: ["ping", "configureNode", "runInContainer", "attachToContainer", "portForward"],
  finishingPod: (exitCode) => ({
    spec: { restartPolicy: "Never", containers: [{ ...container, command: ["exit", "10", String(exitCode)] }] },
  }),
  restartingPod: {
    spec: { restartPolicy: "Always", containers: [{ ...container, command: ["exit", "10", "1"] }] },
  },
  loggingPod: { spec: { containers: [container] } },
  create: async () => {
    const engine = new PodEngine({ runtime, node: "conformance-node", log: silentLogger });
    const provider: Provider = {
      capabilities: engine.capabilities,
      createPod: (request, context) => engine.createPod(request, context),
      updatePod: (request, context) => engine.updatePod(request, context),
      stopPod: (owner, options, context) => engine.stopPod(owner, options, context),
      deletePod: (owner, options, context) => engine.deletePod(owner, options, context),
      getPodStatus: (owner, context) => engine.getPodStatus(owner, context),
      getPods: (context) => engine.getPods(context),
      watchPods: (context) => engine.watchPods(context),
      getContainerLogs: (target, options, context) => engine.getContainerLogs(target, options, context),
      ...(engine.watchNode && { watchNode: engine.watchNode }),
      ...(engine.getStatsSummary && { getStatsSummary: engine.getStatsSummary }),
    };
    return { provider, dispose: () => engine[Symbol.asyncDispose]() };
  },
});
