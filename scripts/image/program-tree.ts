// The program in an image: the core and packages of providers, each as it is published, with what they depend on in production.
import {
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { hint } from "../../packages/virtual-kubelet/src/host/closest.ts";
import { npm } from "../packages/run-command.ts";
import { stagePackage } from "../packages/stage-package.ts";
import { dependenciesOf, type WorkspacePackage, workspacePackages } from "../packages/workspace.ts";
import type { Architecture } from "./debian-packages.ts";
import { installLocked } from "./locked-packages.ts";

const core = "@virtual-kubelet/virtual-kubelet";
const providerPrefix = "@virtual-kubelet/provider-";
const place = "opt/virtual-kubelet";

/** Of the core: what serves tests of others. */
const unused = ["packages/virtual-kubelet/dist/testing", "packages/virtual-kubelet/control-plane"];
/** Of all packages: what no program loads. Licences stay. */
const unloaded = [
  "**/*.{map,ts,mts,cts,flow,markdown,tsbuildinfo,md}",
  "**/.{npmignore,gitattributes,gitignore,*rc,*.json,*.yml}",
];
/** Folders at the top of a package that are for its authors. */
const authors = "node_modules/{,@*/}*/{test,tests,bench,benchmark,benchmarks,docs,example,examples,.github,.vscode}/";
/** Of packages that are there in two forms: the one for bundlers, and types. Node.js loads `dist-cjs` beside them. */
const bundled = "node_modules/{,@*/}*/{dist-es,dist-types}/";

/** Names that an image may be asked to have beside the built-in ones. */
export function providerNames(): readonly string[] {
  return workspacePackages()
    .map(({ manifest }) => manifest.name)
    .filter((name) => name.startsWith(providerPrefix))
    .map((name) => name.slice(providerPrefix.length));
}

/**
 * Fills `dependencies/` and `packages/` below the target, both as from the root of an image, and answers npm's list of what is in
 * them, in CycloneDX. Throws Invalid for a provider that there is not.
 */
export async function programTree(
  target: string,
  providers: readonly string[],
  architecture: Architecture,
): Promise<string> {
  const work = join(target, "work");
  for (const each of chosenPackages(providers)) stagePackage(each, join(work, "packages", basename(each.directory)));
  const identity = { name: "virtual-kubelet-image", version: versionOfCore() };
  await installLocked(work, { ...identity, workspaces: ["packages/*"] }, architecture);
  const bill = await npm(["sbom", "--sbom-format=cyclonedx", "--omit=dev"], work);
  for (const path of unused) rmSync(join(work, path), { recursive: true, force: true });
  for (const folder of globSync(authors, { cwd: work })) rmSync(join(work, folder), { recursive: true });
  for (const folder of globSync(bundled, { cwd: work }))
    if (existsSync(join(work, folder, "../dist-cjs"))) rmSync(join(work, folder), { recursive: true });
  for (const file of globSync(unloaded, { cwd: work }))
    if (!/licen[cs]e|notice/i.test(basename(file)) && lstatSync(join(work, file)).isFile()) rmSync(join(work, file));
  for (const file of globSync("**/.{bin,package-lock.json}", { cwd: join(work, "node_modules") }))
    rmSync(join(work, "node_modules", file), { recursive: true });

  // The links to this repository's packages go with these: what they depend on is then one layer for all images.
  const scope = "node_modules/@virtual-kubelet";
  move(join(work, scope), join(target, "packages", place, scope));
  move(join(work, "node_modules"), join(target, "dependencies", place, "node_modules"));
  move(join(work, "packages"), join(target, "packages", place, "packages"));
  link(join(target, "packages"));
  writeFileSync(
    join(target, "packages", place, "package.json"),
    `${JSON.stringify({ private: true, type: "module", ...identity })}\n`,
  );
  const licence = join(target, "packages", place, "packages/virtual-kubelet/LICENSE");
  cpSync(licence, join(target, "packages/usr/share/doc/virtual-kubelet/copyright"));
  rmSync(work, { recursive: true });
  return bill;
}

export function versionOfCore(): string {
  return packageNamed(core).manifest.version;
}

/** The core, the providers, and what those need of this repository. Throws Invalid for a provider that there is not. */
export function chosenPackages(providers: readonly string[]): readonly WorkspacePackage[] {
  const chosen = new Map<string, WorkspacePackage>();
  const choose = (name: string): void => {
    if (chosen.has(name)) return;
    const found = packageNamed(name);
    chosen.set(name, found);
    const wanted = dependenciesOf(found.manifest);
    for (const { manifest } of workspacePackages()) if (Object.hasOwn(wanted, manifest.name)) choose(manifest.name);
  };
  choose(core);
  const known = providerNames();
  for (const name of providers) {
    if (!known.includes(name)) {
      const told = `no package of a provider "${name}"${hint(name, known)}; there are: ${known.join(", ")}. Built-in ones are always there.`;
      throw new VirtualKubeletError("Invalid", told);
    }
    choose(providerPrefix + name);
  }
  return [...chosen.values()];
}

function packageNamed(name: string): WorkspacePackage {
  const found = workspacePackages().find(({ manifest }) => manifest.name === name);
  if (found === undefined) throw new VirtualKubeletError("NotFound", `there is no package ${name} in this repository`);
  return found;
}

function move(from: string, to: string): void {
  mkdirSync(join(to, ".."), { recursive: true });
  renameSync(from, to);
}

/** /usr/bin/virtual-kubelet, which the kernel starts without a shell or env. */
function link(target: string): void {
  const program = join(place, "packages/virtual-kubelet/bin/virtual-kubelet.js");
  const text = readFileSync(join(target, program), "utf8");
  writeFileSync(join(target, program), text.replace(/^#!.*/, "#!/usr/bin/node"));
  mkdirSync(join(target, "usr/bin"), { recursive: true });
  symlinkSync(`../../${program}`, join(target, "usr/bin/virtual-kubelet"));
}
