// What is asked about pods as a whole: their volumes, devices and notes. Each call can be broken off anywhere and made again.
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerRuntime, RuntimeSandbox, SandboxSpec } from "../../engine/container-runtime.ts";
import { removeCgroups } from "../../host/cgroups.ts";
import { removeTree, unmountUnder } from "../../host/mounts.ts";
import { makeVolumes, updateFiles } from "../../host/pod-volumes.ts";
import { writeWhole } from "../../host/state-files.ts";
import type { ResolvedVolume } from "../../resolved-pod.ts";
import { makeDevices } from "./pod-devices.ts";
import { detach } from "./pod-network.ts";
import { type PodDescription, PodRecord } from "./pod-record.ts";
import type { RuntimeState } from "./runtime-state.ts";
import { checkSandbox } from "./sandbox-check.ts";

export async function createSandbox(state: RuntimeState, spec: SandboxSpec): Promise<RuntimeSandbox> {
  const { uid } = spec.owner;
  const present = state.pods.get(uid);
  if (present?.description.boot === state.boot) return state.shown(present);
  checkSandbox(spec, state.config, state.userRules.root);
  const { volumes, revision, notes, ...rest } = spec;
  const address = spec.hostNetwork ? undefined : state.network?.addresses.take(uid);
  const kept: Omit<PodDescription, "volumes"> = {
    ...{ spec: rest, revision, notes, address, boot: "" },
    createdAt: present?.description.createdAt ?? state.clock.now(),
  };
  const pod = present ?? new PodRecord(state.podDirectory(uid), { ...kept, volumes: [] });
  await pod.write({ ...kept, volumes: [] });
  state.pods.set(uid, pod);
  const volumeNotes = await makeVolumes(pod.volumes, volumes, spec.fsGroup, state.volumeRules);
  if (spec.resolvConf !== undefined) {
    await writeWhole(pod.resolvConf, spec.resolvConf, 0o644);
    await chmod(pod.resolvConf, 0o644);
  }
  if (state.config.isolation === "namespaces") await makeDevices(pod.devices);
  if (address !== undefined) await state.network?.attach(uid, pod.network, address);
  // With this it is ready.
  await pod.write({ ...kept, volumes: volumeNotes, boot: state.boot });
  state.events.tell(uid);
  return state.shown(pod);
}

export async function updateSandbox(
  state: RuntimeState,
  podUid: string,
  change: Parameters<ContainerRuntime["updateSandbox"]>[1],
): Promise<void> {
  const pod = state.pod(podUid);
  const { description } = pod;
  await pod.write({
    ...description,
    revision: change.revision ?? description.revision,
    notes: { ...description.notes, ...change.notes },
  });
  state.events.tell(podUid);
}

/** For good: its volumes go, what is told of it and its logs stay. */
export async function stopSandbox(state: RuntimeState, podUid: string, signal: AbortSignal): Promise<void> {
  const pod = state.pods.get(podUid);
  if (pod === undefined || pod.description.boot === "") return;
  await state.killAll(pod, signal);
  await detach(state.bridge, podUid);
  await pod.write({ ...pod.description, address: undefined, boot: "" });
  state.network?.addresses.giveBack(podUid);
  // All that is in memory, and its network.
  await unmountUnder(pod.directory);
  await removeTree(pod.volumes);
  state.events.tell(podUid);
}

export async function removeSandbox(state: RuntimeState, podUid: string, signal: AbortSignal): Promise<void> {
  const pod = state.pods.get(podUid);
  if (pod === undefined) return state.network?.addresses.giveBack(podUid);
  await state.killAll(pod, signal);
  for (const run of pod.runs.values()) await run.close();
  await detach(state.bridge, podUid);
  await removeTree(pod.directory);
  for (const run of pod.runs.values()) removeCgroups(run.record.description.cgroups);
  // Those above go with the last pod.
  for (const level of ["", "..", "../.."]) removeCgroups(state.cgroupPaths(podUid).map((path) => join(path, level)));
  state.pods.delete(podUid);
  state.network?.addresses.giveBack(podUid);
  state.events.tell(podUid);
}

export async function updateVolumes(
  state: RuntimeState,
  podUid: string,
  volumes: readonly ResolvedVolume[],
): Promise<void> {
  const pod = state.pod(podUid);
  if (pod.description.boot !== state.boot) return;
  await updateFiles(pod.volumes, volumes, pod.description.spec.fsGroup, state.volumeRules);
}
