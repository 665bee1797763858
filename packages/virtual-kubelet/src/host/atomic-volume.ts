// A directory of files that are replaced all at once, in the layout of the kubelet: names are links into `..data`, which is a
// link to the present set. Who reads sees the old set or the new one.
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join, posix } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import type { ResolvedFile } from "../resolved-pod.ts";
import { isMissing } from "./state-files.ts";

const data = "..data";

export interface VolumeOwnership {
  /** Group of all files, with the right to read. */
  readonly fsGroup?: number | undefined;
  /** Epoch milliseconds, for the name of the set. */
  now(): number;
}

/** Makes the files those that are given, and no others. Does nothing when they are that already. */
export async function writeAtomically(
  directory: string,
  files: readonly ResolvedFile[],
  ownership: VolumeOwnership,
): Promise<void> {
  for (const { path } of files) checkPath(path);
  const old = await linkTarget(join(directory, data));
  if (old !== undefined && (await holds(join(directory, old), files, ownership.fsGroup))) {
    await tidy(directory, files, old);
    return;
  }
  const name = await freshName(directory, ownership.now());
  const set = join(directory, name);
  for (const path of directoriesOf(files)) await makeDirectory(join(set, path), ownership.fsGroup);
  for (const file of files) {
    const path = join(set, file.path);
    // Nobody else may read it before its mode and owner are right.
    await writeFile(path, file.data, { mode: 0o600, flag: "wx" });
    const { uid = -1 } = file;
    const gid = ownership.fsGroup ?? -1;
    if (uid >= 0 || gid >= 0) await chown(path, uid, gid);
    await chmod(path, modeOf(file, ownership.fsGroup));
  }
  const next = join(directory, "..data_tmp");
  await rm(next, { force: true });
  await symlink(name, next);
  await rename(next, join(directory, data));
  await tidy(directory, files, name);
}

/** Of the set and all below that hold files, each before what is in it. */
function directoriesOf(files: readonly ResolvedFile[]): ReadonlySet<string> {
  const all = new Set(["."]);
  for (const { path } of files) {
    const parts = path.split("/").slice(0, -1);
    for (let length = 1; length <= parts.length; length++) all.add(parts.slice(0, length).join("/"));
  }
  return all;
}

/** The group hands itself down. */
async function makeDirectory(path: string, fsGroup: number | undefined): Promise<void> {
  await mkdir(path, { mode: 0o755 });
  if (fsGroup !== undefined) await chown(path, -1, fsGroup);
  await chmod(path, fsGroup === undefined ? 0o755 : 0o2755);
}

function modeOf({ mode }: ResolvedFile, fsGroup: number | undefined): number {
  return (mode & 0o777) | (fsGroup === undefined ? 0 : 0o040);
}

/** The names at the top are links into the present set; all else goes. */
async function tidy(directory: string, files: readonly ResolvedFile[], present: string): Promise<void> {
  const tops = new Set(files.map(({ path }) => path.split("/")[0] ?? path));
  for (const top of tops) {
    const link = join(directory, top);
    const target = `${data}/${top}`;
    if ((await linkTarget(link)) === target) continue;
    await rm(link, { recursive: true, force: true });
    await symlink(target, link);
  }
  for (const name of await readdir(directory))
    if (name !== data && name !== present && !tops.has(name))
      await rm(join(directory, name), { recursive: true, force: true });
}

async function holds(set: string, files: readonly ResolvedFile[], fsGroup: number | undefined): Promise<boolean> {
  const there = await filesIn(set, "");
  if (there === undefined || there.size !== files.length) return false;
  for (const file of files) {
    if (!there.has(file.path)) return false;
    const path = join(set, file.path);
    const { mode, uid, gid } = await lstat(path);
    if ((mode & 0o777) !== modeOf(file, fsGroup) || (fsGroup !== undefined && gid !== fsGroup)) return false;
    if (file.uid !== undefined && uid !== file.uid) return false;
    if (Buffer.compare(await readFile(path), file.data) !== 0) return false;
  }
  return true;
}

async function filesIn(directory: string, prefix: string): Promise<Set<string> | undefined> {
  const found = new Set<string>();
  try {
    for (const entry of await readdir(directory, { withFileTypes: true, recursive: true }))
      if (!entry.isDirectory()) found.add(posix.join(prefix, entry.parentPath.slice(directory.length + 1), entry.name));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return found;
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch {
    return undefined;
  }
}

async function freshName(directory: string, now: number): Promise<string> {
  const time = new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, "_").replace("T", "_");
  const names = new Set(await readdir(directory));
  for (let number = now % 1_000_000_000; ; number++) {
    const name = `..${time}.${String(number).padStart(9, "0")}`;
    if (!names.has(name)) return name;
  }
}

/** What is resolved has checked it; a file outside of its volume must not come of a mistake there. */
function checkPath(path: string): void {
  const parts = path.split("/");
  if (
    path === "" ||
    path.startsWith("..") ||
    parts.some((part) => part === "" || part === "." || part === "..") ||
    path.includes("\0")
  )
    throw new VirtualKubeletError("Invalid", `"${path}" is no path of a file in a volume`);
}
