// Directories, files, sockets and devices of the host that pods may have: looked for, made where they ask for it, checked.
import { constants, type Stats } from "node:fs";
import { chmod, type FileHandle, open } from "node:fs/promises";
import { posix } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import { codeOf, inside, openInside, pathOf } from "./open-inside.ts";

export type HostPathVolume = Extract<ResolvedVolume, { readonly type: "hostPath" }>;

/**
 * Open as by openInside, within the directories that pods may have. Throws Unsupported outside of them, also where a link leads
 * out; Unavailable where it is not there, or something else.
 */
export async function openHostPath(volume: HostPathVolume, allowed: readonly string[]): Promise<FileHandle> {
  const { name, path, hostPathType } = volume;
  const root = path.split("/").includes("..") ? undefined : rootOf(path, allowed);
  if (root === undefined) throw notAllowed(volume);
  const relative = path.slice(root.length);
  try {
    const found = await openOrMake(root, relative, hostPathType);
    const fault = typeFault(hostPathType, await found.stat());
    if (fault === undefined) return found;
    await found.close();
    throw new VirtualKubeletError(
      "Unavailable",
      `MountVolume.SetUp failed for volume "${name}" : hostPath type check failed: ${path} is not ${fault}`,
    );
  } catch (error) {
    const { kind } = VirtualKubeletError.from(error);
    if (kind === "Invalid") throw notAllowed(volume);
    if (kind !== "NotFound") throw error;
    const what = typeWord(hostPathType);
    const text =
      what === undefined ? `there is no ${path} on this host` : `hostPath type check failed: ${path} is not ${what}`;
    throw new VirtualKubeletError("Unavailable", `MountVolume.SetUp failed for volume "${name}" : ${text}`, {
      cause: error,
    });
  }
}

/** The directory that lets a pod have the path; undefined: none does. */
function rootOf(path: string, allowed: readonly string[]): string | undefined {
  const clean = path.replace(/\/+$/, "");
  return allowed.find((each) => each === "/" || clean === each || clean.startsWith(`${each}/`));
}

async function openOrMake(root: string, relative: string, hostPathType: string): Promise<FileHandle> {
  if (hostPathType === "DirectoryOrCreate") return openInside(root, relative, { makeMode: 0o755 });
  if (hostPathType !== "FileOrCreate") return openInside(root, relative);
  try {
    return await openInside(root, relative);
  } catch (error) {
    if (VirtualKubeletError.from(error).kind !== "NotFound") throw error;
  }
  const directory = await openInside(root, posix.dirname(relative));
  try {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    const place = inside(directory, posix.basename(relative));
    const made = await open(place, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o644);
    try {
      await chmod(pathOf(made), 0o644);
    } finally {
      await made.close();
    }
  } catch (error) {
    // Made by another pod at the same time: as good.
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    await directory.close();
  }
  return openInside(root, relative);
}

function typeFault(hostPathType: string, found: Stats): string | undefined {
  const fits: Readonly<Record<string, () => boolean>> = {
    "": () => true,
    Directory: () => found.isDirectory(),
    DirectoryOrCreate: () => found.isDirectory(),
    File: () => found.isFile(),
    FileOrCreate: () => found.isFile(),
    Socket: () => found.isSocket(),
    CharDevice: () => found.isCharacterDevice(),
    BlockDevice: () => found.isBlockDevice(),
  };
  return fits[hostPathType]?.() === true ? undefined : (typeWord(hostPathType) ?? `a ${hostPathType}`);
}

/** The kubelet's. */
function typeWord(hostPathType: string): string | undefined {
  return {
    Directory: "a directory",
    DirectoryOrCreate: "a directory",
    File: "a file",
    FileOrCreate: "a file",
    Socket: "a socket file",
    CharDevice: "a character device",
    BlockDevice: "a block device",
  }[hostPathType];
}

function notAllowed({ name, path }: HostPathVolume): VirtualKubeletError {
  return new VirtualKubeletError(
    "Unsupported",
    `volume ${name}: hostPath ${path} is not allowed by this node's configuration`,
    { field: "spec.volumes.hostPath.path" },
  );
}
