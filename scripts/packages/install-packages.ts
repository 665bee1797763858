// An empty project with packed packages in it, as their reader has them, and how much room that takes.
import { globSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PackedPackage } from "./pack-packages.ts";
import { npm } from "./run-command.ts";

/** `directory` is made. What the packages depend on comes from npm's cache, or else its registry; `others` beside them. */
export async function installPackages(
  directory: string,
  packed: readonly PackedPackage[],
  others: readonly string[] = [],
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "package.json"), `${JSON.stringify({ private: true, type: "module" })}\n`);
  const wanted = [...packed.map(({ tarball }) => tarball), ...others];
  await npm(["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", ...wanted], directory);
}

/** Bytes of all files. */
export function treeSize(directory: string): number {
  return globSync("**/*", { cwd: directory })
    .map((file) => lstatSync(join(directory, file)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}
