// Is a program on the PATH?
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Its path; undefined where it is not to be found or may not be run. */
export function findProgram(name: string, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const suffixes = process.platform === "win32" ? [".exe", ".cmd", ""] : [""];
  for (const directory of (env["PATH"] ?? "").split(delimiter)) {
    for (const suffix of directory === "" ? [] : suffixes) {
      const path = join(directory, name + suffix);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}
