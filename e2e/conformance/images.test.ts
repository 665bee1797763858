import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { registriesConf } from "./image-registry.ts";
import { partsOf, recipeOf } from "./images.ts";
import { staticRegistryFiles } from "./static-registry.ts";

test("images are known by the last part of their names", () => {
  for (const [name, recipe] of [
    ["registry.example/tests/agnhost:2.63.0", "agnhost"],
    ["registry.example:5000/pause:3", "pause"],
    ["registry.example/agnhost/other:1", undefined],
    ["registry.example/toString:1", undefined],
    // There to be refused.
    ["invalid.registry.example/invalid/busybox:1", undefined],
    ["registry.example/authenticated-images/agnhost:2.6", undefined],
  ] as const)
    assert.equal(recipeOf(name), recipe, name);
  const parts = { host: "registry.example:5000", repository: "registry.example:5000/a/b", tag: "1" };
  assert.deepEqual(partsOf("registry.example:5000/a/b:1"), parts);
});

test("hosts are paths of the registry", () => {
  const text = registriesConf(["registry.example"], { address: "127.0.0.1:1" });
  assert.match(text, /prefix = "registry\.example"\nlocation = "127\.0\.0\.1:1\/registry\.example"\ninsecure = true/);
});

test("an image in files: its tag leads to a manifest, and that to a layer with the tar file", () => {
  const tar = Buffer.from("a tar file");
  const files = staticRegistryFiles({ name: "pause", tag: "testing", tar, entrypoint: ["/pause"] });
  const at = (path: string): Buffer => Buffer.from(files.get(path) ?? assert.fail(`no ${path}`));
  const blob = (kind: string, digest: string): Buffer => {
    const hex = digest.replace("sha256:", "");
    const content = at(`pause/${kind}/sha256/${hex.slice(0, 2)}/${hex}/data`);
    assert.equal(createHash("sha256").update(content).digest("hex"), hex);
    return content;
  };
  const manifest = JSON.parse(blob("manifests", at("pause/manifests/testing").toString()).toString());
  const config = JSON.parse(blob("blobs", manifest.config.digest).toString());
  assert.deepEqual(config.config.Entrypoint, ["/pause"]);
  const layer = blob("blobs", manifest.layers[0].digest);
  assert.equal(layer.length, manifest.layers[0].size);
  assert.deepEqual(gunzipSync(layer), tar);
  assert.equal(config.rootfs.diff_ids[0], `sha256:${createHash("sha256").update(tar).digest("hex")}`);
});
