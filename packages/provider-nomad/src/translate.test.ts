// Pods as jobs, against what was looked at once: UPDATE_GOLDEN=1 writes the files anew.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type PodRequest, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { assertGolden } from "@virtual-kubelet/virtual-kubelet/testing";
import { stringify } from "yaml";
import { parseNomadConfig } from "./config.ts";
import { goldenRequests } from "./testing/golden-pods.ts";
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
const requests = goldenRequests();

/** What the plan is, or why there is none. */
function outcome(request: PodRequest): unknown {
  try {
    return translate(request, config, fleet);
  } catch (error) {
    if (!(error instanceof VirtualKubeletError)) throw error;
    return { refused: error.kind, field: error.field, message: error.message };
  }
}

describe("pods become jobs", () => {
  for (const request of requests) {
    const { name } = request.owner;
    it(name, async () => {
      const text = stringify(outcome(request), { aliasDuplicateObjects: false, lineWidth: 0 });
      await assertGolden(join(testdata, "plans", `${name}.yaml`), text);
      assert.equal(name.startsWith("refused-"), text.startsWith("refused:"));
    });
  }
});

describe("secrets", () => {
  it("stand in no job and no note", () => {
    for (const request of requests) {
      const told = JSON.stringify(outcome(request), (key, value: unknown) => (key === "variables" ? undefined : value));
      for (const secret of ["swordfish", "hunter2", "opensesame"])
        for (const text of [secret, btoa(secret)])
          assert.ok(!told.includes(text), `${request.owner.name} tells ${secret}`);
    }
  });
});

describe("memory", () => {
  it("is held to the limit where the fleet lets none be oversubscribed", () => {
    const request = requests.find(({ owner }) => owner.name === "resources");
    assert.ok(request !== undefined);
    const { job, notes } = translate(request, config, { ...fleet, oversubscription: false });
    assert.deepEqual(job.TaskGroups[0]?.Tasks[0]?.Resources, { CPU: 720, MemoryMB: 3072 });
    assert.match(notes.map(({ message }) => message).join("\n"), /3072 MiB are held for it, not 700/);
  });
});
