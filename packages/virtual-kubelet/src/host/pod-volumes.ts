// The volumes of one pod, as directories under the state directory.
import { existsSync } from "node:fs";
import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import { writeAtomically } from "./atomic-volume.ts";
import { openHostPath } from "./host-path.ts";
import { mountsUnder } from "./mounts.ts";
import { runTool } from "./run-tool.ts";

export interface VolumeRules {
  readonly root: boolean;
  /** Directories of the host that pods may have, with all that is in them. */
  readonly hostPaths: readonly string[];
  /** A hostPath of no type that is not there becomes a directory, as engines do it. */
  readonly makeHostPaths?: boolean | undefined;
  /** Bytes that an emptyDir in memory has at most, whatever its own limit. */
  readonly memoryLimit?: number | undefined;
  /** Names of the volumes that were made before: what their owners and modes have become is the pod's. */
  readonly kept?: ReadonlySet<string> | undefined;
  now(): number;
}

/** A volume, in the words of what is kept of it. */
export type VolumeNote =
  | { readonly name: string; readonly type: "files"; readonly memory?: boolean | undefined }
  | {
      readonly name: string;
      readonly type: "emptyDir";
      readonly sizeLimit?: number | undefined;
      readonly memory?: boolean | undefined;
    }
  | { readonly name: string; readonly type: "hostPath"; readonly path: string };

/** Makes all volumes that are not there, and fills them. Throws Unsupported or Invalid for what cannot be. */
export async function makeVolumes(
  directory: string,
  volumes: readonly ResolvedVolume[],
  fsGroup: number | undefined,
  rules: VolumeRules,
): Promise<readonly VolumeNote[]> {
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const notes: VolumeNote[] = [];
  for (const volume of volumes) notes.push(await makeVolume(directory, volume, fsGroup, rules));
  return notes;
}

async function makeVolume(
  directory: string,
  volume: ResolvedVolume,
  fsGroup: number | undefined,
  rules: VolumeRules,
): Promise<VolumeNote> {
  const { name } = volume;
  const path = volumePath(directory, name);
  switch (volume.type) {
    case "files": {
      const memory = volume.memory && rules.root;
      await mkdir(path, { recursive: true, mode: 0o755 });
      if (memory) await mountMemory(path, ["mode=0755"]);
      await chmod(path, 0o755);
      await writeAtomically(path, volume.files, { fsGroup, now: rules.now });
      return { name, type: "files", memory };
    }
    case "emptyDir": {
      const { sizeLimit } = volume;
      return { name, type: "emptyDir", sizeLimit, memory: await makeEmptyDir(path, volume, fsGroup, rules) };
    }
    case "hostPath": {
      const wanted = { ...volume };
      if (rules.makeHostPaths === true && volume.hostPathType === "" && !existsSync(volume.path))
        wanted.hostPathType = "DirectoryOrCreate";
      const found = await openHostPath(wanted, rules.hostPaths);
      await found.close();
      return { name, type: "hostPath", path: volume.path };
    }
    case "backend":
      throw new VirtualKubeletError("Unsupported", `volume ${name}: volumes of this type are not to be had here`, {
        field: "spec.volumes",
      });
  }
}

/** Resolves to whether it is in memory. */
async function makeEmptyDir(
  path: string,
  { name, medium, sizeLimit = Number.POSITIVE_INFINITY }: Extract<ResolvedVolume, { readonly type: "emptyDir" }>,
  fsGroup: number | undefined,
  rules: VolumeRules,
): Promise<boolean> {
  const refused = (text: string): VirtualKubeletError =>
    new VirtualKubeletError("Unsupported", `volume ${name}: an emptyDir ${text}`, {
      field: "spec.volumes.emptyDir.medium",
    });
  if (medium !== "" && medium !== "Memory") throw refused(`of medium ${medium} is not to be had here`);
  const memory = medium === "Memory";
  if (memory && !rules.root) throw refused("in memory needs a node that runs as root");
  let isNew = (await mkdir(path, { recursive: true })) !== undefined || rules.kept?.has(name) !== true;
  if (memory) {
    const size = Math.min(sizeLimit, rules.memoryLimit ?? Number.POSITIVE_INFINITY);
    const options = Number.isFinite(size) ? [`size=${size}`] : [];
    if (await mountMemory(path, options)) isNew = true;
  }
  if (!isNew) return memory;
  // The group is handed down to all that is made in it. fsGroupChangePolicy is for volumes that come with content.
  if (fsGroup !== undefined) await chown(path, process.getuid?.() ?? 0, fsGroup);
  // In memory as the kernel makes it, which kubelets leave as it is.
  await chmod(path, (memory ? 0o1777 : 0o777) | (fsGroup === undefined ? 0 : 0o2000));
  return memory;
}

/** Replaces the content of volumes of type files. */
export async function updateFiles(
  directory: string,
  volumes: readonly ResolvedVolume[],
  fsGroup: number | undefined,
  rules: VolumeRules,
): Promise<void> {
  for (const volume of volumes)
    if (volume.type === "files")
      await writeAtomically(volumePath(directory, volume.name), volume.files, { fsGroup, now: rules.now });
}

/** Names of volumes are DNS labels; nothing else gets to be a path. */
export function volumePath(directory: string, name: string): string {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > 63)
    throw new VirtualKubeletError("Invalid", `"${name}" is no name of a volume`);
  return join(directory, name);
}

/** Kernels since 6.4 keep a tmpfs out of the swap when they are asked to. */
let canStayInMemory = true;

/** Resolves to whether it was not mounted before. */
async function mountMemory(path: string, options: readonly string[]): Promise<boolean> {
  if (mountsUnder(path).includes(path)) return false;
  const mount = (more: readonly string[]): Promise<string> =>
    runTool("mount", ["-t", "tmpfs", "-o", ["nosuid", "nodev", ...options, ...more].join(","), "tmpfs", path]);
  if (canStayInMemory) {
    try {
      await mount(["noswap"]);
      return true;
    } catch {
      // What is wrong otherwise is so without it, too.
      await mount([]);
      canStayInMemory = false;
      return true;
    }
  }
  await mount([]);
  return true;
}
