// Installs what a manifest asks for at exactly the versions and digests of this repository's lock file, for any platform.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { npm } from "../packages/run-command.ts";
import { root } from "../packages/workspace.ts";
import type { Architecture } from "./debian-packages.ts";

const lockSchema = v.object({ packages: v.record(v.string(), v.object({ integrity: v.optional(v.string()) })) });

/** Writes the manifest into the directory, whose workspaces are there already. */
export async function installLocked(directory: string, manifest: object, architecture: Architecture): Promise<void> {
  writeFileSync(join(directory, "package.json"), `${JSON.stringify({ private: true, ...manifest }, undefined, 2)}\n`);
  copyFileSync(join(root, "package-lock.json"), join(directory, "package-lock.json"));
  const platform = ["--os=linux", "--libc=glibc", `--cpu=${architecture === "amd64" ? "x64" : architecture}`];
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", ...platform];
  // Takes out of the lock file what nobody here asks for, and asks no registry.
  await npm(["install", "--package-lock-only", "--offline", ...options], directory);
  const all = digests(join(root, "package-lock.json"));
  const foreign = [...digests(join(directory, "package-lock.json"))].filter((digest) => !all.has(digest));
  if (foreign.length > 0)
    throw new VirtualKubeletError(
      "Internal",
      `the lock file does not know packages with these digests: ${foreign.join(", ")}`,
    );
  await npm(["ci", "--omit=dev", "--prefer-offline", ...options], directory);
}

function digests(file: string): ReadonlySet<string> {
  const { packages } = v.parse(lockSchema, JSON.parse(readFileSync(file, "utf8")));
  return new Set(Object.values(packages).flatMap(({ integrity }) => integrity ?? []));
}
