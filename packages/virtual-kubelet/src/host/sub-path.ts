// A path in a volume that a container mounts in place of all of it. Containers write into their volumes at any time: it is looked
// up once, and held.
import { type FileHandle, stat } from "node:fs/promises";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { openHostPath } from "./host-path.ts";
import { openInside } from "./open-inside.ts";
import { type VolumeNote, volumePath } from "./pod-volumes.ts";

export interface SubPathFacts {
  readonly container: string;
  /** Of the pod. */
  readonly volumes: string;
  /** Of the volume. */
  readonly note: VolumeNote;
  /** Directories of the host that pods may have. */
  readonly hostPaths: readonly string[];
  /** Is told why it cannot be. */
  readonly log: Logger;
}

const field = "volumeMounts.subPath";

/**
 * Open as by openInside. What is not there is made as directories, with the mode of the volume. Throws Invalid in the kubelet's
 * words, which tell nothing of the host; Unsupported and Unavailable where it is the volume that cannot be had.
 */
export async function openSubPath(
  { volume }: { readonly volume: string },
  subPath: string,
  { container, volumes, note, hostPaths, log }: SubPathFacts,
): Promise<FileHandle> {
  if (subPath.startsWith("/"))
    throw new VirtualKubeletError("Invalid", `error SubPath \`${subPath}\` must not be an absolute path`, { field });
  if (subPath.split("/").includes(".."))
    throw new VirtualKubeletError("Invalid", `unable to provision SubPath \`${subPath}\`: must not contain '..'`, {
      field,
    });
  const inVolume = async (root: string | FileHandle): Promise<FileHandle> => {
    const { mode } = typeof root === "string" ? await stat(root) : await root.stat();
    return openInside(root, subPath, { makeMode: mode & 0o7777 });
  };
  try {
    if (note.type !== "hostPath") return await inVolume(volumePath(volumes, volume));
    await using root = await openHostPath({ ...note, hostPathType: "" }, hostPaths);
    return await inVolume(root);
  } catch (error) {
    const what = isErrorKind(error, "Invalid")
      ? "prepare subPath"
      : isErrorKind(error, "NotFound")
        ? "create subPath directory"
        : undefined;
    if (what === undefined) throw error;
    log.info({ err: errorText(error), container, volume }, "a path in a volume cannot be mounted");
    const where = `for volumeMount ${JSON.stringify(volume)} of container ${JSON.stringify(container)}`;
    throw new VirtualKubeletError("Invalid", `failed to ${what} ${where}`, { field });
  }
}
