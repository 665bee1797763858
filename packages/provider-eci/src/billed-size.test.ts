// What the cloud bills of pods.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@virtual-kubelet/virtual-kubelet";
import { billedSize } from "./billed-size.ts";
import { parseEciConfig } from "./config-schema.ts";

const network = { vSwitches: ["vsw-1"], securityGroup: "sg-1" };
const config = parseEciConfig({ region: "cn-hangzhou", network });
const pod = (cpu: string, memory: string, annotations: Record<string, string> = {}): Pod => ({
  metadata: { annotations },
  spec: { containers: [{ name: "a", resources: { requests: { cpu, memory } } }] },
});

for (const [what, given, expected] of [
  ["the next size", pod("300m", "3Gi"), { cpu: 1, memoryGiB: 4, spot: false }],
  [
    "spot",
    pod("1", "2Gi", { "k8s.aliyun.com/eci-spot-strategy": "SpotAsPriceGo" }),
    { cpu: 1, memoryGiB: 2, spot: true },
  ],
] as const)
  test(what, () => {
    const size = billedSize(given, config);
    assert.deepEqual({ ...size, ...expected }, size);
  });
