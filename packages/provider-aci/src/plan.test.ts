// `virtual-kubelet plan` with this provider, as its user sees it: golden files. Nobody is asked.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertGolden, planOutput } from "@virtual-kubelet/virtual-kubelet/testing";

const testdata = join(import.meta.dirname, "testdata");
const env = { AZURE_SUBSCRIPTION_ID: "00000000-1111-2222-3333-444444444444" };

async function allPods(): Promise<string> {
  const files = (await readdir(join(testdata, "pods"))).filter((name) => name.endsWith(".yaml")).sort();
  const documents = await Promise.all(files.map((name) => readFile(join(testdata, "pods", name), "utf8")));
  return documents.join("\n---\n");
}

describe("plan", () => {
  it("with the flags and the file of the Go provider", async () => {
    const text = 'ResourceGroup = "pods"\nRegion = "westeurope"\nCPU = "50"\nMemory = "200Gi"\nPods = "40"\n';
    const pods = await allPods();
    const found = await planOutput({ provider: "azure", config: { name: "go.toml", text }, pods, env });
    await assertGolden(join(testdata, "plan-go.golden"), found);
  });

  it("with a configuration of its own", async () => {
    const subnet = "{virtualNetwork: v, name: s}";
    const text = `resourceGroup: pods\nregion: westeurope\nnetwork: {subnet: ${subnet}}\ngpuSKU: V100\n`;
    const pods = await allPods();
    const found = await planOutput({ provider: "aci", config: { name: "own.yaml", text }, pods, env });
    await assertGolden(join(testdata, "plan-own.golden"), found);
  });
});
