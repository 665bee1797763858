import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { workspacePackages } from "../packages/workspace.ts";
import { setVersion, versionsInFiles } from "./versions.ts";

const root = mkdtempSync(join(tmpdir(), "virtual-kubelet-versions-"));
after(() => rmSync(root, { recursive: true, force: true }));
function write(file: string, content: object | string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), typeof content === "string" ? content : `${JSON.stringify(content, undefined, 2)}\n`);
}
const read = (file: string): string => readFileSync(join(root, file), "utf8");

test("a version is set in manifests, between packages, in the lock file, charts and the changelog, and nowhere else", () => {
  const core = { name: "@vk/core", version: "0.1.0", dependencies: { yaml: "0.1.0" }, files: ["dist"] };
  const provider = { name: "@vk/provider", version: "0.1.0", dependencies: { "@vk/core": "0.1.0", yaml: "0.1.0" } };
  write("packages/core/package.json", core);
  write("packages/provider/package.json", provider);
  write("package-lock.json", {
    packages: {
      "": { name: "workspace", version: "0.0.0" },
      "node_modules/@vk/core": { resolved: "packages/core", link: true },
      "node_modules/yaml": { version: "0.1.0" },
      "packages/core": core,
      "packages/provider": provider,
    },
  });
  write("deploy/chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\nappVersion: 0.1.0\n");
  write("deploy/manifests/all.yaml", 'app.kubernetes.io/version: "0.1.0"\nimage: "virtual-kubelet:0.1.0"\n');
  write("docs/page.md", '"@virtual-kubelet/core": "0.1.0", "yaml": "0.1.0", v1.36.3-vk-0.1.0 since 0.1.0\n');
  write("CHANGELOG.md", "# Changelog\n\n## 0.1.0 (unreleased)\n- All.\n");

  const changed = setVersion(root, workspacePackages(root), "0.2.0-rc.1", "2026-11-30");

  const manifests = ["packages/core/package.json", "packages/provider/package.json"];
  const others = ["deploy/chart/Chart.yaml", "deploy/manifests/all.yaml", "docs/page.md"];
  assert.deepEqual(changed, [...manifests, "package-lock.json", ...others, "CHANGELOG.md"]);
  const dependencies = { "@vk/core": "0.2.0-rc.1", yaml: "0.1.0" };
  assert.deepEqual(JSON.parse(read("packages/core/package.json")), { ...core, version: "0.2.0-rc.1" });
  assert.deepEqual(JSON.parse(read("packages/provider/package.json")), {
    ...provider,
    version: "0.2.0-rc.1",
    dependencies,
  });
  assert.deepEqual(JSON.parse(read("package-lock.json")), {
    packages: {
      "": { name: "workspace", version: "0.0.0" },
      "node_modules/@vk/core": { resolved: "packages/core", link: true },
      "node_modules/yaml": { version: "0.1.0" },
      "packages/core": { ...core, version: "0.2.0-rc.1" },
      "packages/provider": { ...provider, version: "0.2.0-rc.1", dependencies },
    },
  });
  assert.match(read("deploy/chart/Chart.yaml"), /^version: 0\.2\.0-rc\.1\nappVersion: 0\.2\.0-rc\.1$/m);
  assert.match(read("deploy/chart/Chart.yaml"), /^apiVersion: v2$/m);
  assert.deepEqual(
    versionsInFiles(root),
    others.map((file) => ({ file, version: "0.2.0-rc.1" })),
  );
  assert.match(read("deploy/manifests/all.yaml"), /version: "0\.2\.0-rc\.1"\nimage: "virtual-kubelet:0\.2\.0-rc\.1"/);
  assert.match(read("docs/page.md"), /: "0\.2\.0-rc\.1", "yaml": "0\.1\.0", v1\.36\.3-vk-0\.2\.0-rc\.1 since 0\.1\.0/);
  assert.equal(read("CHANGELOG.md"), "# Changelog\n\n## 0.2.0-rc.1 (2026-11-30)\n- All.\n");
  assert.deepEqual(setVersion(root, workspacePackages(root), "0.2.0-rc.1", "2026-12-01"), []);
});

test("what is no version is refused, and nothing is written", () => {
  const before = read("packages/core/package.json");
  for (const version of ["v1.0.0", "1.0", "1.0.0-", "01.0.0", "latest"])
    assert.throws(() => setVersion(root, [], version, "2026-11-30"), /is no version: it has to be like 1\.2\.3/);
  assert.equal(read("packages/core/package.json"), before);
});
