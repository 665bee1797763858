// New contents of volumes of a running pod. The cloud restarts a group to change its volumes; those that a helper brought are directories,
// which a container that can write to them is told to change.
import {
  type PodRequest,
  type ResolvedFile,
  type ResolvedVolume,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { volumeWrite } from "@virtual-kubelet/virtual-kubelet/cloud";
import { helperContainer } from "./files-helper.ts";
import type { ContainerGroup } from "./wire.ts";

export interface VolumeWrite {
  /** The container that does it. */
  readonly container: string;
  /** Where it has the volume. */
  readonly path: string;
  readonly files: readonly ResolvedFile[];
  readonly volume: string;
}

export interface VolumeWrites {
  readonly writes: readonly VolumeWrite[];
  /** Names of those that stay as they were created. */
  readonly kept: readonly string[];
}

/** What of it can be done, and by whom. Pure. */
export function volumeWrites(group: ContainerGroup, volumes: readonly ResolvedVolume[]): VolumeWrites {
  const { initContainers = [], containers } = group.properties;
  const delivered = new Set(
    initContainers.find(({ name }) => name === helperContainer)?.properties.volumeMounts?.map(({ name }) => name) ?? [],
  );
  const writes: VolumeWrite[] = [];
  const kept: string[] = [];
  for (const volume of volumes) {
    if (volume.type !== "files") continue;
    const { name, files } = volume;
    const able = containers.flatMap((container) => {
      const mount = container.properties.volumeMounts?.find((each) => each.name === name && each.readOnly !== true);
      const isRunning = container.properties.instanceView?.currentState?.state === "Running";
      return mount === undefined || !isRunning ? [] : [{ container: container.name, path: mount.mountPath }];
    })[0];
    if (!delivered.has(name) || able === undefined) kept.push(name);
    else writes.push({ ...able, files, volume: name });
  }
  return { writes, kept };
}

/** Files that are there and no longer wanted stay: nobody knows whose they are. */
export function writeCommand(
  { path, files, volume }: VolumeWrite,
  { pod }: PodRequest,
): { readonly command: readonly string[]; readonly input: Buffer } {
  const gid = pod.spec?.securityContext?.fsGroup;
  const field = `spec.volumes[${(pod.spec?.volumes ?? []).findIndex(({ name }) => name === volume)}]`;
  return volumeWrite([{ path, files, field }], gid === undefined ? {} : { gid });
}

export async function updateVolumes(
  group: ContainerGroup,
  request: PodRequest,
  volumes: readonly ResolvedVolume[],
  run: (container: string, command: readonly string[], input: Buffer) => Promise<number>,
): Promise<void> {
  const { writes, kept } = volumeWrites(group, volumes);
  for (const write of writes) {
    const { command, input } = writeCommand(write, request);
    const exitCode = await run(write.container, command, input);
    if (exitCode !== 0)
      throw new VirtualKubeletError(
        "Unavailable",
        `volume ${write.volume} could not be written in container ${write.container}: tar ended with ${exitCode}`,
      );
  }
  if (kept.length > 0)
    throw new VirtualKubeletError(
      "Unsupported",
      `volumes ${kept.join(", ")} keep what they were created with: the cloud changes them only with a restart of the group`,
    );
}
