// The packages of this repository that are published, and how their manifests are read.
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";

export const root: string = join(import.meta.dirname, "../..");

/** Providers of clouds: some bring SDKs, and nobody needs all of them. */
export const cloudPackages: readonly string[] = ["aci", "fargate", "nomad", "eci"].map(
  (name) => `@virtual-kubelet/provider-${name}`,
);

const names = v.record(v.string(), v.string());

const manifestSchema = v.looseObject({
  name: v.string(),
  version: v.string(),
  private: v.optional(v.boolean(), false),
  files: v.optional(v.array(v.string()), []),
  exports: v.optional(v.record(v.string(), v.record(v.string(), v.string())), {}),
  bin: v.optional(names, {}),
  dependencies: v.optional(names, {}),
  optionalDependencies: v.optional(names, {}),
  peerDependencies: v.optional(names, {}),
});

export type Manifest = v.InferOutput<typeof manifestSchema>;

export interface WorkspacePackage {
  /** Absolute. */
  readonly directory: string;
  readonly manifest: Manifest;
}

export function readManifest(file: string): Manifest {
  return v.parse(manifestSchema, JSON.parse(readFileSync(file, "utf8")));
}

/** All that are not private, each after those that it depends on. */
export function workspacePackages(directory: string = root): readonly WorkspacePackage[] {
  const waiting = globSync("packages/*/package.json", { cwd: directory })
    .sort()
    .map((file) => ({ directory: join(directory, dirname(file)), manifest: readManifest(join(directory, file)) }))
    .filter(({ manifest }) => !manifest.private);
  const sorted: WorkspacePackage[] = [];
  while (waiting.length > 0) {
    const next = waiting.findIndex(
      ({ manifest }) => !waiting.some((other) => Object.hasOwn(dependenciesOf(manifest), other.manifest.name)),
    );
    // A cycle has no order: as the names have it.
    sorted.push(...waiting.splice(Math.max(next, 0), 1));
  }
  return sorted;
}

/** What has to be there for it, optional or not. */
export function dependenciesOf({
  dependencies,
  optionalDependencies,
  peerDependencies,
}: Manifest): Readonly<Record<string, string>> {
  return { ...dependencies, ...optionalDependencies, ...peerDependencies };
}
