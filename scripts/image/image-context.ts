// Puts together the folder that an image is built from; the same each time for the same versions, modes and dates included.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { root } from "../packages/workspace.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { type Architecture, DebianPackages } from "./debian-packages.ts";
import { installLocked } from "./locked-packages.ts";
import { chosenPackages, programTree, versionOfCore } from "./program-tree.ts";
import { baseTree, packageList, toolsTree } from "./system-tree.ts";

export interface ContextOptions {
  /** Filled; has to be empty or not there. */
  readonly directory: string;
  /** One image each: the names of providers in it. */
  readonly variants: readonly (readonly string[])[];
  readonly architecture: Architecture;
  /** Seconds since 1970 that all files bear. */
  readonly epoch: number;
}

/** The value of PROVIDERS that means these. */
export function variantName(providers: readonly string[]): string {
  return providers.length === 0 ? "core" : providers.toSorted().join(",");
}

export async function imageContext({ directory, variants, architecture, epoch }: ContextOptions): Promise<void> {
  for (const providers of variants) chosenPackages(providers);
  mkdirSync(directory, { recursive: true });
  copyFileSync(join(root, "deploy/image/Containerfile"), join(directory, "Containerfile"));
  mkdirSync(join(directory, "state"), { recursive: true });
  using debian = await DebianPackages.open(architecture);
  const base = await baseTree(join(directory, "base"), debian);
  const nodeVersion = await nodeTree(join(directory, "node"), architecture);
  const created = rfc3339(epoch);
  for (const providers of variants) {
    const target = join(directory, "program", variantName(providers));
    const system = [...base, ...(await toolsTree(join(target, "tools"), providers, debian))];
    const npm = await programTree(target, providers, architecture);
    const bill = billOfMaterials({ npm, system, nodeVersion, version: versionOfCore(), created });
    const documents = join(target, "packages/usr/share/doc/virtual-kubelet");
    writeFileSync(join(documents, "sbom.cdx.json"), bill);
    writeFileSync(join(documents, "packages.txt"), packageList(system));
  }
  settle(directory, epoch);
  chmodSync(join(directory, "base/tmp"), 0o1777);
}

export function rfc3339(epoch: number): string {
  return new Date(epoch * 1000).toISOString().replace(".000Z", "Z");
}

const manifestSchema = v.object({ optionalDependencies: v.record(v.string(), v.string()) });

/** The Node.js that this repository pins; answers its version. */
async function nodeTree(target: string, architecture: Architecture): Promise<string> {
  const name = `node-linux-${architecture === "amd64" ? "x64" : architecture}`;
  const manifest = v.parse(manifestSchema, JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
  const version = manifest.optionalDependencies[name] ?? "";
  const work = mkdtempSync(join(tmpdir(), "virtual-kubelet-node-"));
  try {
    // Optional: npm would refuse to think about packages for other machines.
    await installLocked(work, { name: "node", version, optionalDependencies: { [name]: version } }, architecture);
    const installed = join(work, "node_modules", name);
    mkdirSync(join(target, "usr/bin"), { recursive: true });
    copyFileSync(join(installed, "bin/node"), join(target, "usr/bin/node"));
    cpSync(join(installed, "LICENSE"), join(target, "usr/share/doc/nodejs/copyright"));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return version;
}

/** Whatever the umask and the clock of this machine: readable by all, written by root alone, of one date. */
function settle(directory: string, epoch: number): void {
  const paths = [".", ...globSync("**/*", { cwd: directory }), ...globSync("**/.*", { cwd: directory })];
  for (const path of paths.map((each) => join(directory, each))) {
    const stat = lstatSync(path);
    if (stat.isDirectory()) chmodSync(path, 0o755);
    else if (stat.isFile()) chmodSync(path, (stat.mode & 0o100) === 0 ? 0o644 : 0o755);
    lutimesSync(path, epoch, epoch);
  }
}
