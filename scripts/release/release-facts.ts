// Gathers what a release is judged by from a working tree.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { runCommand } from "../packages/run-command.ts";
import { workspacePackages } from "../packages/workspace.ts";
import type { ReleaseFacts } from "./release-faults.ts";
import { versionsInFiles } from "./versions.ts";

const lockSchema = v.object({
  packages: v.record(v.string(), v.looseObject({ name: v.optional(v.string()), version: v.optional(v.string()) })),
});

export async function releaseFacts(root: string): Promise<ReleaseFacts> {
  const status = await runCommand("git", ["status", "--porcelain"], { cwd: root });
  const { packages } = v.parse(lockSchema, JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")));
  const locked = Object.values(packages).flatMap(({ name, version }) => (name && version ? [[name, version]] : []));
  return {
    changes: status.split("\n").flatMap((line) => (line === "" ? [] : [line.slice(3)])),
    manifests: workspacePackages(root).map(({ manifest }) => manifest),
    locked: Object.fromEntries(locked),
    elsewhere: versionsInFiles(root),
    changelog: readFileSync(join(root, "CHANGELOG.md"), "utf8"),
  };
}
