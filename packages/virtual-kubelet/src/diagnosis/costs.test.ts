// What `plan` and `why` say of costs.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PodCost } from "../budget/budgets.ts";
import { program } from "../program/program.ts";
import { factsOf } from "../testing/why-facts.ts";
import { whyText } from "./why-text.ts";
import { verdictOf } from "./why-verdict.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-costs-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function plan(cpu: string, budgets: string, ...flags: string[]): Promise<{ code: number; stdout: string }> {
  const pod = `{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: a, resources: {requests: {cpu: "${cpu}", memory: 2Gi}}}]}}`;
  await writeFile(join(directory, "pods.yaml"), pod);
  await writeFile(join(directory, "vk.yaml"), `nodes: [{name: burst, provider: {name: mock}}]\nbudgets: ${budgets}\n`);
  let stdout = "";
  const write = (text: string): unknown => (stdout += text);
  const argv = ["plan", "-f", "pods.yaml", "--config", "vk.yaml", ...flags];
  const run = (): Promise<void> => Promise.reject(new Error("plan runs no node"));
  const code = await program({ argv, env: {}, cwd: directory, stdout: { write }, stderr: { write }, run });
  return { code, stdout };
}

describe("plan", () => {
  const prices = "currency: EUR, prices: {mock: {cpu: 0.04, memoryGiB: 0.005}}";

  test("tells what a pod costs, and what that goes by", async () => {
    const { code, stdout } = await plan("500m", `{${prices}}`);
    assert.match(
      stdout,
      /^ {2}cost +about 0\.03 EUR per hour by the configured prices: 0\.5 cpu, 2 GiB \(its requests\)$/m,
    );
    assert.equal(code, 0);
    const { pods } = JSON.parse((await plan("500m", `{${prices}}`, "-o", "json")).stdout);
    assert.deepEqual(pods[0].cost, { currency: "EUR", perHour: 0.03, basis: "0.5 cpu, 2 GiB (its requests)" });
  });

  test("refuses what alone is more than a ceiling, and not what a ceiling may have no room for now", async () => {
    const ceilings = "ceilings: {nodes: [{name: '*', perHour: 0.05}], namespaces: [{name: default, perMonth: 0}]}";
    const { code, stdout } = await plan("2", `{${prices}, ${ceilings}}`);
    assert.match(
      stdout,
      /refused +BudgetExceeded: the ceiling of node burst is 0\.05 EUR per hour, and this pod alone costs 0\.09 EUR/,
    );
    assert.equal(code, 1);
  });
});

describe("why", () => {
  const text = (cost: PodCost | undefined, status: object): string => {
    const facts = { ...factsOf({ status }), onNode: { value: { phase: "Running", ready: true, restarts: 0, cost } } };
    return whyText(facts, verdictOf(facts));
  };

  test("tells what a pod costs, what it has cost, and that both are estimates", () => {
    const cost = {
      currency: "EUR",
      perHour: 0.049371,
      soFar: 1.23456,
      basis: "1 cpu, 2 GiB (the size that Fargate bills)",
    };
    assert.match(
      text(cost, { phase: "Running" }),
      /its cost +about 0\.04937 EUR per hour, 1\.235 EUR so far: an estimate by the configured prices for 1 cpu, 2 GiB \(the size that Fargate bills\)/,
    );
    assert.match(text({ ...cost, soFar: undefined }, {}), /0\.04937 EUR per hour, none so far: /);
    assert.doesNotMatch(text(undefined, {}), /cost/);
  });

  test("says what a pod under a ceiling waits for", () => {
    const message = "Pod waits: the ceiling of node n is 2 EUR per hour: its pods cost 2 EUR, and this one 1 EUR more";
    const page = text(undefined, { phase: "Pending", reason: "BudgetExceeded", message });
    assert.match(page, /^Pod default\/web waits for room below a ceiling of costs\.$/m);
    assert.match(page, /why +the ceiling of node n is 2 EUR per hour: /);
    assert.match(page, /do +end other pods, lower its requests, or raise budgets\.ceilings/);
    const rejected = "Pod was rejected: the ceiling of node n is 2 EUR per hour, and this pod alone costs 3 EUR";
    assert.match(text(undefined, { phase: "Failed", reason: "BudgetExceeded", message: rejected }), /has failed\.\n/);
  });
});
