import assert from "node:assert/strict";
import { test } from "node:test";
import { progressOf } from "./progress.ts";

const line = "------------------------------";
const output = `[1764109236] Kubernetes e2e suite - 250/7579 specs - 8 procs
${line}
• [2.345 seconds]
[sig-node] Pods should run [NodeConformance] [sig-node, NodeConformance]
k8s.io/kubernetes/test/e2e/common/node/pods.go:1

  log
${line}
• [FAILED] [61.5 seconds]
[sig-node] Pods [It] should end [sig-node, NodeConformance]
k8s.io/kubernetes/test/e2e/common/node/pods.go:2
${line}
S [SKIPPED] [0.5 seconds]
[sig-storage] HostPath should be there [sig-storage]
k8s.io/kubernetes/test/e2e/common/storage/host_path.go:3
${line}
`;

const expected = [
  "✔ [sig-node] Pods should run [NodeConformance] (2 s) [1 passed, 0 failed, 0 skipped]",
  "✖ [sig-node] Pods [It] should end (62 s) [1 passed, 1 failed, 0 skipped]",
  "- [sig-storage] HostPath should be there (1 s) [1 passed, 1 failed, 1 skipped]",
];

test("each test that ended is told once, however the output comes", () => {
  for (const size of [output.length, 100, 7]) {
    const told: string[] = [];
    let progress = { rest: "", passed: 0, failed: 0, skipped: 0 };
    for (let at = 0; at < output.length; at += size) {
      progress = progressOf({ ...progress, rest: progress.rest + output.slice(at, at + size) }, (text) =>
        told.push(text),
      );
    }
    assert.deepEqual(told, expected, `in pieces of ${size}`);
  }
});
