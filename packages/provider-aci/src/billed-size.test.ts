// What the cloud bills of pods.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@virtual-kubelet/virtual-kubelet";
import { billedSize } from "./billed-size.ts";
import { parseAciConfig } from "./config.ts";

const config = parseAciConfig({
  ...{ subscription: "00000000-1111-2222-3333-444444444444", resourceGroup: "g", region: "westeurope" },
});
const pod = (resources: object, annotations: Record<string, string> = {}): Pod => ({
  metadata: { annotations },
  spec: { containers: [{ name: "a", resources }, { name: "b" }] },
});

for (const [what, given, expected] of [
  // The other container asks for none, and gets the default.
  ["rounded up, in GB", pod({ requests: { cpu: "125m", memory: "1Gi" } }), { cpu: 1.13, memoryGiB: 2.6 }],
  ["raised to a limit", pod({ requests: { cpu: "1" }, limits: { cpu: "4" } }), { cpu: 4 }],
  ["spot", pod({}, { "virtual-kubelet.io/aci-priority": "Spot" }), { spot: true, operatingSystem: "linux" }],
  [
    "GPUs by their type",
    pod({ limits: { "nvidia.com/gpu": "2" } }, { "virtual-kubelet.io/gpu-type": "V100" }),
    { gpus: { V100: 2 } },
  ],
] as const)
  test(what, () => {
    const size = billedSize(given, config, "linux");
    assert.deepEqual({ ...size, ...expected }, size);
  });
