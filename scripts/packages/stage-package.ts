// Puts a package together as it is published: what its manifest names, of what is built only what still has a source and is no
// test, with nothing that points at sources, which are not published.
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { root, type WorkspacePackage } from "./workspace.ts";

/** Written over the manifest's: what only the one who publishes knows. */
export interface StagedFields {
  readonly repository?: Readonly<Record<string, string>> | undefined;
}

/** `target` is made. Throws NotFound when the package is not built. */
export function stagePackage(
  { directory, manifest }: WorkspacePackage,
  target: string,
  fields: StagedFields = {},
): void {
  mkdirSync(target, { recursive: true });
  for (const entry of manifest.files.filter((name) => !name.startsWith("!"))) {
    if (entry === "dist") stageBuilt(directory, target, Object.hasOwn(manifest.exports, "./testing"));
    else for (const path of entriesOf(directory, entry)) copy(directory, path, target);
  }
  cpSync(join(directory, "README.md"), join(target, "README.md"));
  cpSync(join(root, "LICENSE"), join(target, "LICENSE"));
  const whole: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const text = JSON.stringify({ ...asObject(whole), ...fields }, withoutSources, 2);
  writeFileSync(join(target, "package.json"), `${text}\n`);
}

/** Of an entry of `files`: itself, or what its pattern matches. */
function entriesOf(directory: string, entry: string): readonly string[] {
  const found = globSync(entry, { cwd: directory });
  if (found.length === 0)
    throw new VirtualKubeletError(
      "NotFound",
      `${directory}: "files" of package.json names ${entry}, which is not there`,
    );
  return found;
}

function copy(directory: string, path: string, target: string): void {
  mkdirSync(dirname(join(target, path)), { recursive: true });
  cpSync(join(directory, path), join(target, path), { recursive: true });
}

/** What is in `testing/` serves tests: others' where it is exported, else this repository's alone. */
function stageBuilt(directory: string, target: string, withTesting: boolean): void {
  const sources = globSync("**/*.ts", { cwd: join(directory, "src") }).filter(
    (file) => !file.endsWith(".test.ts") && (withTesting || !file.startsWith("testing/")),
  );
  for (const source of sources) {
    const base = source.slice(0, -".ts".length);
    const built = [`${base}.js`, `${base}.d.ts`].map((file) => ({ from: join(directory, "dist", file), file }));
    for (const { from, file } of built) {
      if (!existsSync(from))
        throw new VirtualKubeletError("NotFound", `${from} is not there: \`npm run build\` makes it`);
      const to = join(target, "dist", file);
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, readFileSync(from, "utf8").replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n"));
    }
  }
}

/** A replacer of JSON: the condition under which Node takes sources. */
function withoutSources(key: string, value: unknown): unknown {
  return key === "source" ? undefined : value;
}

function asObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}
