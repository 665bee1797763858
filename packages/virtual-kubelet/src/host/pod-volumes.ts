// The volumes of one pod, as directories under the state directory.
import { readFileSync } from "node:fs";
import { chmod, chown, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import { writeAtomically } from "./atomic-volume.ts";
import { runTool } from "./run-tool.ts";
import { isMissing } from "./state-files.ts";

export interface VolumeRules {
  readonly root: boolean;
  /** Directories of the host that pods may have, with all that is in them. */
  readonly hostPaths: readonly string[];
  now(): number;
}

/** A volume, in the words of what is kept of it. */
export type VolumeNote =
  | { readonly name: string; readonly type: "files" }
  | { readonly name: string; readonly type: "emptyDir"; readonly sizeLimit?: number | undefined }
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
      await mkdir(path, { recursive: true, mode: 0o755 });
      if (volume.memory && rules.root) await mountMemory(path, ["mode=0755"]);
      await chmod(path, 0o755);
      await writeAtomically(path, volume.files, { fsGroup, now: rules.now });
      return { name, type: "files" };
    }
    case "emptyDir": {
      const { medium, sizeLimit } = volume;
      if (medium !== "" && medium !== "Memory")
        throw new VirtualKubeletError(
          "Unsupported",
          `volume ${name}: an emptyDir of medium ${medium} is not to be had here`,
          {
            field: "spec.volumes.emptyDir.medium",
          },
        );
      await mkdir(path, { recursive: true });
      if (medium === "Memory") {
        if (!rules.root)
          throw new VirtualKubeletError(
            "Unsupported",
            `volume ${name}: an emptyDir in memory needs a node that runs as root`,
            {
              field: "spec.volumes.emptyDir.medium",
            },
          );
        await mountMemory(path, ["mode=0777", ...(sizeLimit === undefined ? [] : [`size=${sizeLimit}`])]);
      }
      if (fsGroup !== undefined) await chown(path, process.getuid?.() ?? 0, fsGroup);
      await chmod(path, fsGroup === undefined ? 0o777 : 0o2777);
      return { name, type: "emptyDir", sizeLimit };
    }
    case "hostPath":
      await checkHostPath(volume, rules);
      return { name, type: "hostPath", path: volume.path };
    case "backend":
      throw new VirtualKubeletError("Unsupported", `volume ${name}: volumes of this type are not to be had here`, {
        field: "spec.volumes",
      });
  }
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

async function mountMemory(path: string, options: readonly string[]): Promise<void> {
  if (mountsUnder(path).includes(path)) return;
  await runTool("mount", ["-t", "tmpfs", "-o", ["nosuid", "nodev", ...options].join(","), "tmpfs", path]);
}

/** Mount points at or below a path, deepest first. */
export function mountsUnder(path: string): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => {
      const point = line
        .split(" ")[4]
        ?.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
      return point !== undefined && (point === path || point.startsWith(`${path}/`)) ? [point] : [];
    })
    .sort((a, b) => b.length - a.length);
}

export async function unmountUnder(path: string): Promise<void> {
  for (const point of mountsUnder(path)) await runTool("umount", ["--lazy", point]);
}

/** Unmounts what is mounted in a directory, then deletes it. Never crosses into a file system that stays mounted. */
export async function removeTree(path: string): Promise<void> {
  await unmountUnder(path);
  const left = mountsUnder(path);
  if (left.length > 0) throw new VirtualKubeletError("Unavailable", `${left.join(", ")} is still mounted`);
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

async function checkHostPath(
  { name, path, hostPathType }: Extract<ResolvedVolume, { readonly type: "hostPath" }>,
  rules: VolumeRules,
): Promise<void> {
  const clean = path.replace(/\/+$/, "");
  const inside = rules.hostPaths.some(
    (allowed) => allowed === "/" || clean === allowed || clean.startsWith(`${allowed}/`),
  );
  if (!inside || path.split("/").includes(".."))
    throw new VirtualKubeletError(
      "Unsupported",
      `volume ${name}: hostPath ${path} is not allowed by this node's configuration`,
      {
        field: "spec.volumes.hostPath.path",
      },
    );
  const found = await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found === undefined && hostPathType === "DirectoryOrCreate")
    return void (await mkdir(path, { recursive: true, mode: 0o755 }));
  const fits =
    hostPathType === "" ||
    (found !== undefined &&
      (hostPathType.startsWith("Directory")
        ? found.isDirectory()
        : hostPathType.startsWith("File")
          ? found.isFile()
          : hostPathFits(hostPathType, found)));
  if (!fits)
    throw new VirtualKubeletError("Unavailable", `hostPath type check failed: ${path} is not a ${hostPathType}`);
  if (found === undefined)
    throw new VirtualKubeletError("Unavailable", `volume ${name}: there is no ${path} on this host`);
}

function hostPathFits(type: string, found: Awaited<ReturnType<typeof stat>>): boolean {
  if (type === "Socket") return found.isSocket();
  if (type === "CharDevice") return found.isCharacterDevice();
  return type === "BlockDevice" && found.isBlockDevice();
}
