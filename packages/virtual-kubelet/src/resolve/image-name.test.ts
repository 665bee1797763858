import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseImageName, pullPolicy, withTag } from "./image-name.ts";

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
