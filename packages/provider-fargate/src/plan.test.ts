// `virtual-kubelet plan` with this provider, as its user sees it: a golden file. Nobody is asked.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { assertGolden, planOutput } from "@virtual-kubelet/virtual-kubelet/testing";
import { goldenFile } from "./testing/golden-pods.ts";

it("plan with the file of the Go provider", async () => {
  const text = 'Region = "eu-west-1"\nSubnets = ["subnet-1"]\nCPU = "50"\nMemory = "200Gi"\n';
  const pods = await readFile(goldenFile, "utf8");
  const found = await planOutput({ provider: "aws", config: { name: "fargate.toml", text }, pods });
  await assertGolden(join(import.meta.dirname, "testdata/plan.golden"), found);
});
