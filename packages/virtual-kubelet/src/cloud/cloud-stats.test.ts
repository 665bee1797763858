import assert from "node:assert/strict";
import { test } from "node:test";
import type { CloudGroup } from "./cloud-backend.ts";
import { cloudStats } from "./cloud-stats.ts";

const startTime = "2026-01-01T00:00:00.000Z";
const group = (name: string): Pick<CloudGroup, "owner"> => ({
  owner: { cluster: "c", node: "n", namespace: "default", name, uid: `uid-${name}` },
});
const container = (usageNanoCores: number) => ({
  ...{ name: "main", startTime, cpu: { time: startTime, usageNanoCores } },
  memory: { time: startTime, workingSetBytes: 1000 },
});

test("pods are there once something is known of their containers, and the node is their sum", () => {
  const found = new Map([
    ["uid-web", { startTime, containers: [container(3), container(4)] }],
    ["uid-begun", { startTime, containers: [] }],
    ["uid-other", { startTime, containers: [container(5)], cpu: { time: startTime, usageNanoCores: 9 } }],
  ]);
  const groups = ["web", "begun", "other", "unknown"].map(group);
  const { node, pods } = cloudStats({ nodeName: "n", startTime }, groups, found, Date.parse(startTime));
  assert.deepEqual(
    pods.map(({ podRef }) => podRef.name),
    ["web", "other"],
  );
  assert.deepEqual([node.cpu?.usageNanoCores, node.memory?.workingSetBytes], [16, 3000]);
});
