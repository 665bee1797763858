// Pods as container groups, against what was looked at once: UPDATE_GOLDEN=1 writes the files anew. Names of pods say with which
// configuration: `helper-`, `allowed-`; and that one is refused.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type PodRequest, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { assertGolden } from "@virtual-kubelet/virtual-kubelet/testing";
import { stringify } from "yaml";
import { formOf } from "./api/form.ts";
import { parseEciConfig } from "./config-schema.ts";
import { goldenRequests } from "./testing/golden-pods.ts";
import { checkedParameters } from "./testing/model-check.ts";
import { nestedParameters } from "./testing/rpc-parameters.ts";
import { translateGroup } from "./translate.ts";

const testdata = join(import.meta.dirname, "testdata");
const base = { region: "cn-hangzhou", network: { vSwitches: ["vsw-node"], securityGroup: "sg-node" } };
const plain = parseEciConfig(base);
const configs = {
  helper: parseEciConfig({ ...base, helperImage: "registry.test/helper:1", unenforcedSecurity: "warn" }),
  allowed: parseEciConfig({
    ...base,
    ...{ ramRole: "pods", imageCache: true, computeCategories: ["general"], architecture: "ARM64" },
    allowed: {
      ...{ vSwitches: ["vsw-*"], securityGroups: ["sg-other"], ramRoles: ["team-*"], resourceGroups: ["*"] },
      ...{ publicIPs: true, privileged: true, hostPaths: true },
    },
    spot: { strategy: "SpotAsPriceGo" },
    registries: {
      acrInstances: [{ id: "cri-node", region: "cn-hangzhou", domains: ["acr.test"] }],
      ...{ insecure: ["insecure.test"], plainHTTP: ["plain.test:5000"] },
    },
    tags: { team: "shop" },
  }),
};
const requests = goldenRequests();

function outcome(request: PodRequest): unknown {
  const { name } = request.owner;
  const config = name.startsWith("helper-") ? configs.helper : name.startsWith("allowed-") ? configs.allowed : plain;
  try {
    return translateGroup(request, { config });
  } catch (error) {
    if (!(error instanceof VirtualKubeletError)) throw error;
    return { refused: error.kind, field: error.field, message: error.message };
  }
}

describe("pods become container groups", () => {
  assert.ok(requests.length >= 50);
  for (const request of requests) {
    const { name } = request.owner;
    it(name, async () => {
      const text = stringify(outcome(request), { aliasDuplicateObjects: false, lineWidth: 0 });
      await assertGolden(join(testdata, "groups", `${name}.yaml`), text);
      assert.equal(name.startsWith("refused-"), text.startsWith("refused:"));
    });
  }
});

/** Of the newer API, which the vendor's SDK for JavaScript does not know yet; that for Python does. */
const newer = ["ComputeCategory", "GpuDriverVersion", "Container.1.SecurityContextPrivileged"];

describe("parameters", () => {
  for (const request of requests) {
    const made = outcome(request);
    if (typeof made !== "object" || made === null || !("request" in made)) continue;
    it(`of ${request.owner.name} are those of the vendor's models`, () => {
      const form = formOf(made.request ?? {}).filter(([name]) => !newer.some((each) => name.startsWith(each)));
      const nested = nestedParameters([
        new URLSearchParams(form.map(([name, value]): [string, string] => [name, value])),
      ]);
      assert.deepEqual(nested.faults, []);
      assert.deepEqual(checkedParameters(nested.value, "CreateContainerGroupRequest").faults, []);
    });
  }
});

describe("secrets", () => {
  it("stand in no note and no refusal", () => {
    for (const request of requests) {
      const told = JSON.stringify(outcome(request), (key, value: unknown) => (key === "request" ? undefined : value));
      for (const secret of ["swordfish", "hunter2", "opensesame"])
        for (const text of [secret, btoa(secret)])
          assert.ok(!told.includes(text), `${request.owner.name} tells ${secret}`);
    }
  });
});
