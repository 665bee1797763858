// One version for all packages, in every place that has it: manifests, what the packages ask of one another, the lock file, the
// changelog, and Helm charts.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import type { WorkspacePackage } from "../packages/workspace.ts";

const semantic = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;

/** Writes it everywhere; answers the files that are different now. Throws Invalid for what is no version. */
export function setVersion(
  root: string,
  packages: readonly WorkspacePackage[],
  version: string,
  today: string,
): readonly string[] {
  if (!semantic.test(version))
    throw new VirtualKubeletError("Invalid", `"${version}" is no version: it has to be like 1.2.3 or 1.2.3-rc.1`);
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
  for (const file of manifests) edit(file, (text) => withVersions(text, names, version));
  edit("package-lock.json", (text) => withVersions(text, names, version));
  for (const file of globSync("deploy/**/Chart.yaml", { cwd: root }))
    edit(file, (text) => chartWithVersion(text, version));
  edit("CHANGELOG.md", (text) => text.replace(/^## .+ \(unreleased\)$/m, `## ${version} (${today})`));
  return changed;
}

/** Of a manifest or a lock file: `version` of what bears one of these names, and what others ask of them. */
function withVersions(text: string, names: readonly string[], version: string): string {
  const changed: unknown = JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const own = "name" in value && "version" in value && names.includes(String(value.name));
    const entries = Object.entries(value).map(([key, inner]: [string, unknown]) =>
      (own && key === "version") || (names.includes(key) && typeof inner === "string") ? [key, version] : [key, inner],
    );
    return Object.fromEntries(entries);
  });
  return `${JSON.stringify(changed, undefined, 2)}\n`;
}

export function chartWithVersion(text: string, version: string): string {
  return text.replaceAll(/^(version|appVersion): .*$/gm, (_line, key: string) =>
    key === "version" ? `version: ${version}` : `appVersion: "${version}"`,
  );
}
