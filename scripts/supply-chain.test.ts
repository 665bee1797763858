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

test("as many packages at run time as docs/security.md says, in exactly one version each", () => {
  const { dependencies: needed, optionalDependencies: optional } = v.parse(
    manifest,
    JSON.parse(read("packages/virtual-kubelet/package.json")),
  );
  assert.match(read("docs/security.md"), /needs ten packages at run time, and three more for traces/);
  assert.deepEqual([Object.keys(needed).length, Object.keys(optional).length], [10, 3]);
  for (const [name, version] of Object.entries({ ...needed, ...optional }))
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
});
