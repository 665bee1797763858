// New contents of volumes of a pod that runs: written by the keeper of its task, which has them mounted for it, while the pod's own
// containers may only read them.
import type { Task } from "@aws-sdk/client-ecs";
import { type PodRequest, type ResolvedVolume, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type DeliveredVolume, volumeMissing, volumeWrite } from "@virtual-kubelet/virtual-kubelet/cloud";
import { helperPath, keeperContainer } from "./names.ts";

/** Runs a command in the keeper; resolves with its exit code. */
export type RunInKeeper = (command: readonly string[], input: Buffer) => Promise<number>;

/**
 * Throws Unavailable where it cannot be done yet, Unsupported with the volumes' names where it never can. `task`: undefined where
 * there is none; `waits`: another is run in its place.
 */
export async function renewVolumes(
  task: Task | undefined,
  waits: boolean,
  { pod }: PodRequest,
  volumes: readonly ResolvedVolume[],
  run: RunInKeeper,
): Promise<void> {
  const spec = pod.spec ?? { containers: [] };
  const mounted = new Set(
    [...(spec.initContainers ?? []), ...spec.containers].flatMap(({ volumeMounts = [] }) =>
      volumeMounts.map(({ name }) => name),
    ),
  );
  const delivered = volumes.flatMap((volume): readonly DeliveredVolume[] => {
    if (volume.type !== "files" || !mounted.has(volume.name)) return [];
    const index = (spec.volumes ?? []).findIndex(({ name }) => name === volume.name);
    return [{ path: helperPath(volume.name), files: volume.files, field: `spec.volumes[${index}]` }];
  });
  const isOver = task === undefined || task.desiredStatus === "STOPPED";
  // Nobody reads them any more.
  if (delivered.length === 0 || (isOver && !waits)) return;
  const names = volumes.map(({ name }) => name).join(", ");
  const later = (why: string): VirtualKubeletError =>
    new VirtualKubeletError("Unavailable", `volumes ${names} could not be written: ${why}`);
  if (isOver) throw later("the pod's task is run again");
  const kept = (why: string): VirtualKubeletError =>
    new VirtualKubeletError("Unsupported", `volumes ${names} keep what they were created with: ${why}`);
  const status = task.containers?.find(({ name }) => name === keeperContainer)?.lastStatus ?? "none";
  if (status === "none") throw kept("the pod's task has no container that could write to them");
  if (status === "STOPPED") throw kept("the container of the pod's task that could write to them has ended");
  if (status !== "RUNNING") throw later("the container that does it has not started");
  const gid = spec.securityContext?.fsGroup;
  const { command, input } = volumeWrite(delivered, { prune: true, ...(gid === undefined ? {} : { gid }) });
  const exitCode = await run(command, input);
  if (exitCode === volumeMissing) throw kept("the pod's task was made without a container that has them");
  if (exitCode !== 0) throw later(`the command ended with ${exitCode}`);
}
