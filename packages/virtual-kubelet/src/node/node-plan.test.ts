import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Node } from "../kube/types.gen.ts";
import type { NodeReport } from "../provider/node.ts";
import { desiredNode, nodeFromTemplate } from "./node-object.ts";
import { nothingOurs, oursAnnotation, oursOf, readOurs } from "./node-ours.ts";
import { metadataPatch, nodeToCreate, type PlanInput, planSpec, planStatus } from "./node-plan.ts";

const then = Date.UTC(2026, 0, 1);
const now = then + 90_000;
const nowText = "2026-01-01T00:01:30Z";
const base = nodeFromTemplate({
  name: "n",
  provider: { name: "mock", version: "1" },
  kubeletVersion: "v1.36.3",
  labels: { mine: "1" },
  addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
});
const plain = desiredNode(base, undefined, undefined);
const stored = nodeToCreate(plain, () => true, then);

const input = (
  report: NodeReport | undefined,
  change: (node: Node) => Node,
  more: Partial<PlanInput> = {},
): PlanInput => {
  const observed = change(stored);
  return {
    desired: desiredNode(base, report, undefined),
    observed,
    before: readOurs(observed),
    mayLabel: () => true,
    ...more,
  };
};
const same = (node: Node): Node => node;

describe("planStatus", () => {
  it("finds nothing to write in what it wrote", () => {
    const status = planStatus(input(undefined, same), now);
    assert.equal(status.changed, false);
    assert.deepEqual(status.patch, {
      conditions: ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map((type) => ({
        type,
        lastHeartbeatTime: nowText,
      })),
    });
  });

  it("takes quantities by value", () => {
    const rewritten = (node: Node): Node => ({
      ...node,
      status: { ...node.status, capacity: { ...node.status?.capacity, cpu: "1k", memory: "4096Gi" } },
    });
    assert.equal(planStatus(input(undefined, rewritten), now).changed, false);
    assert.deepEqual(planStatus(input({ capacity: { cpu: "0.5" } }, same), now).patch["capacity"], { cpu: "0.5" });
  });

  it("changes the transition time with the status alone, and keeps the one that the API has", () => {
    const report: NodeReport = {
      conditions: [
        { type: "Ready", status: "True", reason: "Fine", message: "well" },
        { type: "DiskPressure", status: "True", reason: "Full" },
      ],
    };
    const { patch, transitions } = planStatus(input(report, same), now);
    const byType = new Map(
      Array.isArray(patch["conditions"]) ? patch["conditions"].map((condition) => [condition.type, condition]) : [],
    );
    assert.equal(byType.get("Ready").lastTransitionTime, "2026-01-01T00:00:00Z");
    assert.equal(byType.get("Ready").reason, "Fine");
    assert.equal(byType.get("DiskPressure").lastTransitionTime, nowText);
    assert.deepEqual(byType.get("PIDPressure"), { type: "PIDPressure", lastHeartbeatTime: nowText });
    assert.deepEqual(
      transitions.map(({ type }) => type),
      ["DiskPressure"],
    );
  });

  it("restores what the controller manager set to Unknown", () => {
    const silent = (node: Node): Node => ({
      ...node,
      status: {
        ...node.status,
        conditions: (node.status?.conditions ?? []).map((condition) => ({
          ...condition,
          status: "Unknown",
          reason: "NodeStatusUnknown",
          message: "Kubelet stopped posting node status.",
        })),
      },
    });
    const { changed, transitions } = planStatus(input(undefined, silent), now);
    assert.ok(changed);
    assert.equal(transitions.length, 4);
  });

  it("leaves others' conditions and resources, and removes its own that are over", () => {
    const report: NodeReport = { capacity: { "example.com/gpu": "1" }, conditions: [{ type: "GPUs", status: "True" }] };
    const before = oursOf(desiredNode(base, report, undefined));
    const both = (node: Node): Node => ({
      ...node,
      status: {
        ...node.status,
        capacity: { ...node.status?.capacity, "example.com/gpu": "1", "example.com/theirs": "1" },
        conditions: [
          { type: "Theirs", status: "True" },
          ...(node.status?.conditions ?? []),
          { type: "GPUs", status: "True" },
        ],
      },
    });
    const { patch } = planStatus(input(undefined, both, { before }), now);
    assert.deepEqual(patch["capacity"], { "example.com/gpu": null });
    assert.ok(Array.isArray(patch["conditions"]));
    assert.deepEqual(patch["conditions"].at(-1), { $patch: "delete", type: "GPUs" });
    assert.ok(!JSON.stringify(patch).includes("heirs"));
  });

  it("replaces addresses as a whole, and orders new conditions before Ready", () => {
    const { patch } = planStatus(
      input(
        { addresses: [{ type: "InternalIP", address: "10.0.0.2" }], conditions: [{ type: "New", status: "False" }] },
        same,
      ),
      now,
    );
    assert.deepEqual(patch["addresses"], [{ type: "InternalIP", address: "10.0.0.2" }, { $patch: "replace" }]);
    const order = patch["$setElementOrder/conditions"];
    assert.ok(Array.isArray(order));
    assert.deepEqual(
      order.map(({ type }) => type),
      ["MemoryPressure", "DiskPressure", "PIDPressure", "New", "Ready"],
    );
  });

  it("knows the same change by its fingerprint, at any time", () => {
    const change = input({ capacity: { cpu: "3" } }, same);
    assert.equal(planStatus(change, now).fingerprint, planStatus(change, now + 5_000).fingerprint);
    assert.notEqual(
      planStatus(change, now).fingerprint,
      planStatus(input({ capacity: { cpu: "4" } }, same), now).fingerprint,
    );
  });
});

