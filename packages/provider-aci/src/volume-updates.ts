// New contents of volumes of a running pod. The cloud restarts a group to change its volumes; those that a helper brought are directories,
// which a container that can write to them is told to change.
import {
  errorText,
  isErrorKind,
  type PodRequest,
  type ResolvedFile,
  type ResolvedVolume,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { volumeWrite } from "@virtual-kubelet/virtual-kubelet/cloud";
import { helperContainer } from "./files-helper.ts";
import type { ContainerGroup } from "./wire.ts";

export interface VolumeWrite {
  readonly volume: string;
  readonly files: readonly ResolvedFile[];
  /** Running containers that have it, and where: one of them does it. */
  readonly by: readonly { readonly container: string; readonly path: string }[];
}

export interface VolumeWrites {
  readonly writes: readonly VolumeWrite[];
  /** Names of those that stay as they were created. */
  readonly kept: readonly string[];
  /** Of those that can be written once a container runs. */
  readonly early: readonly string[];
}

/** What of it can be done, and by whom. Pure. */
export function volumeWrites(group: ContainerGroup, volumes: readonly ResolvedVolume[]): VolumeWrites {
  const { initContainers = [], containers } = group.properties;
  const delivered = new Set(
    initContainers.find(({ name }) => name === helperContainer)?.properties.volumeMounts?.map(({ name }) => name) ?? [],
  );
  const writes: VolumeWrite[] = [];
  const kept: string[] = [];
  const early: string[] = [];
  for (const volume of volumes) {
    if (volume.type !== "files") continue;
    const { name, files } = volume;
    const able = containers.flatMap(({ name: container, properties }) => {
      const mount = properties.volumeMounts?.find((each) => each.name === name && each.readOnly !== true);
      const { state } = properties.instanceView?.currentState ?? {};
      return mount === undefined ? [] : [{ container, path: mount.mountPath, state }];
    });
    const by = able.filter(({ state }) => state === "Running").map(({ container, path }) => ({ container, path }));
    if (!delivered.has(name) || able.length === 0) kept.push(name);
    else if (by.length > 0) writes.push({ volume: name, files, by });
    else if (able.some(({ state = "Waiting" }) => state === "Waiting")) early.push(name);
    else kept.push(name);
  }
  return { writes, kept, early };
}

/** Keys that are gone lose their files: nobody else writes into these volumes. */
export function writeCommand(
  { files, volume }: Pick<VolumeWrite, "files" | "volume">,
  path: string,
  { pod }: PodRequest,
): { readonly command: readonly string[]; readonly input: Buffer } {
  const gid = pod.spec?.securityContext?.fsGroup;
  const field = `spec.volumes[${(pod.spec?.volumes ?? []).findIndex(({ name }) => name === volume)}]`;
  return volumeWrite([{ path, files, field }], { prune: true, ...(gid !== undefined && { gid }) });
}

export type RunCommand = (container: string, command: readonly string[], input: Buffer) => Promise<number>;

/** Throws Unavailable where it can be done later, Unsupported, with the names, where never. */
export async function updateVolumes(
  group: ContainerGroup,
  request: PodRequest,
  volumes: readonly ResolvedVolume[],
  run: RunCommand,
): Promise<void> {
  const { writes, kept, early } = volumeWrites(group, volumes);
  const unable: string[] = [];
  for (const write of writes) {
    const faults = await writeFaults(write, request, run);
    if (faults !== undefined) unable.push(`${write.volume} (${faults})`);
  }
  if (early.length > 0)
    throw new VirtualKubeletError("Unavailable", `no container runs yet that could write volumes ${early.join(", ")}`);
  if (unable.length > 0)
    throw new VirtualKubeletError(
      "Unsupported",
      `volumes keep what they had, which no container could change: ${unable.join(", ")}`,
    );
  if (kept.length > 0)
    throw new VirtualKubeletError(
      "Unsupported",
      `volumes ${kept.join(", ")} keep what they were created with: the cloud changes them only with a restart of the group`,
    );
}

/** Undefined: it is written. */
async function writeFaults(write: VolumeWrite, request: PodRequest, run: RunCommand): Promise<string | undefined> {
  const faults: string[] = [];
  for (const { container, path } of write.by) {
    const { command, input } = writeCommand(write, path, request);
    try {
      const exitCode = await run(container, command, input);
      if (exitCode === 0) return undefined;
      faults.push(`${container}: exit code ${exitCode}`);
    } catch (error) {
      // An image without a shell; another container of the pod may have one.
      if (!isErrorKind(error, "Unsupported")) throw error;
      faults.push(`${container}: ${errorText(error)}`);
    }
  }
  return faults.join("; ");
}
