// What Fargate bills of pods, and when it counts as spot.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@virtual-kubelet/virtual-kubelet";
import { billedSize } from "./billed-size.ts";
import { parseFargateConfig } from "./config.ts";

const least = { region: "eu-west-1", cluster: "pods", network: { subnets: ["subnet-1"] } };
const pod = (cpu: string, memory: string, annotations: Record<string, string> = {}, storage = "1Gi"): Pod => ({
  metadata: { annotations },
  spec: { containers: [{ name: "c", resources: { requests: { cpu, memory, "ephemeral-storage": storage } } }] },
});
const got = "backend.virtual-kubelet.io/capacity-provider";
const both = [{ name: "FARGATE" }, { name: "FARGATE_SPOT" }];

for (const [what, given, settings, expected] of [
  ["the next size", pod("300m", "600Mi"), {}, { cpu: 0.5, memoryGiB: 1 }],
  ["storage beyond what is free", pod("1", "2Gi", {}, "50Gi"), {}, { cpu: 1, memoryGiB: 2, storageGiB: 30 }],
  [
    "ARM",
    pod("1", "2Gi"),
    { platform: { architecture: "ARM64" } },
    { architecture: "arm64", operatingSystem: "linux" },
  ],
  ["spot alone is configured", pod("1", "2Gi"), { capacityProviders: [{ name: "FARGATE_SPOT" }] }, { spot: true }],
  ["either: the dearer", pod("1", "2Gi"), { capacityProviders: both }, { spot: false }],
  ["what it got", pod("1", "2Gi", { [got]: "FARGATE_SPOT" }), { capacityProviders: both }, { spot: true }],
  ["what it asks for", pod("1", "2Gi", { "virtual-kubelet.io/capacity-provider": "FARGATE_SPOT" }), {}, { spot: true }],
] as const)
  test(what, () => {
    const size = billedSize(given, parseFargateConfig({ ...least, ...settings }, {}));
    assert.deepEqual({ ...size, ...expected }, size);
  });

test("a pod that no task is large enough for", () => {
  assert.throws(() => billedSize(pod("99", "1Gi"), parseFargateConfig(least, {})), { kind: "Invalid" });
});
