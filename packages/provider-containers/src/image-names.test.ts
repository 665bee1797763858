import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultRegistries, imageReference } from "./image-names.ts";

describe("names of images", () => {
  const digests = ["r.example/other@sha256:2", "r.example/team/app@sha256:1", "r.example/team/app@sha256:3"];
  const rows: readonly (readonly [string, readonly string[], string])[] = [
    ["r.example/team/app:1", digests, "r.example/team/app@sha256:1"],
    ["team/app:1", digests, "r.example/team/app@sha256:1"],
    ["team/app@sha256:3", digests, "r.example/team/app@sha256:3"],
    ["localhost/mine", digests, "r.example/other@sha256:2"],
    ["team/app", [], "sha256:id"],
  ];
  for (const [image, known, reference] of rows)
    it(`${image} is ${reference}`, () =>
      assert.equal(imageReference({ id: "sha256:id", digests: known }, image), reference));
});

describe("the registry of names without one", () => {
  const rows: readonly (readonly [readonly string[], string, readonly string[]])[] = [
    [["r.example", "s.example:5000"], "index.other.example", ["r.example", "s.example:5000"]],
    [[], "index.r.example", ["index.r.example", "r.example"]],
    [[], "r.example", ["r.example"]],
    [[], "", []],
  ];
  for (const [configured, told, hosts] of rows)
    it(`${configured.join() || "nothing"} configured, the engine says "${told}"`, () => {
      assert.deepEqual(defaultRegistries(configured, told), hosts);
    });
});
