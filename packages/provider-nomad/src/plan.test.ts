// `virtual-kubelet plan` with this provider, as its user sees it: a golden file. Nobody is asked.
import { join } from "node:path";
import { it } from "node:test";
import { assertGolden, planOutput } from "@virtual-kubelet/virtual-kubelet/testing";
import { stringify } from "yaml";
import { goldenPods } from "./testing/golden-request.ts";

it("plan with a file of its own", async () => {
  const pods = (await goldenPods()).map(({ name, annotations, spec }) =>
    stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, ...(annotations && { annotations }) }, spec }),
  );
  const text =
    'allowedDrivers: [podman, raw_exec, exec, java]\nvolumes: {hostPaths: ["/srv/*"], host: ["team-*"], csi: ["team-*"]}\n';
  const config = { name: "nomad.yaml", text };
  const found = await planOutput({ provider: "nomad", config, pods: pods.join("---\n") });
  await assertGolden(join(import.meta.dirname, "testdata/plan.golden"), found);
});
