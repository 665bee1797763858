// Reads files that containers wrote into their pod's volumes: what they are and where they lead is not to be trusted.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { VirtualKubeletError } from "../errors.ts";
import { type VolumeNote, volumePath } from "./pod-volumes.ts";
import { isMissing } from "./state-files.ts";

const longestFile = 1024 * 1024;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** Of an emptyDir; `volumes`: the directory with the volumes of the pod. Follows no link, opens nothing but directories and the file itself, and waits for no other end. */
export async function readVolumeFile(
  pod: { readonly volumes: string; readonly notes: readonly VolumeNote[] },
  volume: string,
  path: string,
): Promise<Uint8Array> {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const last = parts.pop();
  const note = pod.notes.find(({ name }) => name === volume);
  if (note?.type !== "emptyDir" || last === undefined || parts.includes("..") || last === "..")
    throw new VirtualKubeletError("Invalid", `there is no file ${path} to be read in volume ${volume}`);
  let at = await open(volumePath(pod.volumes, volume), O_RDONLY | O_DIRECTORY);
  try {
    for (const part of parts) at = await step(at, part, O_DIRECTORY);
    at = await step(at, last, O_NONBLOCK);
    return await content(at, path);
  } catch (error) {
    if (isMissing(error) || codeOf(error) === "ENOTDIR")
      throw new VirtualKubeletError("NotFound", `there is no file ${path} in volume ${volume}`, { cause: error });
    if (codeOf(error) === "ELOOP" || codeOf(error) === "ENXIO")
      throw new VirtualKubeletError("Invalid", `${path} in volume ${volume} is no regular file`, { cause: error });
    throw error;
  } finally {
    await at.close();
  }
}

/** Opens what is in an open directory: whatever its name means by now, it is in there. */
async function step(directory: FileHandle, name: string, flags: number): Promise<FileHandle> {
  const next = await open(`/proc/self/fd/${directory.fd}/${name}`, O_RDONLY | O_NOFOLLOW | flags);
  await directory.close();
  return next;
}

async function content(file: FileHandle, path: string): Promise<Uint8Array> {
  const found = await file.stat();
  if (!found.isFile()) throw new VirtualKubeletError("Invalid", `${path} is no regular file`);
  if (found.size > longestFile) throw new VirtualKubeletError("Invalid", `${path} is larger than 1 MiB`);
  const buffer = Buffer.alloc(found.size);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
