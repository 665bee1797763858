// Costs in the configuration file: what comes of them, and that all that is wrong is told at once.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Config } from "./config.ts";
import { UsageError } from "./fault.ts";
import { loadConfig } from "./load-config.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "program-budgets-"));
});
after(() => rm(directory, { recursive: true }));

async function load(file: string): Promise<Config> {
  await writeFile(join(directory, "vk.yaml"), file);
  return (await loadConfig({ argv: ["--config", "vk.yaml"], env: {}, cwd: directory })).config;
}

async function faultsOf(file: string): Promise<readonly string[]> {
  try {
    await load(file);
    return [];
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.faults.map(({ path, message }) => `${path}: ${message}`);
  }
}

test("none by default; where there are some, with their defaults", async () => {
  assert.equal((await load("nodes: [{name: a, provider: {name: mock}}]\n")).budgets, undefined);
  const { budgets, nodes } = await load(`
nodes: [{name: a, prices: fast, provider: {name: mock}}]
budgets:
  prices:
    fast: {cpu: 1, minimum: 1m, variants: [{architecture: arm64, cpu: 0.8}]}
`);
  assert.deepEqual(budgets, {
    currency: "",
    prices: { fast: { cpu: 1, minimum: 60_000, variants: [{ architecture: "arm64", cpu: 0.8 }] } },
    ceilings: { nodes: [], namespaces: [] },
    overCeiling: "hold",
  });
  assert.equal(nodes[0]?.prices, "fast");
});

test("all faults at once, those within tables too", async () => {
  const faults = await faultsOf(`
nodes: [{name: a, provider: {name: mock}}]
budgets:
  overCeiling: wait
  prices:
    mock: {cpu: -1, memoryGib: 2, minimum: 60, gpus: {T4: free}, variants: [{cpu: 1}]}
  ceilings:
    nodes: [{name: a}, {name: A, perHour: 1}]
    namespaces: [{name: x, perDay: 1}, {name: x, perDay: 2}]
`);
  for (const expected of [
    /budgets\.overCeiling: .*must be one of hold, fail/,
    /budgets\.prices\.mock\.cpu: -1 must be a price: a number, 0 or more/,
    /budgets\.prices\.mock\.memoryGib: unknown setting \(did you mean memoryGiB\?\)/,
    /budgets\.prices\.mock\.minimum: 60 must be a duration/,
    /budgets\.prices\.mock\.gpus\.T4: "free" must be a price/,
    /budgets\.prices\.mock\.variants\[0\]: .*must say for which architecture or operatingSystem it is/,
    /budgets\.ceilings\.nodes\[0\]: .*limits nothing/,
    /budgets\.ceilings\.nodes\[1\]\.name: "A" must be the name of one/,
    /budgets\.ceilings\.namespaces: .*must have different names/,
  ])
    assert.ok(
      faults.some((fault) => expected.test(fault)),
      `${expected} in\n${faults.join("\n")}`,
    );
});

test("a ceiling that could not hold what it promises is a fault", async () => {
  const faults = await faultsOf(`
nodes: [{name: a, provider: {name: mock}}, {name: b, prices: gold, provider: {name: mock}}]
budgets:
  prices: {silver: {}}
  ceilings: {nodes: [{name: c, perHour: 1}, {name: "*", perDay: 1}]}
`);
  assert.deepEqual(faults, [
    'nodes: node b: prices: there is no "gold" in budgets.prices (price tables: silver)',
    'budgets.ceilings.nodes[0].name: "c" is no configured node',
    'budgets.prices: lacks "mock", a provider of nodes under a ceiling: its pods would cost nothing (mock: {} if that is so)',
  ]);
});
