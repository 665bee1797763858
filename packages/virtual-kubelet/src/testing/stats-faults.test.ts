// The checks of stats summaries find what they are for.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStats, StatsSummary } from "../stats-summary.ts";
import { statsFaults } from "./stats-faults.ts";

const time = "2026-01-01T00:00:00Z";

function summary(container: Partial<ContainerStats> = {}, nodeCpu = 10): StatsSummary {
  const cpu = { time, usageCoreNanoSeconds: 5 };
  const whole: ContainerStats = {
    name: "app",
    startTime: time,
    cpu,
    memory: { time, workingSetBytes: 7 },
    ...container,
  };
  const podRef = { name: "web", namespace: "d", uid: "u1" };
  return {
    node: { nodeName: "n", startTime: time, cpu: { time, usageCoreNanoSeconds: nodeCpu } },
    pods: [{ podRef, startTime: time, containers: [whole] }],
  };
}

test("a sound summary has no faults, nor has one in which a container runs anew", () => {
  assert.deepEqual(statsFaults(summary(), "n"), []);
  const later = summary({ startTime: "2026-01-01T00:00:09Z", cpu: { time, usageCoreNanoSeconds: 1 } });
  assert.deepEqual(statsFaults(later, "n", summary()), []);
});

test("each fault is found", () => {
  const twice = summary();
  const cases: readonly (readonly [StatsSummary, RegExp, StatsSummary?])[] = [
    [{ ...summary(), node: { ...summary().node, nodeName: "m" } }, /nodeName is "m"/],
    [summary({ cpu: { time, usageCoreNanoSeconds: 0 } }), /usageCoreNanoSeconds is 0/],
    [summary({ memory: { time, workingSetBytes: 1.5 } }), /workingSetBytes is 1\.5/],
    [summary({ startTime: "now" }), /startTime is no time: now/],
    [summary({ cpu: { time: "", usageCoreNanoSeconds: 5 } }), /cpu\.time is no time/],
    [{ ...twice, pods: [...twice.pods, ...twice.pods] }, /is there twice/],
    [{ ...twice, pods: twice.pods.map((pod) => ({ ...pod, containers: [] })) }, /has no container/],
    [
      summary({ cpu: { time, usageCoreNanoSeconds: 4 } }),
      /container app: cpu\.usageCoreNanoSeconds fell from 5 to 4/,
      summary(),
    ],
    [summary({}, 9), /^node: cpu\.usageCoreNanoSeconds fell from 10 to 9/, summary()],
  ];
  for (const [given, message, before] of cases) {
    const faults = statsFaults(given, "n", before);
    assert.ok(
      faults.some((fault) => message.test(fault)),
      `${message}: ${faults.join("; ")}`,
    );
  }
});
