// Pods as tasks, against what was looked at once: UPDATE_GOLDEN=1 writes the files anew.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { stringify } from "yaml";
import { parseFargateConfig } from "./config.ts";
import { type GoldenPod, goldenPods, goldenRequest } from "./testing/golden-request.ts";
import { translate } from "./translate.ts";

const testdata = join(import.meta.dirname, "testdata");
const config = parseFargateConfig(
  {
    region: "eu-west-1",
    cluster: "pods",
    network: { subnets: ["subnet-1", "subnet-2"], securityGroups: ["sg-1"] },
    executionRoleARN: "arn:aws:iam::123456789012:role/execute",
    taskRoles: { default: "arn:aws:iam::123456789012:role/pods", allowed: ["arn:aws:iam::123456789012:role/team-*"] },
    logs: { group: "/pods" },
    helperImage: "registry.test/helper:1",
    tags: { costs: "team" },
  },
  {},
);
const pods = await goldenPods();

/** What the plan is, or why there is none. */
function outcome(pod: GoldenPod): unknown {
  try {
    return translate(goldenRequest(pod), config);
  } catch (error) {
    if (!(error instanceof VirtualKubeletError)) throw error;
    return { refused: error.kind, field: error.field, message: error.message };
  }
}

describe("pods become tasks", () => {
  for (const pod of pods)
    it(pod.name, async () => {
      const text = stringify(outcome(pod), { aliasDuplicateObjects: false, lineWidth: 0 });
      const file = join(testdata, "plans", `${pod.name}.yaml`);
      if (process.env["UPDATE_GOLDEN"] === "1") await writeFile(file, text);
      assert.equal(text, await readFile(file, "utf8"));
      assert.equal(pod.name.startsWith("refused-"), text.startsWith("refused:"));
    });
});

describe("secrets", () => {
  it("stand in no task definition, tag, note or override", () => {
    for (const pod of pods) {
      const plan = outcome(pod);
      const told = JSON.stringify(plan, (key, value: unknown) =>
        key === "secrets" && isPlanned(value) ? undefined : value,
      );
      for (const secret of ["swordfish", "hunter2", "opensesame", btoa("opensesame")])
        assert.ok(!told.includes(secret), `${pod.name} tells ${secret}`);
    }
  });

  function isPlanned(value: unknown): boolean {
    return Array.isArray(value) && value.some((each) => typeof each === "object" && each !== null && "text" in each);
  }
});

describe("task definitions", () => {
  it("of two pods of one template are the same", () => {
    const template = pods.find(({ name }) => name === "own-variables");
    assert.ok(template !== undefined);
    const [one, other] = ["web-7f9c-a1b2c", "web-7f9c-d3e4f"].map((name) =>
      translate(goldenRequest({ ...template, name }), config),
    );
    assert.deepEqual(one?.definition, other?.definition);
    assert.notDeepEqual(one?.run, other?.run);
  });
});
