// One version for all packages, in every place that has it: their manifests, what they ask of one another, the lock file, the
// changelog, the Helm chart and what is rendered from it, pages of the docs.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import type { WorkspacePackage } from "../packages/workspace.ts";

const semantic = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;
const version = "(\\d+\\.\\d+\\.\\d+(?:-[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?)";

/** Other files that have it, after what stands before it there. */
const places: readonly (readonly [files: string, before: RegExp])[] = [
  ["deploy/**/Chart.yaml", /^(version: |appVersion: )/],
  ["deploy/manifests/*.yaml", /(app\.kubernetes\.io\/version: "|image: "virtual-kubelet:)/],
  ["docs/*.md", /("@virtual-kubelet\/[a-z-]+": "|v\d+\.\d+\.\d+-vk-)/],
];

/** What those files say: a line for each version in each. */
export function versionsInFiles(root: string): readonly { readonly file: string; readonly version: string }[] {
  return places.flatMap(([files, before]) =>
    globSync(files, { cwd: root })
      .sort()
      .flatMap((file) => {
        const found = readFileSync(join(root, file), "utf8").matchAll(new RegExp(before.source + version, "gm"));
        const versions = new Set([...found].map((match) => match[2] ?? ""));
        return [...versions].map((each) => ({ file, version: each }));
      }),
  );
}

/** Writes it everywhere; answers the files that are different now. Throws Invalid for what is no version. */
export function setVersion(
  root: string,
  packages: readonly WorkspacePackage[],
  next: string,
  today: string,
): readonly string[] {
  if (!semantic.test(next))
    throw new VirtualKubeletError("Invalid", `"${next}" is no version: it has to be like 1.2.3 or 1.2.3-rc.1`);
  const names = packages.map(({ manifest }) => manifest.name);
  const changed: string[] = [];
  const edit = (file: string, change: (text: string) => string): void => {
    const before = readFileSync(join(root, file), "utf8");
    const after = change(before);
    if (after === before) return;
    writeFileSync(join(root, file), after);
    changed.push(file);
  };
  const manifests = globSync("packages/*/package.json", { cwd: root }).sort();
  for (const file of manifests) edit(file, (text) => withVersions(text, names, next));
  edit("package-lock.json", (text) => withVersions(text, names, next));
  for (const [files, before] of places) {
    const pattern = new RegExp(before.source + version, "gm");
    for (const file of globSync(files, { cwd: root }).sort())
      edit(file, (text) => text.replaceAll(pattern, (_all, kept: string) => kept + next));
  }
  edit("CHANGELOG.md", (text) => text.replace(/^## .+ \(unreleased\)$/m, `## ${next} (${today})`));
  return changed;
}

/** Of a manifest or a lock file: `version` of what bears one of these names, and what others ask of them. */
function withVersions(text: string, names: readonly string[], next: string): string {
  const changed: unknown = JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const own = "name" in value && "version" in value && names.includes(String(value.name));
    const entries = Object.entries(value).map(([key, inner]: [string, unknown]) =>
      (own && key === "version") || (names.includes(key) && typeof inner === "string") ? [key, next] : [key, inner],
    );
    return Object.fromEntries(entries);
  });
  return `${JSON.stringify(changed, undefined, 2)}\n`;
}
