import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { imageNameFault, parseImageName, pullPolicy, withTag } from "./image-name.ts";

const digest = `sha256:${"0".repeat(64)}`;

describe("image names", () => {
  const table: readonly (readonly [string, string, string])[] = [
    ["app", "app:latest", "Always"],
    ["app:latest", "app:latest", "Always"],
    ["app:1", "app:1", "IfNotPresent"],
    ["team/app", "team/app:latest", "Always"],
    ["r.example.com/app", "r.example.com/app:latest", "Always"],
    ["r.example.com:5000/app", "r.example.com:5000/app:latest", "Always"],
    ["r.example.com:5000/app:2", "r.example.com:5000/app:2", "IfNotPresent"],
    [`app@${digest}`, `app@${digest}`, "IfNotPresent"],
    [`app:latest@${digest}`, `app:latest@${digest}`, "IfNotPresent"],
    ["", "", "IfNotPresent"],
  ];
  for (const [image, full, policy] of table) {
    it(image, () => {
      assert.equal(withTag(image), full);
      assert.equal(pullPolicy(image, undefined), policy);
      assert.equal(pullPolicy(image, "Never"), "Never");
    });
  }

  it("in parts", () => {
    assert.deepEqual(parseImageName(`r.example.com:5000/a/b:1@${digest}`), {
      repository: "r.example.com:5000/a/b",
      tag: "1",
      digest,
    });
  });
});

describe("what is no name of an image", () => {
  const format = "invalid reference format";
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["app", undefined],
    ["app:V1.2_x-y", undefined],
    ["r.example.com:5000/a__b/c-d.e/f:1", undefined],
    ["localhost/app", undefined],
    ["[::1]:5000/app", undefined],
    [`app:1@${digest}`, undefined],
    ["", format],
    ["app:", format],
    ["app@", format],
    ["app@sha256:00", format],
    [`app@${digest}@${digest}`, format],
    ["app::1", format],
    ["app:1:2", format],
    ["/app", format],
    ["app/", format],
    ["a//b", format],
    ["a b", format],
    ["-app", format],
    ["app-", format],
    ["a___b", format],
    ["r.example.com:port/app", format],
    [`app:${"x".repeat(129)}`, format],
    ["App", `${format}: repository name (library/App) must be lowercase`],
    ["r.example.com/Team/app:1", `${format}: repository name (Team/app) must be lowercase`],
    ["team/App::bar", `${format}: repository name (team/App) must be lowercase`],
    ["0".repeat(64), `invalid repository name (${"0".repeat(64)}), cannot specify 64-byte hexadecimal strings`],
    ["a".repeat(256), "repository name must not be more than 255 characters"],
  ];
  for (const [image, why] of rows)
    it(image.slice(0, 40), () => {
      assert.equal(imageNameFault(image), why && `couldn't parse image name "${image}": ${why}`);
    });
});
