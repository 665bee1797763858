// `virtual-kubelet plan` with this provider, as its user sees it: a golden file. Nobody is asked.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { assertGolden, planOutput } from "@virtual-kubelet/virtual-kubelet/testing";
import { goldenFile } from "./testing/golden-pods.ts";

it("plan with a file of its own", async () => {
  const text =
    'allowedDrivers: [podman, raw_exec, exec, java]\nvolumes: {hostPaths: ["/srv/*"], host: ["team-*"], csi: ["team-*"]}\n';
  const config = { name: "nomad.yaml", text };
  const found = await planOutput({ provider: "nomad", config, pods: await readFile(goldenFile, "utf8") });
  await assertGolden(join(import.meta.dirname, "testdata/plan.golden"), found);
});
