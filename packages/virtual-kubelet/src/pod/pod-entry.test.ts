// What names a revision of a pod, what shows that it has run, and which grace counts.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Stored } from "../kube/resource.ts";
import type { Pod, PodStatus } from "../kube/types.gen.ts";
import { everRan, graceOf, revisionOf } from "./pod-entry.ts";

function pod(metadata: Partial<Stored<Pod>["metadata"]> = {}, status: PodStatus = {}, spec: object = {}): Stored<Pod> {
  return {
    metadata: { name: "web", namespace: "default", uid: "u", resourceVersion: "1", generation: 1, ...metadata },
    spec: { containers: [{ name: "main", image: "i" }], ...spec },
    status,
  };
}

describe("revisionOf", () => {
  const base = revisionOf(pod({ labels: { a: "b" }, annotations: { c: "d" } }));

  it("begins with the generation, which is the spec's part", () => {
    assert.match(revisionOf(pod({ generation: 7 })), /^7\//);
    const { generation: _, ...none } = pod().metadata;
    assert.match(revisionOf({ ...pod(), metadata: none }), /^0\//);
  });

  it("is another one with other labels, annotations or another generation, and knows them apart", () => {
    const others = [
      pod({ labels: { a: "c" }, annotations: { c: "d" } }),
      pod({ labels: { c: "d" }, annotations: { a: "b" } }),
      pod({ labels: { a: "b" } }),
      pod({ annotations: { c: "d" } }),
      pod({ generation: 2, labels: { a: "b" }, annotations: { c: "d" } }),
      pod({ labels: { ab: "" }, annotations: { c: "d" } }),
    ];
    assert.equal(new Set([base, ...others.map(revisionOf)]).size, others.length + 1);
  });

  it("is the same with annotations of the backend's own", () => {
    const own = { c: "d", "backend.virtual-kubelet.io/id": "7" };
    assert.equal(revisionOf(pod({ labels: { a: "b" }, annotations: own })), base);
  });

  it("depends on nothing else, nor on the order of keys", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }), (labels) => {
        const turned = Object.fromEntries(Object.entries(labels).reverse());
        const other = pod({ labels: turned, resourceVersion: "9" }, { phase: "Running" });
        assert.equal(revisionOf(pod({ labels })), revisionOf(other));
      }),
    );
  });
});

describe("everRan", () => {
  const started = { startedAt: "2026-01-01T00:00:00Z" };
  const container = (more: object): PodStatus => ({
    containerStatuses: [{ name: "main", image: "i", imageID: "", ready: false, restartCount: 0, ...more }],
  });
  const table: readonly (readonly [string, PodStatus, boolean])[] = [
    ["nothing", {}, false],
    ["waiting", container({ state: { waiting: { reason: "ContainerCreating" } } }), false],
    ["running", container({ state: { running: started } }), true],
    ["terminated", container({ state: { terminated: { exitCode: 0 } } }), true],
    ["a container's id", container({ containerID: "mock://1" }), true],
    ["an empty id", container({ containerID: "" }), false],
    ["an address", { podIP: "10.0.0.1" }, true],
    ["an empty address", { podIP: "" }, false],
    [
      "an init container",
      { initContainerStatuses: container({ state: { running: started } }).containerStatuses ?? [] },
      true,
    ],
  ];
  for (const [what, status, expected] of table)
    it(`${what}: ${expected}`, () => assert.equal(everRan(pod({}, status)), expected));

  it("the address of the host says nothing", () => {
    assert.equal(everRan(pod({}, { podIP: "192.0.2.1" }, { hostNetwork: true })), false);
  });
});

it("graceOf: the deletion's, else the spec's, else 30 s", () => {
  assert.equal(graceOf(undefined), 30);
  assert.equal(graceOf(pod()), 30);
  assert.equal(graceOf(pod({}, {}, { terminationGracePeriodSeconds: 5 })), 5);
  assert.equal(graceOf(pod({ deletionGracePeriodSeconds: 0 }, {}, { terminationGracePeriodSeconds: 5 })), 0);
});
