// What is mounted below our directories: found, bound, unmounted, removed.
import { existsSync, readFileSync } from "node:fs";
import { type FileHandle, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import { runTool } from "./run-tool.ts";

export interface MountPoint {
  readonly path: string;
  /** Of the mount itself: "rw,nosuid,relatime". */
  readonly options: string;
  /** What is mounted and unmounted below it shows elsewhere too. */
  readonly shared: boolean;
}

/** Pure: of a mountinfo file. */
export function parseMounts(text: string): readonly MountPoint[] {
  return text.split("\n").flatMap((line) => {
    const [, , , , point, options, ...rest] = line.split(" ");
    if (point === undefined || options === undefined) return [];
    const path = point.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const tags = rest.slice(0, rest.indexOf("-"));
    return [{ path, options, shared: tags.some((tag) => tag.startsWith("shared:")) }];
  });
}

/** At or below a path, deepest first; several at one place, the topmost first. */
export function mountPointsUnder(path: string): readonly MountPoint[] {
  return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"))
    .filter((mount) => mount.path === path || mount.path.startsWith(`${path}/`))
    .reverse()
    .sort((a, b) => b.path.length - a.path.length);
}

/** Mount points at or below a path, deepest first. */
export function mountsUnder(path: string): readonly string[] {
  return mountPointsUnder(path).map((mount) => mount.path);
}

/** Somebody else may do so at the same time. */
export async function unmountUnder(path: string): Promise<void> {
  for (let points = mountPointsUnder(path); points.length > 0; ) {
    try {
      // Else the originals of what is bound here might be unmounted with it.
      for (const { path: point, shared } of points) if (shared) await runTool("mount", ["--make-private", point]);
      await runTool("umount", ["--lazy", ...points.map((point) => point.path)]);
      return;
    } catch (error) {
      const left = mountPointsUnder(path);
      if (left.length >= points.length) throw error;
      points = left;
    }
  }
}

/** Unmounts what is mounted in a directory, then deletes it, however deep it is. Never crosses into a file system that stays mounted. */
export async function removeTree(path: string): Promise<void> {
  if (!existsSync(path)) return;
  await unmountUnder(path);
  const left = mountsUnder(path);
  if (left.length > 0) throw new VirtualKubeletError("Unavailable", `${left.join(", ")} is still mounted`);
  await runTool("rm", ["-rf", "--one-file-system", "--", path]);
}

export interface BindOptions {
  /** With what is mounted below the source now; and later, unless `readOnly`. */
  readonly recursive?: boolean | undefined;
  /** With all below it. */
  readonly readOnly?: boolean | undefined;
}

/** Binds what is open to a place of ours, in place of what is mounted there; what is unmounted there later stays mounted elsewhere. */
export async function bindOpen(source: FileHandle, place: string, options: BindOptions = {}): Promise<void> {
  await unmountUnder(place);
  await mkdir(dirname(place), { recursive: true, mode: 0o700 });
  if ((await source.stat()).isDirectory()) await mkdir(place, { recursive: true, mode: 0o700 });
  else await writeFile(place, "", { mode: 0o600 });
  const bind = options.recursive === true ? "--rbind" : "--bind";
  const propagation = options.readOnly === true ? "--make-rprivate" : "--make-rslave";
  await runTool("mount", ["--no-canonicalize", bind, propagation, "/proc/self/fd/3", place], [source.fd]);
  if (options.readOnly !== true) return;
  try {
    for (const { path, options: had } of mountPointsUnder(place).toReversed()) await makeReadOnly(path, had);
  } catch (error) {
    await unmountUnder(place);
    throw error;
  }
}

async function makeReadOnly(path: string, options: string): Promise<void> {
  const kept = options.split(",").filter((option) => option !== "rw" && option !== "ro");
  await runTool("mount", ["-o", ["remount", "bind", "ro", ...kept].join(","), path]);
}
