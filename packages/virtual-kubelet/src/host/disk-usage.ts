// How much of a disk directories take. Measured by the host's own tool, which follows no link, whatever is changed under it.
import { execFile } from "node:child_process";
import { VirtualKubeletError } from "../errors.ts";
import { toolEnvironment } from "./tool-environment.ts";

/** A tree that takes longer is not measured. */
const longestMs = 60_000;

/**
 * Bytes by path, of the file system that each is on; a file with several names counts once. Those that are not there are left
 * out. Throws Unavailable when it takes too long, or cannot be done.
 */
export async function directoryUsage(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  if (paths.length === 0) return new Map();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = ["--summarize", "--one-file-system", "--block-size=1", "--null", "--", ...paths];
  execFile(
    ...(["nice", ["-n", "19", "du", ...options]] as const),
    { env: { ...toolEnvironment }, cwd: "/", timeout: longestMs, killSignal: "SIGKILL", signal },
    (cause, stdout) => {
      // 1: something went away meanwhile, and the rest is there.
      if (cause === null || cause.code === 1) resolve(stdout);
      else reject(new VirtualKubeletError("Unavailable", "the use of the disk cannot be measured", { cause }));
    },
  );
  return parseUsage(await promise);
}

/** Pure: of du --null. */
export function parseUsage(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const entry of text.split("\0")) {
    const [, bytes, path] = /^(\d+)\t(.*)$/s.exec(entry) ?? [];
    if (path !== undefined) found.set(path, Number(bytes));
  }
  return found;
}
