// What is wrong with the providers of the configuration is told of all nodes at once, before any of them is made.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { type Config, type NodeConfig, nodeDefaults, processDefaults } from "./config.ts";
import { loadProviders } from "./configured-providers.ts";
import { UsageError } from "./fault.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "configured-providers-"));
  await writeFile(join(directory, "silent.mjs"), "export const createProvider = () => ({});");
  await writeFile(
    join(directory, "down.mjs"),
    "export const createProvider = () => ({}); export const describeProvider = () => { throw new Error('its own fault'); };",
  );
});
after(() => rm(directory, { recursive: true }));

const node = (name: string, provider: NodeConfig["provider"]): NodeConfig => ({
  ...nodeDefaults,
  name,
  provider,
  taints: [],
  port: 10250,
});
const configOf = (...nodes: NodeConfig[]): Config => ({ ...processDefaults, nodes });

test("each provider is loaded once; one that says nothing beforehand is left for later", async () => {
  const silent = { name: "./silent.mjs", config: { any: 1 } };
  const loaded = await loadProviders(
    configOf(node("a", { name: "mock" }), node("b", { name: "mock" }), node("c", silent)),
    directory,
  );
  assert.deepEqual([...loaded.keys()], ["mock", "./silent.mjs"]);
});

test("faults of all nodes at once, those of one entry once, without the secrets in them", async () => {
  const wrong = { name: "process", config: { stateDir: "/x", password: "hunter2" } };
  const config = configOf(node("a-0", wrong), node("a-1", wrong), node("b", { name: "mok" }));
  await assert.rejects(loadProviders(config, directory), (error: unknown) => {
    assert.ok(error instanceof UsageError);
    assert.match(
      error.message,
      /^2 faults in the configuration:\n {2}node a-0: configuration of the process provider: stateDirectory: is required; stateDir: unknown setting \(did you mean stateDirectory\?\); password: unknown setting; known here: .*\n {2}node b: no such provider: mok \(did you mean mock\?\)/,
    );
    assert.doesNotMatch(error.message, /hunter2|a-1/);
    assert.ok(error.cause instanceof VirtualKubeletError);
    assert.equal(error.cause.kind, "Invalid");
    return true;
  });
});

test("of a composite, the faults of all members by their names", async () => {
  const members = ["one", "two"].map((name) => ({ name, provider: "process", config: {} }));
  const config = configOf(node("a", { name: "composite", config: { members } }));
  await assert.rejects(
    loadProviders(config, directory),
    /member one: .*stateDirectory: is required; member two: .*stateDirectory: is required/,
  );
});

test("what is no fault of the configuration is thrown as it is", async () => {
  await assert.rejects(loadProviders(configOf(node("a", { name: "./down.mjs" })), directory), /^Error: its own fault$/);
});
