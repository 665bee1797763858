// `virtual-kubelet plan` with this provider, as its user sees it: golden files, written anew with UPDATE_GOLDEN=1. Nobody is asked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

const main = join(import.meta.dirname, "../../virtual-kubelet/src/main.ts");
const testdata = join(import.meta.dirname, "testdata");

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-aci-plan-"));
});
after(() => rm(directory, { recursive: true, force: true }));

function plan(...flags: string[]): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const env = { PATH: process.env["PATH"] ?? "", AZURE_SUBSCRIPTION_ID: "00000000-1111-2222-3333-444444444444" };
  execFile(
    process.execPath,
    ["--conditions=source", main, "plan", ...flags],
    { env, cwd: directory },
    // It fails where a pod does not fit, which its output says, too.
    (_error, stdout, stderr) => resolve(stdout + stderr),
  );
  return promise;
}

async function allPods(): Promise<string> {
  const files = (await readdir(join(testdata, "pods"))).filter((name) => name.endsWith(".yaml")).sort();
  const documents = await Promise.all(files.map((name) => readFile(join(testdata, "pods", name), "utf8")));
  const path = join(directory, "pods.yaml");
  await writeFile(path, documents.join("\n---\n"));
  return path;
}

async function golden(name: string, found: string): Promise<void> {
  const path = join(testdata, name);
  if (process.env["UPDATE_GOLDEN"] === "1") await writeFile(path, found);
  assert.equal(found, await readFile(path, "utf8"));
}

describe("plan", () => {
  it("with the flags and the file of the Go provider", async () => {
    const file = join(directory, "go.toml");
    await writeFile(file, 'ResourceGroup = "pods"\nRegion = "westeurope"\nCPU = "50"\nMemory = "200Gi"\nPods = "40"\n');
    const found = await plan(
      "-f",
      await allPods(),
      "--provider",
      "azure",
      "--provider-config",
      file,
      "--nodename",
      "vk",
    );
    await golden("plan-go.golden", found);
  });

  it("with a configuration of its own", async () => {
    const file = join(directory, "own.yaml");
    const subnet = "{virtualNetwork: v, name: s}";
    await writeFile(file, `resourceGroup: pods\nregion: westeurope\nnetwork: {subnet: ${subnet}}\ngpuSKU: V100\n`);
    const found = await plan("-f", await allPods(), "--provider", "aci", "--provider-config", file, "--nodename", "vk");
    await golden("plan-own.golden", found);
  });
});
