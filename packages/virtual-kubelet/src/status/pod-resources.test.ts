import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Pod, PodSpec } from "../kube/types.gen.ts";
import { podLimits, podRequests, quantities } from "./pod-resources.ts";

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

describe("podLimits", () => {
  const limited = (
    name: string,
    limits: Readonly<Record<string, string>>,
    more: Partial<Container> = {},
  ): Container => ({
    name,
    resources: { limits },
    ...more,
  });
  const limits = (spec: Partial<PodSpec>): Readonly<Record<string, bigint>> =>
    Object.fromEntries(podLimits({ spec: { containers: [], ...spec } }));

  it("adds up, and takes the largest init container if that is more", () => {
    const containers = [limited("a", { cpu: "1", memory: "2" }), limited("b", { cpu: "500m", memory: "3" })];
    assert.deepEqual(limits({ containers }), { cpu: 1500n, memory: 5n });
    const initContainers = [limited("i", { cpu: "3", memory: "1" })];
    assert.deepEqual(limits({ containers, initContainers }), { cpu: 3000n, memory: 5n });
    const sidecars = [limited("s", { cpu: "2", memory: "1" }, sidecar)];
    assert.deepEqual(limits({ containers, initContainers: sidecars }), { cpu: 3500n, memory: 6n });
  });

  it("has no limit of what one container may use without limit", () => {
    const containers = [limited("a", { cpu: "1", memory: "2", "x.io/gpu": "1" }), limited("b", { memory: "3" })];
    assert.deepEqual(limits({ containers }), { memory: 5n, "x.io/gpu": 1n });
    assert.deepEqual(limits({ containers, initContainers: [limited("i", {})] }), { "x.io/gpu": 1n });
    assert.deepEqual(limits({ containers: [limited("a", { cpu: "0" })] }), {});
  });

  it("takes pod-level limits in place of all that, and overhead beside what is limited", () => {
    const containers = [limited("a", { memory: "2" }), limited("b", {})];
    const resources = { limits: { cpu: "4", memory: "9" } };
    assert.deepEqual(limits({ containers, resources }), { cpu: 4000n, memory: 9n });
    assert.deepEqual(limits({ containers, resources, overhead: { memory: "1", "ephemeral-storage": "1" } }), {
      cpu: 4000n,
      memory: 10n,
    });
  });
});
