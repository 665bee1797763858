import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Stored } from "../kube/resource.ts";
import type { Node, NodeSelectorRequirement, Pod, PodSpec, Taint, Toleration } from "../kube/types.gen.ts";
import { quantities } from "../status/pod-resources.ts";
import { type AdmissionNode, admit } from "./admission.ts";

const meta = { name: "p", namespace: "ns", uid: "u", resourceVersion: "1" };

function podOf(spec: Partial<PodSpec>, labels: Readonly<Record<string, string>> = {}): Stored<Pod> {
  return { metadata: { ...meta, labels }, spec: { containers: [], nodeName: "n1", ...spec } };
}

function requesting(requests: Readonly<Record<string, string>>): Stored<Pod> {
  return podOf({ containers: [{ name: "a", resources: { requests } }] });
}

function nodeOf(more: Partial<AdmissionNode> = {}, taints: readonly Taint[] = []): AdmissionNode {
  const labels = { "kubernetes.io/os": "linux", zone: "z1", size: "5", "": "" };
  const allocatable = { cpu: "2", memory: "1Gi", pods: "3", "ephemeral-storage": "10Gi", "x.io/gpu": "1" };
  const object: Stored<Node> = {
    metadata: { ...meta, name: "n1", labels },
    spec: { taints },
    status: { allocatable },
  };
  return { object, used: new Map(), pods: 0, hostPorts: () => [], ...more };
}

describe("resources", () => {
  const used = quantities({ cpu: "1500m", memory: "1Gi", "x.io/gpu": "1" });
  const rows: readonly (readonly [Readonly<Record<string, string>>, string, string])[] = [
    [{ cpu: "501m" }, "OutOfcpu", "Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000"],
    [
      { memory: "1" },
      "OutOfmemory",
      "Node didn't have enough resource: memory, requested: 1, used: 1073741824, capacity: 1073741824",
    ],
    [
      { "ephemeral-storage": "20Gi" },
      "OutOfephemeral-storage",
      "Node didn't have enough resource: ephemeral-storage, requested: 21474836480, used: 0, capacity: 10737418240",
    ],
    [
      { "x.io/gpu": "1" },
      "OutOfx.io/gpu",
      "Node didn't have enough resource: x.io/gpu, requested: 1, used: 1, capacity: 1",
    ],
    [
      { "hugepages-2Mi": "2Mi" },
      "OutOfhugepages-2Mi",
      "Node didn't have enough resource: hugepages-2Mi, requested: 2097152, used: 0, capacity: 0",
    ],
  ];
  for (const [requests, reason, message] of rows) {
    it(reason, () => assert.deepEqual(admit(requesting(requests), nodeOf({ used })), { reason, message }));
  }

  it("admits what just fits, and what asks for nothing on a full node", () => {
    assert.equal(admit(requesting({ cpu: "500m" }), nodeOf({ used })), undefined);
    assert.equal(admit(requesting({}), nodeOf({ used: quantities({ cpu: "9" }) })), undefined);
  });

  it("tells the lack of places first, then of cpu", () => {
    const rejection = {
      reason: "OutOfpods",
      message: "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
    };
    assert.deepEqual(admit(requesting({ cpu: "9" }), nodeOf({ pods: 3 })), rejection);
    assert.equal(admit(requesting({ memory: "9Gi", cpu: "9" }), nodeOf())?.reason, "OutOfcpu");
    assert.equal(admit(requesting({}), nodeOf({ pods: 2 })), undefined);
  });

  it("leaves extended resources that the node does not have to the cluster", () => {
    assert.equal(admit(requesting({ "y.io/fpga": "1" }), nodeOf()), undefined);
  });
});

describe("operating system", () => {
  it("must be the node's", () => {
    assert.equal(admit(podOf({ os: { name: "windows" } }), nodeOf())?.reason, "PodOSNotSupported");
    assert.equal(admit(podOf({ os: { name: "linux" } }), nodeOf()), undefined);
    const labelled = podOf({}, { "kubernetes.io/os": "windows" });
    assert.equal(admit(labelled, nodeOf())?.reason, "PodOSSelectorNodeLabelDoesNotMatch");
  });
});

describe("supplementalGroupsPolicy", () => {
  it("Strict takes a node that has it", () => {
    const pod = podOf({ securityContext: { supplementalGroupsPolicy: "Strict" } });
    assert.equal(admit(pod, nodeOf())?.reason, "SupplementalGroupsPolicyNotSupported");
    const { object } = nodeOf();
    const able = { ...object, status: { ...object.status, features: { supplementalGroupsPolicy: true } } };
    assert.equal(admit(pod, nodeOf({ object: able })), undefined);
  });
});

