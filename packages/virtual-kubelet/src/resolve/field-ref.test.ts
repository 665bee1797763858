import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LateText } from "../resolved-pod.ts";
import { knownPod } from "../testing/known-cluster.ts";
import { environmentField, volumeField } from "./field-ref.ts";
import { late } from "./late-text.ts";

const pod = knownPod(
  {},
  {
    labels: { app: "web", "example.com/tier": "front" },
    annotations: { "b's": 'say "hi"\n\ttwice \\', a: "\u00e9\u200b\u0007", z: "" },
  },
);

describe("fields for variables", () => {
  const table: readonly (readonly [string, LateText | undefined])[] = [
    ["metadata.name", "web-0"],
    ["metadata.namespace", "shop"],
    ["metadata.uid", "uid-1"],
    ["metadata.labels['app']", "web"],
    ["metadata.labels['example.com/tier']", "front"],
    ["metadata.labels['none']", ""],
    ["metadata.labels['toString']", ""],
    ["metadata.annotations['b's']", 'say "hi"\n\ttwice \\'],
    ["metadata.annotations['z']", ""],
    ["spec.nodeName", "vk"],
    ["spec.serviceAccountName", "robot"],
    ["status.podIP", late("status.podIP")],
    ["status.podIPs", late("status.podIPs")],
    ["status.hostIP", late("status.hostIP")],
    ["status.hostIPs", late("status.hostIPs")],
    // Of files alone, or of nothing.
    ["metadata.labels", undefined],
    ["metadata.annotations", undefined],
    ["metadata.generation", undefined],
    ["status.phase", undefined],
    ["", undefined],
  ];
  for (const [path, value] of table) it(path, () => assert.deepEqual(environmentField(pod, path), value));
});

describe("fields for files", () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ["metadata.name", "web-0"],
    ["metadata.namespace", "shop"],
    ["metadata.uid", "uid-1"],
    ["metadata.labels", 'app="web"\nexample.com/tier="front"'],
    ["metadata.labels['app']", "web"],
    ["metadata.annotations", 'a="\u00e9\\u200b\\a"\nb\'s="say \\"hi\\"\\n\\ttwice \\\\"\nz=""'],
    ["metadata.annotations['z']", ""],
    ["spec.nodeName", undefined],
    ["status.podIP", undefined],
  ];
  for (const [path, value] of table) it(path, () => assert.equal(volumeField(pod, path), value));

  it("of a pod without any", () => assert.equal(volumeField(knownPod(), "metadata.labels"), ""));
});
