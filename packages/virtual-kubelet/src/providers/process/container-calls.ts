// What is asked about single runs: made, started, stopped, removed, each by its id and as often as one likes.
import { mkdirSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerRef, ContainerSpec, Mount } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { limitCgroups, makeCgroups, removeCgroups } from "../../host/cgroups.ts";
import { removeTree } from "../../host/mounts.ts";
import { writeWhole } from "../../host/state-files.ts";
import type { ResourceRequirements } from "../../kube/types.gen.ts";
import { bindSubPaths } from "./container-files.ts";
import { planContainer } from "./container-plan.ts";
import { oomScoreAdj } from "./oom-score.ts";
import { type PodRecord, runKey } from "./pod-record.ts";
import { writeDescription } from "./run-record.ts";
import { enterScript, initScript, supervisorScript } from "./run-scripts.ts";
import type { RuntimeState } from "./runtime-state.ts";

export async function createContainer(state: RuntimeState, spec: ContainerSpec): Promise<void> {
  const pod = state.pod(spec.podUid);
  if (pod.runs.has(runKey(spec.name, spec.attempt))) return;
  if (pod.description.boot !== state.boot)
    throw new VirtualKubeletError("NotFound", `the sandbox of pod ${spec.podUid} is not ready`);
  const image = state.images.get(spec.image);
  const directory = pod.runDirectory(spec.name, spec.attempt);
  // Of a call that was broken off.
  await removeTree(directory);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { hostPaths, isolation } = state.config;
  const places = { volumes: pod.volumes, notes: pod.description.volumes };
  const { log } = state.options;
  const bound =
    isolation === "namespaces"
      ? await bindSubPaths(spec, places, join(directory, "mounts"), { hostPaths, log })
      : new Map<Mount, string>();
  const { plan, description, files } = planContainer(spec, {
    ...{ config: state.config, rules: state.userRules, pod, image, directory, bound },
    stateDirectory: state.config.stateDirectory,
    cgroups: state.cgroupPaths(spec.podUid, `${spec.name}.${spec.attempt}`),
    joinPid: targetPid(pod, spec),
    oomScoreAdj: state.userRules.root ? oomScoreAdj(spec.resources) : undefined,
    now: state.clock.now(),
  });
  for (const { name, content, mode } of files) {
    await writeWhole(join(directory, name), content, mode);
    await chmod(join(directory, name), mode);
  }
  await writeWhole(join(directory, "supervise.sh"), supervisorScript(plan));
  await writeWhole(join(directory, "init.sh"), initScript(plan));
  await writeWhole(join(directory, "enter.sh"), enterScript(plan.enter));
  // With this it is there.
  await writeDescription(directory, description);
  state.addRun(pod, directory, description);
  state.events.tell(spec.podUid);
}

/** First process of the container whose processes this one is to see. Throws Unavailable while that does not run. */
function targetPid(pod: PodRecord, { targetContainer }: ContainerSpec): number | undefined {
  if (targetContainer === undefined) return undefined;
  for (const run of pod.runs.values()) {
    const state = run.record.state();
    if (run.ref.name !== targetContainer || state.type !== "running") continue;
    return run.record.description.ownPids ? state.main.pid : undefined;
  }
  throw new VirtualKubeletError("Unavailable", `container ${targetContainer} is not running`);
}

export async function startContainer(state: RuntimeState, ref: ContainerRef, signal: AbortSignal): Promise<void> {
  const run = state.run(ref);
  const { cgroups, spec } = run.record.description;
  if (state.cgroupHost !== undefined && cgroups.length > 0 && run.record.state().type === "created")
    makeCgroups(state.cgroupHost, state.cgroupName(ref.podUid, `${ref.name}.${ref.attempt}`), spec.resources);
  await run.start(signal);
}

export async function removeContainer(state: RuntimeState, ref: ContainerRef, signal: AbortSignal): Promise<void> {
  const pod = state.pods.get(ref.podUid);
  const key = runKey(ref.name, ref.attempt);
  const run = pod?.runs.get(key);
  if (pod === undefined || run === undefined) return;
  await run.stop(0, "SIGKILL", signal);
  run.killRest();
  run.endRest();
  await run.close();
  await removeTree(run.record.directory);
  removeCgroups(run.record.description.cgroups);
  pod.runs.delete(key);
  state.events.tell(ref.podUid);
}

export function updateResources(state: RuntimeState, ref: ContainerRef, resources: ResourceRequirements): void {
  const { cgroups } = state.run(ref).record.description;
  if (cgroups.length === 0)
    throw new VirtualKubeletError("Unsupported", "there are no control groups here, so no container has limits");
  limitCgroups(cgroups, resources);
}
