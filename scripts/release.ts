// npm run release: publishes the packages once all is fit, or says what is not; sets their version; says how large they are.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../packages/virtual-kubelet/src/errors.ts";
import { installPackages, treeSize } from "./packages/install-packages.ts";
import { type PackedPackage, packPackages } from "./packages/pack-packages.ts";
import { packageFaults } from "./packages/package-faults.ts";
import { npm, runCommand } from "./packages/run-command.ts";
import { cloudPackages, root, workspacePackages } from "./packages/workspace.ts";
import { releaseFacts } from "./release/release-facts.ts";
import { provenanceFaults, releaseFaults } from "./release/release-faults.ts";
import { setVersion } from "./release/versions.ts";

const usage = `usage: npm run release -- [--dry-run] [--repository URL] [--tag TAG]
       npm run release -- version X.Y.Z
       npm run release -- size

Publishes all packages with a statement of provenance, after checks of the tree, the versions, the changelog and the tarballs.

  --dry-run         does all but publish, and says what is missing
  --repository URL  goes into the packages, as git+https://host/owner/name.git
  --tag TAG         under which npm finds this version; default latest, next for versions like 1.2.3-rc.1
  version X.Y.Z     sets the version everywhere, and the date of the changelog's unreleased section
  size              packs, installs into an empty project, and says how much room that takes`;

async function main(): Promise<number> {
  const { values: flags, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "dry-run": { type: "boolean", default: false },
      repository: { type: "string" },
      tag: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [command = "publish", version, ...rest] = positionals;
  const known = { publish: 1, size: 1, version: 2 }[command];
  if (flags.help || known !== Math.max(1, positionals.length) || rest.length > 0) {
    console.log(usage);
    return flags.help ? 0 : 2;
  }
  if (command === "version" && version !== undefined) {
    const today = new Date().toISOString().slice(0, 10);
    const changed = setVersion(root, workspacePackages(), version, today);
    console.log(changed.length === 0 ? `everything has version ${version} already` : changed.join("\n"));
    return 0;
  }
  const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-release-"));
  try {
    if (command === "size") return await size(directory);
    return await release(directory, flags["dry-run"], flags.repository, flags.tag);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** `anew`: what a cache of the compiler calls current may have been edited since. */
async function build(anew: boolean): Promise<void> {
  const projects = workspacePackages().map((each) => each.directory);
  const options = anew ? ["--force"] : [];
  await runCommand(join(root, "node_modules/.bin/tsc"), ["-b", ...options, ...projects], { cwd: root });
}

async function release(
  directory: string,
  dryRun: boolean,
  repository: string | undefined,
  tag: string | undefined,
): Promise<number> {
  const faults = [...releaseFaults(await releaseFacts(root))];
  const missing = provenanceFaults(repository, process.env);
  await build(!dryRun);
  const fields = repository === undefined ? {} : { repository: { type: "git", url: repository } };
  const packed = await packPackages(directory, workspacePackages(), fields);
  for (const each of packed) faults.push(...(await packageFaults(each)));
  if (faults.length === 0) console.log("tree, versions, changelog, publint and are-the-types-wrong: nothing is wrong");
  for (const fault of faults) console.log(`fault: ${fault}`);
  for (const need of missing) console.log(`needed to publish with provenance: ${need}`);
  for (const each of packed) {
    const args = publishArguments(each, tag);
    if (dryRun) console.log(`would run: npm ${args.join(" ")}  (${kilobytes(each.size)}, ${each.files.length} files)`);
  }
  if (dryRun || faults.length + missing.length > 0) {
    if (!dryRun) console.log("nothing was published");
    return faults.length + (dryRun ? 0 : missing.length) > 0 ? 1 : 0;
  }
  for (const each of packed) {
    const there = await npm(["view", `${each.name}@${each.version}`, "version"], root).catch(() => "");
    if (there === "") await npm(publishArguments(each, tag), directory);
    console.log(`${each.name} ${each.version}: ${there === "" ? "published" : "was published before"}`);
  }
  return 0;
}

function publishArguments({ tarball, version }: PackedPackage, tag: string | undefined): readonly string[] {
  const under = tag ?? (version.includes("-") ? "next" : "latest");
  return ["publish", tarball, "--provenance", "--access", "public", "--tag", under];
}

async function size(directory: string): Promise<number> {
  await build(false);
  const packed = await packPackages(join(directory, "packed"));
  for (const { name, size: bytes, unpackedSize, files } of packed)
    console.log(`${name}: ${kilobytes(bytes)} packed, ${kilobytes(unpackedSize)} in ${files.length} files`);
  const local = packed.filter(({ name }) => !cloudPackages.includes(name));
  for (const [title, those] of [
    ["without providers of clouds", local],
    ["all installed", packed],
  ] as const) {
    const project = join(directory, title.replaceAll(" ", "-"));
    await installPackages(project, those);
    const modules = join(project, "node_modules");
    const traces = megabytes(treeSize(join(modules, "@opentelemetry")));
    console.log(`${title}, with what they depend on: ${megabytes(treeSize(modules))}, ${traces} of it OpenTelemetry`);
  }
  return 0;
}

const kilobytes = (bytes: number): string => `${Math.round(bytes / 1000)} kB`;
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

try {
  process.exitCode = await main();
} catch (error) {
  console.error(errorText(error));
  process.exitCode = 1;
}
