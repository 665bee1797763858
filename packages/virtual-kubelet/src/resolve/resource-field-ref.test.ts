import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Node, PodSpec, ResourceFieldSelector } from "../kube/types.gen.ts";
import { knownPod } from "../testing/known-cluster.ts";
import { resourceField } from "./resource-field-ref.ts";

const node: Node = {
  status: { allocatable: { cpu: "3500m", memory: "7Gi", "ephemeral-storage": "10Gi", "hugepages-2Mi": "4Mi" } },
};
const spec: Partial<PodSpec> = {
  initContainers: [{ name: "init", image: "i", resources: { limits: { cpu: "7" } } }],
  containers: [
    {
      name: "main",
      image: "i",
      resources: {
        limits: { cpu: "1500m", memory: "100Mi", "ephemeral-storage": "1G", "hugepages-2Mi": "2Mi" },
        requests: { cpu: "1001m", memory: "1025" },
      },
    },
    { name: "free", image: "i" },
  ],
};

function value(ref: ResourceFieldSelector, own = "main", more: Partial<PodSpec> = {}): string | undefined {
  return resourceField(knownPod({ ...spec, ...more }), own, ref, node);
}

describe("resourceField", () => {
  const table: readonly (readonly [string, string | undefined, string | undefined])[] = [
    // Rounded up.
    ["limits.cpu", undefined, "2"],
    ["limits.cpu", "1", "2"],
    ["limits.cpu", "1m", "1500"],
    ["requests.cpu", "1", "2"],
    ["requests.cpu", "1m", "1001"],
    ["limits.memory", undefined, "104857600"],
    ["limits.memory", "1Mi", "100"],
    ["limits.memory", "1M", "105"],
    ["limits.memory", "1Gi", "1"],
    ["requests.memory", "1Ki", "2"],
    ["requests.memory", "1k", "2"],
    ["limits.ephemeral-storage", "1Mi", "954"],
    ["limits.hugepages-2Mi", "1Mi", "2"],
    // "0" is no divisor: what is not set comes as it.
    ["limits.cpu", "0", "2"],
    ["requests.hugepages-2Mi", undefined, "0"],
    ["requests.ephemeral-storage", "1Mi", "0"],
    ["limits.pods", undefined, undefined],
    ["cpu", undefined, undefined],
  ];
  for (const [resource, divisor, expected] of table) {
    it(`${resource} / ${divisor ?? "nothing"}`, () =>
      assert.equal(value({ resource, ...(divisor === undefined ? {} : { divisor }) }), expected));
  }

  it("without a limit has what the node gives away", () => {
    assert.equal(value({ resource: "limits.cpu" }, "free"), "4");
    assert.equal(value({ resource: "limits.memory", divisor: "1Gi" }, "free"), "7");
    assert.equal(value({ resource: "limits.ephemeral-storage", divisor: "1Gi" }, "free"), "10");
    assert.equal(value({ resource: "limits.hugepages-2Mi" }, "free"), "0");
    assert.equal(value({ resource: "requests.cpu" }, "free"), "0");
  });

  it("without a limit of its own has the pod's", () => {
    const more = { resources: { limits: { cpu: "3", memory: "2Gi" } } };
    assert.equal(value({ resource: "limits.cpu" }, "free", more), "3");
    assert.equal(value({ resource: "limits.memory", divisor: "1Gi" }, "free", more), "2");
    assert.equal(value({ resource: "limits.cpu" }, "main", more), "2");
  });

  it("of another container", () => {
    assert.equal(value({ resource: "limits.cpu", containerName: "init" }), "7");
    assert.equal(value({ resource: "limits.cpu", containerName: "free" }), "4");
    assert.equal(value({ resource: "limits.cpu", containerName: "none" }), undefined);
  });
});
