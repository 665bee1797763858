// Pods as jobs, against what was looked at once: UPDATE_GOLDEN=1 writes the files anew.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { assertGolden } from "@virtual-kubelet/virtual-kubelet/testing";
import { stringify } from "yaml";
import { parseNomadConfig } from "./config.ts";
import { type GoldenPod, goldenPods, goldenRequest } from "./testing/golden-request.ts";
import { translate } from "./translate.ts";

const testdata = join(import.meta.dirname, "testdata");
const config = parseNomadConfig(
  {
    allowedDrivers: ["podman", "exec", "raw_exec", "java"],
    volumes: { hostPaths: ["/srv/*"], host: ["team-*"], csi: ["team-*"] },
  },
  {},
);
const fleet = { mhzPerCore: 2400, oversubscription: true };
const pods = await goldenPods();

/** What the plan is, or why there is none. */
function outcome(pod: GoldenPod): unknown {
  try {
    return translate(goldenRequest(pod), config, fleet);
  } catch (error) {
    if (!(error instanceof VirtualKubeletError)) throw error;
    return { refused: error.kind, field: error.field, message: error.message };
  }
}

describe("pods become jobs", () => {
  for (const pod of pods)
    it(pod.name, async () => {
      const text = stringify(outcome(pod), { aliasDuplicateObjects: false, lineWidth: 0 });
      const file = join(testdata, "plans", `${pod.name}.yaml`);
      await assertGolden(file, text);
      assert.equal(pod.name.startsWith("refused-"), text.startsWith("refused:"));
    });
});

describe("secrets", () => {
  it("stand in no job and no note", () => {
    for (const pod of pods) {
      const told = JSON.stringify(outcome(pod), (key, value: unknown) => (key === "variables" ? undefined : value));
      for (const secret of ["swordfish", "hunter2", "opensesame"])
        for (const text of [secret, btoa(secret)]) assert.ok(!told.includes(text), `${pod.name} tells ${secret}`);
    }
  });
});

describe("memory", () => {
  it("is held to the limit where the fleet lets none be oversubscribed", () => {
    const pod = pods.find(({ name }) => name === "resources");
    assert.ok(pod !== undefined);
    const { job, notes } = translate(goldenRequest(pod), config, { ...fleet, oversubscription: false });
    assert.deepEqual(job.TaskGroups[0]?.Tasks[0]?.Resources, { CPU: 720, MemoryMB: 3072 });
    assert.match(notes.map(({ message }) => message).join("\n"), /3072 MiB are held for it, not 700/);
  });
});
