// Opens what a path means within a directory whose content others change meanwhile: step by step, each name in the directory
// that is open already, so that no link leads out of it, whatever is put in its way.
import { constants } from "node:fs";
import { chmod, type FileHandle, mkdir, open, readlink, realpath } from "node:fs/promises";
import { VirtualKubeletError } from "../errors.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Neither read nor written: no right to its content is needed, no device is woken, no other end is waited for. */
const O_PATH = 0o10000000;
/** As the kernel's. */
const mostLinks = 40;

export interface OpenInsideOptions {
  /** Missing directories are made, with this mode. */
  readonly makeMode?: number | undefined;
}

/**
 * `root` is trusted, `path` (relative to it) and all below are not. Links are followed as long as they stay below. The handle is
 * for stat, and for its path in /proc/self/fd. Throws Invalid where a link leads out, NotFound where something is missing.
 */
export async function openInside(
  root: string | FileHandle,
  path: string,
  options: OpenInsideOptions = {},
): Promise<FileHandle> {
  const [real, start] = await openRoot(root);
  const trail: FileHandle[] = [start];
  const rest = parts(path);
  let links = 0;
  try {
    for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
      if (part === "..") {
        // Above the root of all there is nothing.
        if (trail.length > 1) await trail.pop()?.close();
        else if (real !== "/") throw outside(path);
        continue;
      }
      const directory = trail.at(-1);
      if (directory === undefined) throw outside(path);
      const next = await step(directory, part, path, options.makeMode);
      trail.push(next);
      if (!(await next.stat()).isSymbolicLink()) continue;
      await trail.pop()?.close();
      if (++links > mostLinks) throw new VirtualKubeletError("Invalid", `"${path}" has too many links`);
      const target = await readlink(inside(directory, part)).catch((cause: unknown) => {
        // It is something else by now.
        throw missing(path, cause);
      });
      if (!target.startsWith("/")) rest.unshift(...parts(target));
      else {
        if (real !== "/" && target !== real && !target.startsWith(`${real}/`)) throw outside(path);
        for (const each of trail.splice(1)) await each.close();
        rest.unshift(...parts(real === "/" ? target : target.slice(real.length)));
      }
    }
    const found = trail.pop();
    if (found === undefined) throw outside(path);
    return found;
  } finally {
    for (const each of trail) await each.close();
  }
}

/** With its path, for links that name it. */
async function openRoot(root: string | FileHandle): Promise<readonly [string, FileHandle]> {
  try {
    if (typeof root !== "string") return [await readlink(pathOf(root)), await open(pathOf(root), O_PATH)];
    const real = await realpath(root);
    return [real, await open(real, O_PATH)];
  } catch (error) {
    throw missing(typeof root === "string" ? root : "root", error);
  }
}

async function step(
  directory: FileHandle,
  name: string,
  path: string,
  makeMode: number | undefined,
): Promise<FileHandle> {
  const place = inside(directory, name);
  try {
    return await open(place, O_PATH | O_NOFOLLOW);
  } catch (error) {
    if (makeMode === undefined || codeOf(error) !== "ENOENT") throw missing(path, error);
  }
  await mkdir(place, { mode: makeMode }).catch((error: unknown) => {
    if (codeOf(error) !== "EEXIST") throw missing(path, error);
  });
  const made = await open(place, O_PATH | O_NOFOLLOW | O_DIRECTORY).catch((cause: unknown) => {
    throw missing(path, cause);
  });
  try {
    // Whatever the umask is. A group that is handed down stays.
    const { mode } = await made.stat();
    await chmod(pathOf(made), makeMode | (mode & 0o2000));
  } catch (error) {
    await made.close();
    throw error;
  }
  return made;
}

/** Where an open file is, whatever its name means by now; good in this process, while it is open. */
export function pathOf({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
}

export function inside(directory: FileHandle, name: string): string {
  return `${pathOf(directory)}/${name}`;
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function outside(path: string): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", `"${path}" leads out of its directory`);
}

function missing(path: string, cause: unknown): VirtualKubeletError {
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ENOTDIR" || code === "EINVAL" || code === "ELOOP")
    return new VirtualKubeletError("NotFound", `there is no ${path}`, { cause });
  return VirtualKubeletError.from(cause);
}
