// `virtual-kubelet plan` with this provider, as its user sees it: golden files. Nobody is asked.
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertGolden, planOutput } from "@virtual-kubelet/virtual-kubelet/testing";
import { goldenDocuments } from "./testing/golden-pods.ts";

const testdata = join(import.meta.dirname, "testdata");

describe("plan", () => {
  it("with the flags and the file of the Go provider", async () => {
    const text =
      'Region = "cn-hangzhou"\nCPU = "50"\nMemory = "200Gi"\nPods = "40"\nVSwitch = "vsw-go"\nSecureGroup = "sg-go"\n';
    const config = { name: "eci.toml", text };
    const found = await planOutput({ provider: "alibabacloud", config, pods: goldenDocuments });
    await assertGolden(join(testdata, "plan-go.golden"), found);
  });

  it("with a configuration of its own", async () => {
    const text = "region: cn-hangzhou\nnetwork: {vSwitches: [vsw-own], securityGroup: sg-own}\nhelperImage: helper\n";
    const config = { name: "eci.yaml", text };
    const found = await planOutput({ provider: "eci", config, pods: goldenDocuments });
    await assertGolden(join(testdata, "plan-own.golden"), found);
  });
});
