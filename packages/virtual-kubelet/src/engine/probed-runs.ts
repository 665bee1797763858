// Which runs of a pod are to be probed now, and by which of their probes. Pure.
import type { RuntimeContainer } from "./container-runtime.ts";
import { type ContainerView, postStartDone, viewOf } from "./container-view.ts";
import type { PodContainer } from "./pod-container.ts";
import type { PodFacts } from "./pod-facts.ts";
import type { ProbedRun, ProbeType, RunTarget } from "./probe-results.ts";

export function probedRuns(
  facts: PodFacts,
  target: (of: PodContainer, run: RuntimeContainer) => RunTarget,
): readonly ProbedRun[] {
  return facts.containers.flatMap((of) => {
    if (of.role !== "main" && of.role !== "sidecar") return [];
    const view = viewOf(of, facts);
    const types = typesOf(view, facts);
    if (types.length === 0 || view.run === undefined) return [];
    const { started, ready } = view.memory;
    const startedAt = view.run.startedAt ?? facts.now;
    return [{ ...target(of, view.run), startedAt, types, known: { started, ready } }];
  });
}

function typesOf({ of, run, state, memory, current }: ContainerView, facts: PodFacts): readonly ProbeType[] {
  if (run === undefined || state !== "running" || !current || !postStartDone(of, memory)) return [];
  const { startupProbe, livenessProbe, readinessProbe } = of.container;
  // What is being stopped is judged no more; whether it still serves goes on to be told.
  const stopping = memory.kill !== undefined || facts.memory.ending !== undefined;
  return [
    ...(startupProbe === undefined || stopping ? [] : (["startup"] as const)),
    ...(livenessProbe === undefined || stopping ? [] : (["liveness"] as const)),
    ...(readinessProbe === undefined ? [] : (["readiness"] as const)),
  ];
}
