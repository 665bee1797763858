// What `doctor` says of providers: those that check themselves, those that do not, and those that cannot be had.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { program } from "../program/program.ts";
import { providerFault } from "./doctor-provider.ts";

test("a provider that cannot be had: the fix by the kind of fault, and no secret", () => {
  const fault = providerFault(new VirtualKubeletError("Unauthorized", "https://u:hunter2@x refused"), "cloud");
  assert.match(`${fault.status} ${fault.message}: ${fault.fix}`, /^fail provider cloud: .*: renew its credentials$/);
  assert.doesNotMatch(fault.message, /hunter2/);
});

/** Over a provider of this text, without a cluster. */
async function doctorOver(
  provider: string,
  nodes: string,
): Promise<{ code: number; stdout: string; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-doctor-"));
  await writeFile(join(directory, "provider.mjs"), provider);
  await writeFile(join(directory, "nodes.yaml"), `nodeDefaults: {provider: {name: ./provider.mjs}}\nnodes: ${nodes}\n`);
  let stdout = "";
  const code = await program({
    argv: ["doctor", "--kubeconfig=/nowhere", "--config=nodes.yaml"],
    env: {},
    cwd: directory,
    stdout: { write: (part: string) => (stdout += part) },
    stderr: { write: () => true },
    run: () => Promise.reject(new Error("no node is to be run")),
  });
  return { code, stdout, directory };
}

test("a provider that checks nothing is made once for all nodes that have it alike, pinged, and let go of", async () => {
  const provider = `import { appendFileSync } from "node:fs";
    const calls = new URL("calls", import.meta.url);
    const none = async () => {};
    export function createProvider({ node, config }) {
      appendFileSync(calls, "made " + (config?.place ?? "here") + "\\n");
      return { createPod: none, deletePod: none, getPodStatus: none, getPods: async () => [],
        ping: async () => appendFileSync(calls, "pinged\\n"),
        [Symbol.asyncDispose]: async () => appendFileSync(calls, "let go\\n") };
    }`;
  const nodes = '[{name: "vk-{}", count: 3}, {name: far, provider: {config: {place: there}}}]';
  const { stdout, directory } = await doctorOver(provider, nodes);
  try {
    const calls = (await readFile(join(directory, "calls"), "utf8")).trim().split("\n").sort();
    assert.deepEqual(calls, ["let go", "let go", "made here", "made there", "pinged", "pinged"]);
    assert.match(
      stdout,
      /^all 4 nodes .*:\nok {4}provider +provider \S+provider\.mjs takes its configuration, and its back end answers\n/m,
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("what a provider checks is told in its order, with its fixes and without its secrets; it is not made", async () => {
  const provider = `export function createProvider() { throw new Error("it is not to be made"); }
    export async function checkProvider({ node }) {
      return [
        { name: "credentials", status: "ok", message: "those of https://u:hunter2@cloud" },
        { name: "quota of vCPUs", status: "fail", message: "20 of 20 are in use for " + node, fix: "cloud quota raise --node " + node },
        { name: "images", status: "skip", message: "could not be listed" },
      ];
    }`;
  const { code, stdout, directory } = await doctorOver(provider, "[{name: a}, {name: b}]");
  await rm(directory, { recursive: true });
  assert.equal(code, 1);
  assert.doesNotMatch(stdout, /hunter2/);
  assert.match(
    stdout,
    /^ok {4}provider +credentials: .*\nFAIL {2}provider +quota of vCPUs: 20 of 20 are in use for NODE\n +fix: cloud quota raise --node NODE\n- {5}provider +images: could not be listed$/m,
  );
});

test("a provider is checked with the prices and the ceilings that it runs with", async () => {
  const provider = `export function createProvider() { throw new Error("it is not to be made"); }
    export async function checkProvider({ prices, hasCeiling }) {
      return [{ name: "prices", status: "ok", message: Object.keys(prices).join() + (hasCeiling ? " under a ceiling" : "") }];
    }`;
  const nodes = `[{name: a, prices: here}]
budgets: {currency: EUR, prices: {here: {cpu: 1}}, ceilings: {nodes: [{name: a, perDay: 1}]}}`;
  const { stdout, directory } = await doctorOver(provider, nodes);
  await rm(directory, { recursive: true });
  assert.match(stdout, /^ok {4}provider +prices: here under a ceiling$/m);
});
