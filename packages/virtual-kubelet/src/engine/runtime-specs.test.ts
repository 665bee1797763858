// What a runtime is told of a pod's resources: by itself, by the pod's, and how late it is to be killed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Pod, PodSpec } from "../kube/types.gen.ts";
import { killRank } from "./kill-rank.ts";
import { podResources, runResources } from "./runtime-specs.ts";

const c = (name: string, memory?: string, more: Partial<Container> = {}): Container => ({
  name,
  ...(memory !== undefined && { resources: { requests: { memory } } }),
  ...more,
});
const pod = (spec: PodSpec, qosClass: string): Pod => ({ spec, status: { qosClass } });

describe("resources as a runtime is told them", () => {
  it("are the container's, and the pod's where it has no limit", () => {
    const spec: PodSpec = {
      containers: [],
      resources: { limits: { cpu: "1", memory: "1Gi", "hugepages-2Mi": "4Mi" } },
    };
    assert.deepEqual(runResources({ spec }, { requests: { cpu: "1m" }, limits: { memory: "5Mi" } }), {
      requests: { cpu: "1m" },
      limits: { cpu: "1", memory: "5Mi" },
    });
    assert.deepEqual(runResources({ spec: { containers: [] } }), {});
  });

  it("of the whole pod have no limit that one container has not", () => {
    const limited = { requests: { cpu: "100m" }, limits: { cpu: "200m", memory: "1Mi" } };
    const containers = [
      { name: "a", resources: limited },
      { name: "b", resources: { limits: { memory: "1Mi" } } },
    ];
    assert.deepEqual(podResources({ spec: { containers } }), {
      requests: { cpu: "100m" },
      limits: { memory: "2097152" },
    });
  });
});

describe("the rank in which the kernel kills", () => {
  const table: readonly (readonly [string, Pod, Container, string, number])[] = [
    ["no class is told", { spec: { containers: [] } }, c("a", "5"), "BestEffort", 0],
    ["guaranteed", pod({ containers: [c("a", "5")] }, "Guaranteed"), c("a", "5"), "Guaranteed", 5],
    ["by its request", pod({ containers: [c("a", "5"), c("b", "7")] }, "Burstable"), c("b", "7"), "Burstable", 7],
    [
      "a share of what the pod asks for beyond",
      pod({ containers: [c("a", "5"), c("b")], resources: { requests: { memory: "11" } } }, "Burstable"),
      ...[c("b"), "Burstable", 3],
    ] as const,
    [
      "a sidecar not before its main containers",
      pod(
        { containers: [c("a", "9"), c("b", "8")], initContainers: [c("s", "1", { restartPolicy: "Always" })] },
        "Burstable",
      ),
      ...[c("s", "1", { restartPolicy: "Always" }), "Burstable", 8],
    ] as const,
    [
      "a main container that always restarts is no sidecar",
      pod({ containers: [c("a", "1", { restartPolicy: "Always" }), c("b", "8")] }, "Burstable"),
      ...[c("a", "1", { restartPolicy: "Always" }), "Burstable", 1],
    ] as const,
    [
      "what the node needs is kept",
      pod({ containers: [c("a")], priorityClassName: "system-node-critical" }, "BestEffort"),
      ...[c("a"), "Guaranteed", 0],
    ] as const,
  ];
  for (const [name, of, container, qosClass, memoryRequestBytes] of table)
    it(name, () => assert.deepEqual(killRank(of, container), { qosClass, memoryRequestBytes }));
});
