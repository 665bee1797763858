import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { credentialsFor } from "./image-credentials.ts";

const of = (registry: string) => ({ registry, username: "u", password: "p" });

describe("credentials for an image", () => {
  const all = [
    "r.example/team",
    "r.example",
    "r.example:5000",
    "*.example",
    "*.example/x",
    "other",
    "home.example",
  ].map(of);
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["r.example/team/app:1", ["r.example/team", "r.example", "*.example"]],
    ["r.example/team:1", ["r.example/team", "r.example", "*.example"]],
    [`r.example/team@sha256:${"0".repeat(64)}`, ["r.example/team", "r.example", "*.example"]],
    ["r.example/teams/app:1", ["r.example", "*.example"]],
    ["r.example:5000/app", ["r.example:5000"]],
    ["r.example:5001/app", []],
    ["r.example.evil/app", []],
    ["a.b.example/x", []],
    ["s.example/x/y", ["*.example", "*.example/x"]],
    ["home.example/app", ["*.example", "home.example"]],
    // Without a registry only those for the one that is meant.
    ["app:1", ["*.example", "home.example"]],
    ["team/app", ["*.example", "home.example"]],
    ["other/app", ["*.example", "home.example"]],
    ["x/app", ["*.example", "*.example/x", "home.example"]],
    // The same registry by another name.
    ["index.home.example/app", ["*.example", "home.example"]],
  ];
  for (const [image, registries] of rows)
    it(image, () => {
      const found = credentialsFor(image, all, ["home.example", "index.home.example"]);
      assert.deepEqual(
        found.map(({ registry }) => registry),
        registries,
      );
    });

  it("are none for a name without a registry where nobody knows which is meant", () => {
    assert.deepEqual(credentialsFor("team/app", [of("team"), of("*"), of("home.example")]), []);
  });

  it("take nothing in a registry for a pattern but its stars and question marks", () => {
    assert.deepEqual(credentialsFor("ab.example/app", [of("a+.example"), of("(.example"), of("a?.example")]), [
      of("a?.example"),
    ]);
  });
});
