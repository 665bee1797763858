// Tarballs of packages, as a registry would get them.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { npm } from "./run-command.ts";
import { type StagedFields, stagePackage } from "./stage-package.ts";
import { type WorkspacePackage, workspacePackages } from "./workspace.ts";

export interface PackedPackage {
  readonly name: string;
  readonly version: string;
  /** Absolute path of the `.tgz`. */
  readonly tarball: string;
  /** Of the tarball, and of what is in it. Bytes. */
  readonly size: number;
  readonly unpackedSize: number;
  /** Paths in the package. */
  readonly files: readonly string[];
}

const answer = v.tuple([
  v.object({
    name: v.string(),
    version: v.string(),
    filename: v.string(),
    size: v.number(),
    unpackedSize: v.number(),
    files: v.array(v.object({ path: v.string() })),
  }),
]);

/** Stages and packs what is built; `directory` gets the tarballs, and the staged packages below `staged/`. */
export async function packPackages(
  directory: string,
  packages: readonly WorkspacePackage[] = workspacePackages(),
  fields: StagedFields = {},
): Promise<readonly PackedPackage[]> {
  mkdirSync(directory, { recursive: true });
  const packed: PackedPackage[] = [];
  for (const each of packages) {
    const staged = join(directory, "staged", each.manifest.name);
    stagePackage(each, staged, fields);
    const told = await npm(["pack", "--json", "--ignore-scripts", "--pack-destination", directory], staged);
    const [{ filename, files, ...rest }] = v.parse(answer, JSON.parse(told));
    packed.push({ ...rest, tarball: join(directory, filename), files: files.map(({ path }) => path) });
  }
  return packed;
}