describe("node selection", () => {
  const rejection = {
    reason: "NodeAffinity",
    message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  };
  const required = (
    ...terms: readonly { matchExpressions?: NodeSelectorRequirement[]; matchFields?: NodeSelectorRequirement[] }[]
  ) =>
    podOf({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
    });
  const expressions: readonly (readonly [string, string, string[] | undefined, boolean])[] = [
    ["zone", "In", ["z0", "z1"], true],
    ["zone", "In", ["z0"], false],
    ["none", "In", [""], false],
    ["zone", "NotIn", ["z0"], true],
    ["zone", "NotIn", ["z1"], false],
    ["none", "NotIn", ["z1"], true],
    ["zone", "Exists", undefined, true],
    ["none", "Exists", undefined, false],
    ["toString", "Exists", undefined, false],
    ["none", "DoesNotExist", undefined, true],
    ["zone", "DoesNotExist", undefined, false],
    ["size", "Gt", ["4"], true],
    ["size", "Gt", ["5"], false],
    ["size", "Lt", ["6"], true],
    ["size", "Lt", ["5"], false],
    ["zone", "Gt", ["4"], false],
    ["size", "Gt", ["x"], false],
    ["size", "Near", ["5"], false],
  ];
  for (const [key, operator, values, fits] of expressions) {
    it(`${key} ${operator} ${values?.join(",") ?? ""}`, () => {
      const requirement = { key, operator, ...(values === undefined ? {} : { values }) };
      assert.deepEqual(admit(required({ matchExpressions: [requirement] }), nodeOf()), fits ? undefined : rejection);
    });
  }

  it("terms are alternatives, what is in one goes together, an empty one matches nothing", () => {
    const yes = { key: "zone", operator: "In", values: ["z1"] };
    const no = { key: "zone", operator: "In", values: ["z0"] };
    const name = (value: string) => ({ key: "metadata.name", operator: "In", values: [value] });
    assert.equal(admit(required({ matchExpressions: [no] }, { matchExpressions: [yes] }), nodeOf()), undefined);
    assert.deepEqual(admit(required({ matchExpressions: [yes, no] }), nodeOf()), rejection);
    assert.deepEqual(admit(required({}), nodeOf()), rejection);
    assert.equal(admit(required({ matchFields: [name("n1")] }), nodeOf()), undefined);
    assert.deepEqual(admit(required({ matchFields: [name("n2")], matchExpressions: [yes] }), nodeOf()), rejection);
  });

  it("nodeSelector needs every label", () => {
    assert.equal(admit(podOf({ nodeSelector: { zone: "z1" } }), nodeOf()), undefined);
    assert.deepEqual(admit(podOf({ nodeSelector: { zone: "z1", disk: "ssd" } }), nodeOf()), rejection);
  });

  it("the node's name must be the pod's", () => {
    const message = "Predicate NodeName failed: node(s) didn't match the requested node name";
    assert.deepEqual(admit(podOf({ nodeName: "n2" }), nodeOf()), { reason: "NodeName", message });
  });
});

describe("taints", () => {
  const taint = (effect: string, key = "k", value = "v"): Taint => ({ key, value, effect });
  const rejection = {
    reason: "TaintToleration",
    message: "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
  };
  const rows: readonly (readonly [string, Taint, readonly Toleration[], boolean])[] = [
    ["NoExecute", taint("NoExecute"), [], false],
    ["NoSchedule does not count", taint("NoSchedule"), [], true],
    ["PreferNoSchedule does not count", taint("PreferNoSchedule"), [], true],
    ["Equal", taint("NoExecute"), [{ key: "k", value: "v", effect: "NoExecute" }], true],
    ["Equal, other value", taint("NoExecute"), [{ key: "k", operator: "Equal", value: "w" }], false],
    ["Exists", taint("NoExecute"), [{ key: "k", operator: "Exists" }], true],
    ["Exists of all", taint("NoExecute"), [{ operator: "Exists" }], true],
    ["other effect", taint("NoExecute"), [{ key: "k", operator: "Exists", effect: "NoSchedule" }], false],
    ["other key", taint("NoExecute"), [{ key: "x", operator: "Exists" }], false],
    ["unreachable, untolerated", taint("NoExecute", "node.kubernetes.io/unreachable", ""), [], false],
    [
      "unreachable, tolerated for a while",
      taint("NoExecute", "node.kubernetes.io/unreachable", ""),
      [{ key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }],
      true,
    ],
  ];
  for (const [name, one, tolerations, fits] of rows) {
    it(name, () => assert.deepEqual(admit(podOf({ tolerations }), nodeOf({}, [one])), fits ? undefined : rejection));
  }
});

describe("ports of the host", () => {
  const wanting = (more: object): Stored<Pod> =>
    podOf({ containers: [{ name: "a", ports: [{ containerPort: 80, ...more }] }] });
  const taken = { protocol: "TCP", ip: "10.0.0.1", port: 8080 };
  const rows: readonly (readonly [string, Stored<Pod>, boolean])[] = [
    ["none", wanting({}), true],
    ["the same port of all addresses", wanting({ hostPort: 8080 }), false],
    ["the same port of the same address", wanting({ hostPort: 8080, hostIP: "10.0.0.1" }), false],
    ["the same port of another address", wanting({ hostPort: 8080, hostIP: "10.0.0.2" }), true],
    ["the same port of another protocol", wanting({ hostPort: 8080, protocol: "UDP" }), true],
    ["another port", wanting({ hostPort: 8081 }), true],
  ];
  for (const [name, pod, fits] of rows)
    it(name, () => {
      const verdict = admit(pod, nodeOf({ hostPorts: () => [taken] }));
      assert.equal(verdict?.reason, fits ? undefined : "NodePorts");
    });
});
