// What docs/security.md says of the packages that this project is made of.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as v from "valibot";

const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
const lockFile = v.object({
  packages: v.record(
    v.string(),
    v.looseObject({
      integrity: v.optional(v.string()),
      link: v.optional(v.boolean()),
      hasInstallScript: v.optional(v.boolean()),
      resolved: v.optional(v.string()),
      dependencies: v.optional(v.record(v.string(), v.string()), {}),
    }),
  ),
});
const dependencies = v.optional(v.record(v.string(), v.string()), {});
const manifest = v.object({ dependencies, optionalDependencies: dependencies });

test("every package of the lock file is pinned by its hash, and none runs a script when it is installed", () => {
  const { packages } = v.parse(lockFile, JSON.parse(read("package-lock.json")));
  const foreign = Object.entries(packages).filter(
    ([path, { link }]) => path.includes("node_modules/") && link !== true,
  );
  assert.ok(foreign.length > 50);
  for (const [path, { integrity, hasInstallScript }] of foreign) {
    assert.match(integrity ?? "", /^sha512-/, path);
    assert.notEqual(hasInstallScript, true, path);
  }
  assert.match(read(".npmrc"), /^ignore-scripts=true$/m);
});

test("as many packages at run time as docs/security.md says, its own in exactly one version each", () => {
  const { dependencies: needed, optionalDependencies: optional } = v.parse(
    manifest,
    JSON.parse(read("packages/virtual-kubelet/package.json")),
  );
  const own = Object.keys(needed);
  const counts = [own.length, withAllTheirs(own).size, withAllTheirs([...own, ...Object.keys(optional)]).size];
  const [, direct, all, traced] =
    /needs (\d+) packages at run time, (\d+) with all that those need; with traces, which are optional, (\d+)/.exec(
      read("docs/security.md"),
    ) ?? [];
  assert.deepEqual([direct, all, traced].map(Number), counts);
  for (const [name, version] of Object.entries({ ...needed, ...optional }))
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
});

function withAllTheirs(names: readonly string[]): ReadonlySet<string> {
  const { packages } = v.parse(lockFile, JSON.parse(read("package-lock.json")));
  const found = new Set<string>();
  const add = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    const listed = packages[`node_modules/${name}`];
    const { dependencies: more = {} } = (listed?.link === true ? packages[listed.resolved ?? ""] : listed) ?? {};
    for (const each of Object.keys(more)) add(each);
  };
  for (const name of names) add(name);
  return found;
}