describe("metadataPatch", () => {
  it("is none for what it wrote", () => assert.equal(metadataPatch(input(undefined, same)), undefined));

  it("restores its own, leaves others', removes its own of before", () => {
    const edited = (node: Node): Node => ({
      ...node,
      metadata: {
        ...node.metadata,
        labels: { theirs: "1", old: "1", "kubernetes.io/os": "plan9" },
        annotations: { [oursAnnotation]: '{"labels":["old"],"annotations":["gone"],"taints":7}', theirs: "1" },
      },
    });
    const patch = metadataPatch(input(undefined, edited, {}));
    const labels = patch?.["labels"];
    assert.ok(typeof labels === "object" && labels !== null);
    assert.deepEqual(Object.keys(labels).sort(), [
      "beta.kubernetes.io/arch",
      "beta.kubernetes.io/os",
      "kubernetes.io/arch",
      "kubernetes.io/hostname",
      "kubernetes.io/os",
      "kubernetes.io/role",
      "mine",
      "old",
      "type",
    ]);
    assert.equal(Object.entries(labels).find(([key]) => key === "old")?.[1], null);
    assert.deepEqual(patch?.["annotations"], {
      [oursAnnotation]: '{"labels":["mine"],"taints":["virtual-kubelet.io/provider:NoSchedule"]}',
    });
  });

  it("touches no label that it may not", () => {
    const bare = (node: Node): Node => ({ ...node, metadata: { ...node.metadata, labels: {} } });
    const patch = metadataPatch(input(undefined, bare, { mayLabel: (key) => key === "mine" }));
    assert.deepEqual(patch, { labels: { mine: "1" } });
  });

  it("reads nothing out of a spoiled annotation", () => {
    for (const text of ["", "[]", "{", '"labels"', '{"labels":{"a":1}}', '{"labels":[1]}', "null"]) {
      assert.deepEqual(readOurs({ metadata: { annotations: { [oursAnnotation]: text } } }), nothingOurs, text);
    }
  });
});

describe("planSpec", () => {
  const taint = (key: string, value?: string, effect = "NoSchedule") => ({
    key,
    effect,
    ...(value === undefined ? {} : { value }),
  });
  const mine = taint("virtual-kubelet.io/provider", "mock");
  const withTaints =
    (...taints: readonly ReturnType<typeof taint>[]) =>
    (node: Node): Node => ({ ...node, spec: { ...node.spec, taints } });

  it("is none for what it wrote, others' taints notwithstanding", () => {
    const theirs = taint("node.kubernetes.io/not-ready", undefined, "NoExecute");
    assert.equal(planSpec(input(undefined, withTaints(theirs, mine))).patch, undefined);
  });

  it("adds, changes and removes its own, and says how an administrator does", () => {
    const theirs = taint("theirs", "1");
    const before = { ...nothingOurs, taints: ["old:NoSchedule"] };
    const plan = planSpec(
      input(
        { taints: [taint("new")] },
        withTaints(theirs, taint("old"), taint("virtual-kubelet.io/provider", "other")),
        { before },
      ),
    );
    assert.deepEqual(plan.patch, { taints: [theirs, mine, taint("new")] });
    assert.equal(
      plan.command,
      "kubectl taint nodes n --overwrite new:NoSchedule virtual-kubelet.io/provider=mock:NoSchedule old:NoSchedule-",
    );
  });

  it("takes one key with two effects for two taints", () => {
    const { patch } = planSpec(input({ taints: [taint("virtual-kubelet.io/provider", "mock", "NoExecute")] }, same));
    assert.deepEqual(patch, { taints: [mine, taint("virtual-kubelet.io/provider", "mock", "NoExecute")] });
  });

  it("sets a providerID where there is none, and never another", () => {
    const desired = { ...plain, spec: { ...plain.spec, providerID: "mock://1" } };
    assert.deepEqual(planSpec(input(undefined, same, { desired })).patch, { providerID: "mock://1" });
    const other = (node: Node): Node => ({ ...node, spec: { ...node.spec, providerID: "mock://2" } });
    const plan = planSpec(input(undefined, other, { desired }));
    assert.equal(plan.patch, undefined);
    assert.equal(plan.foreignProviderID, "mock://2");
  });
});
