// The manual is what the schema says, and its example is taken.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configDocs, exampleConfig } from "./config-docs.ts";
import { parseConfigFile } from "./config-file.ts";
import { environmentLayer, flagLayer } from "./overrides.ts";
import { resolveConfig } from "./resolve-config.ts";

test("docs/configuration.md is up to date", () => {
  const written = readFileSync(new URL("../../../../docs/configuration.md", import.meta.url), "utf8");
  assert.equal(written, configDocs(), "run: node scripts/generate-config-docs.ts");
});

test("the example of the manual is a configuration without faults", () => {
  const file = parseConfigFile(exampleConfig, "example.yaml", "/");
  const { config, faults } = resolveConfig({ flags: flagLayer(new Map()), environment: environmentLayer({}), file });
  assert.deepEqual(faults, []);
  assert.deepEqual(
    config.nodes.map(({ name }) => name),
    ["vk-0", "vk-1", "vk-2", "vk-big"],
  );
  assert.deepEqual(config.nodes[3]?.taints, []);
});
