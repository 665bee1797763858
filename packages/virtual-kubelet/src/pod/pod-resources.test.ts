import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Pod, PodSpec } from "../kube/types.gen.ts";
import { podRequests, quantities } from "./pod-resources.ts";

const of = (name: string, requests: Readonly<Record<string, string>>, more: Partial<Container> = {}): Container => ({
  name,
  resources: { requests },
  ...more,
});
const cpu = (amount: string): Readonly<Record<string, string>> => ({ cpu: amount });
const sidecar = { restartPolicy: "Always" };
const requests = (spec: Partial<PodSpec>): Readonly<Record<string, bigint>> => {
  const pod: Pod = { spec: { containers: [], ...spec } };
  return Object.fromEntries(podRequests(pod));
};

describe("podRequests", () => {
  it("adds the main containers", () => {
    const containers = [of("a", { cpu: "100m", memory: "1Mi" }), of("b", { cpu: "1", "x.io/gpu": "1" })];
    assert.deepEqual(requests({ containers }), { cpu: 1100n, memory: 1048576n, "x.io/gpu": 1n });
    assert.deepEqual(requests({}), {});
  });

  it("takes the largest init container, if that is more", () => {
    const containers = [of("a", cpu("1"))];
    assert.deepEqual(requests({ containers, initContainers: [of("i", cpu("3")), of("j", cpu("2"))] }), { cpu: 3000n });
    assert.deepEqual(requests({ containers, initContainers: [of("i", cpu("500m"))] }), { cpu: 1000n });
    assert.deepEqual(requests({ containers, initContainers: [of("i", { memory: "5" })] }), { cpu: 1000n, memory: 5n });
  });

  it("adds sidecars to the main containers, and to the init containers after them", () => {
    const containers = [of("a", cpu("1"))];
    const before = [of("s", cpu("2"), sidecar), of("i", cpu("4"))];
    assert.deepEqual(requests({ containers, initContainers: before }), { cpu: 6000n });
    const after = [of("i", cpu("2")), of("s", cpu("2"), sidecar)];
    assert.deepEqual(requests({ containers, initContainers: after }), { cpu: 3000n });
  });

  it("takes pod-level requests in place of the sum, and adds the overhead", () => {
    const containers = [of("a", { cpu: "1", "x.io/gpu": "2" })];
    const resources = { requests: { cpu: "5", "x.io/gpu": "9" } };
    assert.deepEqual(requests({ containers, resources, overhead: cpu("10m") }), { cpu: 5010n, "x.io/gpu": 2n });
  });
});

describe("quantities", () => {
  it("counts cpu in thousandths and the rest in units, rounded up", () => {
    assert.deepEqual(
      [...quantities({ cpu: "1u", memory: "1500m" })],
      [
        ["cpu", 1n],
        ["memory", 2n],
      ],
    );
  });
});
