import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeReport } from "../provider/node.ts";
import { desiredNode, type NodeTemplate, nodeFromTemplate, providerTaint, withCapacity } from "./node-object.ts";
import { nodeUserMayLabel } from "./node-restriction.ts";

const template: NodeTemplate = {
  name: "edge-1",
  provider: { name: "nomad", version: "1.9.0" },
  kubeletVersion: "v1.36.3-vk-0.1.0",
};

describe("nodeFromTemplate", () => {
  it("sets what a kubelet sets, and leaves out what breaks the API server's way to it", () => {
    const node = nodeFromTemplate({
      ...template,
      architecture: "arm64",
      labels: { type: "other", zone: "a" },
      providerID: "nomad://1",
    });
    assert.deepEqual(node.metadata?.labels, {
      "kubernetes.io/hostname": "edge-1",
      "kubernetes.io/os": "linux",
      "beta.kubernetes.io/os": "linux",
      "kubernetes.io/arch": "arm64",
      "beta.kubernetes.io/arch": "arm64",
      "kubernetes.io/role": "agent",
      type: "other",
      zone: "a",
    });
    assert.deepEqual(node.spec, {
      providerID: "nomad://1",
      taints: [{ key: "virtual-kubelet.io/provider", value: "nomad", effect: "NoSchedule" }],
    });
    assert.equal(node.status?.addresses, undefined);
    assert.equal(node.status?.phase, undefined);
    for (const name of ["cpu", "memory", "pods", "ephemeral-storage"]) {
      assert.ok(node.status?.capacity?.[name] !== undefined && node.status.allocatable?.[name] !== undefined, name);
    }
    assert.equal(node.status?.daemonEndpoints?.kubeletEndpoint?.Port, 10_250);
    assert.equal(node.status?.nodeInfo?.kubeProxyVersion, "");
    assert.equal(node.status?.nodeInfo?.containerRuntimeVersion, "nomad://1.9.0");
  });

  it("gives ids that are the node's own and stay", () => {
    const [a, again, b] = [template, template, { ...template, name: "edge-2" }].map(
      (of) => nodeFromTemplate(of).status?.nodeInfo,
    );
    assert.deepEqual(a, again);
    assert.match(a?.systemUUID ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    for (const key of ["machineID", "systemUUID", "bootID"] as const) assert.notEqual(a?.[key], b?.[key]);
  });

  it("makes a valid hostname label of a long name", () => {
    const name = `${"a".repeat(62)}.example`;
    assert.equal(nodeFromTemplate({ ...template, name }).metadata?.labels?.["kubernetes.io/hostname"], "a".repeat(62));
  });

  const faults: readonly (readonly [string, Partial<NodeTemplate>, RegExp])[] = [
    ["a name", { name: "Edge_1" }, /"Edge_1" is no node name/],
    ["an effect", { taints: [{ key: "a", effect: "NoRun" }] }, /taints\[0\]\.effect: "NoRun" is none of NoSchedule/],
    ["a taint's value", { taints: [{ key: "a", value: "b c", effect: "NoExecute" }] }, /taints\[0\]\.value: "b c"/],
    ["a quantity", { capacity: { cpu: "many" } }, /capacity\.cpu: "many"/],
    ["a negative quantity", { allocatable: { pods: "-1" } }, /allocatable\.pods: "-1" is negative/],
    [
      "an address twice",
      {
        addresses: [
          { type: "InternalIP", address: "10.0.0.1" },
          { type: "InternalIP", address: "10.0.0.1" },
        ],
      },
      /addresses\[1\]: InternalIP 10\.0\.0\.1 twice/,
    ],
  ];
  for (const [what, part, message] of faults) {
    it(`refuses ${what}`, () => {
      assert.throws(() => nodeFromTemplate({ ...template, ...part }), { kind: "Invalid", message });
    });
  }

  it("tells all faults at once", () => {
    assert.throws(() => nodeFromTemplate({ ...template, capacity: { cpu: "x", pods: "y" } }), /cpu.*pods/);
    assert.throws(() => providerTaint("mock", { effect: "Never" }), { kind: "Invalid" });
  });
});

describe("desiredNode", () => {
  const base = nodeFromTemplate({ ...template, capacity: { cpu: "8" }, allocatable: { cpu: "7" } });

  it("has the kubelet's conditions, Ready last, whatever else is reported", () => {
    const conditions = desiredNode(
      base,
      {
        conditions: [
          { type: "Ready", status: "True" },
          { type: "GPUsHealthy", status: "True" },
        ],
      },
      undefined,
    ).status?.conditions;
    assert.deepEqual(
      conditions?.map(({ type }) => type),
      ["MemoryPressure", "DiskPressure", "PIDPressure", "GPUsHealthy", "Ready"],
    );
    assert.deepEqual(desiredNode(base, undefined, undefined).status?.conditions?.at(-1), {
      type: "Ready",
      status: "True",
      reason: "KubeletReady",
      message: "kubelet is posting ready status",
    });
  });

  it("is not ready for what the core knows, whatever the provider says", () => {
    const notReady = { reason: "ProviderNotReady", message: "away" };
    const node = desiredNode(base, { conditions: [{ type: "Ready", status: "True" }] }, notReady);
    assert.deepEqual(node.status?.conditions?.at(-1), { type: "Ready", status: "False", ...notReady });
  });

  it("takes each part of a report over the configured one", () => {
    const node = desiredNode(
      base,
      {
        capacity: { cpu: "4", "example.com/gpu": "1" },
        labels: { zone: "b" },
        nodeInfo: { architecture: "arm64", osImage: "Flatcar" },
        taints: [{ key: "full", effect: "NoSchedule" }],
        addresses: [{ type: "InternalIP", address: "10.0.0.9" }],
      },
      undefined,
    );
    assert.equal(node.status?.capacity?.["cpu"], "4");
    assert.equal(node.status?.allocatable?.["cpu"], "4", "not more than there is");
    assert.equal(node.status?.allocatable?.["example.com/gpu"], "1");
    assert.equal(node.metadata.labels["kubernetes.io/arch"], "arm64");
    assert.equal(node.status?.nodeInfo?.operatingSystem, "linux");
    assert.deepEqual(
      node.spec?.taints?.map(({ key }) => key),
      ["virtual-kubelet.io/provider", "full"],
    );
    assert.equal(desiredNode(base, { allocatable: { cpu: "1" } }, undefined).status?.allocatable?.["cpu"], "1");
  });

  it("tells what the runtime honours", () => {
    const features = { supplementalGroupsPolicy: true };
    const runtimeHandlers = [{ name: "", features: { recursiveReadOnlyMounts: true } }];
    const { status } = desiredNode(base, { features, runtimeHandlers }, undefined);
    assert.deepEqual([status?.features, status?.runtimeHandlers], [features, runtimeHandlers]);
  });

  it("tells of the largest images, five names of each", () => {
    const told = (images: NodeReport["images"]) => desiredNode(base, { images }, undefined).status?.images;
    const names = ["a", "b", "c", "d", "e", "f"];
    assert.deepEqual(
      told([{ names: ["small"] }, { names, sizeBytes: 7 }, { names: ["z"], sizeBytes: 9 }, { names: [] }]),
      [{ names: ["z"], sizeBytes: 9 }, { names: names.slice(0, 5), sizeBytes: 7 }, { names: ["small"] }],
    );
    const many = Array.from({ length: 60 }, (_, index) => ({ names: [`image-${index}`], sizeBytes: index + 1 }));
    const largest = told(many) ?? [];
    assert.deepEqual([largest.length, largest[0]?.sizeBytes, largest.at(-1)?.sizeBytes], [50, 60, 11]);
    assert.deepEqual(told([]), []);
    assert.equal(told(undefined), undefined);
    const alike = [
      { names: ["b"], sizeBytes: 1 },
      { names: ["a"], sizeBytes: 1 },
    ];
    assert.deepEqual(told(alike), told(alike.toReversed()), "in whatever order they come");
  });
});

describe("nodeUserMayLabel", () => {
  const table: Readonly<Record<string, boolean>> = {
    zone: true,
    "example.com/a": true,
    "kubernetes.io/arch": true,
    "topology.kubernetes.io/zone": true,
    "node.kubernetes.io/anything": true,
    "kubelet.kubernetes.io/anything": true,
    "sub.node.kubernetes.io/anything": true,
    "kubernetes.io/role": false,
    "node-role.kubernetes.io/edge": false,
    "node-restriction.kubernetes.io/a": false,
    "example.k8s.io/a": false,
    "notkubernetes.io/a": true,
  };
  for (const [key, may] of Object.entries(table)) it(`${key}: ${may}`, () => assert.equal(nodeUserMayLabel(key), may));
});

it("a configured capacity wins over the provider's, resource by resource", () => {
  assert.deepEqual(withCapacity({ capacity: { cpu: "2", memory: "4Gi" } }, { cpu: "8" }), {
    capacity: { cpu: "8", memory: "4Gi" },
  });
  assert.deepEqual(withCapacity({ capacity: { cpu: "4" }, allocatable: { cpu: "3", memory: "3Gi" } }, { cpu: "8" }), {
    capacity: { cpu: "8" },
    allocatable: { cpu: "8", memory: "3Gi" },
  });
});
