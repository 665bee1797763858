// What is told of pods and nodes after successive summaries: tables for the single rules, properties over random histories.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod } from "../kube/types.gen.ts";
import {
  at,
  containerStats,
  epochMs,
  podStats,
  runningPod,
  runningStatus,
  summary,
} from "../testing/stats-fixtures.ts";
import { StatsHistory } from "./stats-history.ts";
import type { NodeUsage } from "./stats-usage.ts";

const good = { cpu: 5, memory: 100 };

/** Each container told: "pod/container cpu memory". */
function tell(usage: NodeUsage): string[] {
  return usage.pods.flatMap(({ pod, containers }) =>
    containers.map(
      ({ name, cpu, memory }) =>
        `${pod.metadata.name}/${name} ${cpu === undefined ? "-" : cpu.counter / 1e9} ${memory?.workingSet ?? "-"}`,
    ),
  );
}

/** Updates every ten seconds. */
function stepper(history = new StatsHistory("vk")) {
  let seconds = 0;
  return (pods: readonly Stored<Pod>[], given: ReturnType<typeof summary>): NodeUsage => {
    seconds += 10;
    return history.update(given, pods, epochMs + seconds * 1000);
  };
}

describe("which containers are told", () => {
  const both = podStats(
    "a",
    containerStats({ name: "main", time: 10, ...good }),
    containerStats({ name: "side", time: 10, ...good }),
  );
  const withStatuses = (...containerStatuses: readonly ContainerStatus[]) =>
    runningPod("a", ["main", "side"], { containerStatuses });

  it("those that run in the pod's status, of pods that are bound here", () => {
    const ended = { ...runningStatus("side"), state: { terminated: { exitCode: 0 } } };
    const waiting = { ...runningStatus("side"), state: { waiting: { reason: "CrashLoopBackOff" } } };
    const stranger = podStats("b", containerStats({ time: 10, ...good }));
    for (const status of [ended, waiting]) {
      const usage = stepper()([withStatuses(runningStatus("main"), status)], summary(both, stranger));
      assert.deepEqual(tell(usage), ["a/main 5 100"]);
    }
    assert.deepEqual(tell(stepper()([runningPod("a", ["main", "side"])], summary(both))), [
      "a/main 5 100",
      "a/side 5 100",
    ]);
    const failed = runningPod("a", ["main"], { phase: "Failed" });
    assert.deepEqual(tell(stepper()([failed], summary(both))), []);
  });

  it("sidecars and debug containers, too", () => {
    const pod = runningPod("a", ["main"], {
      initContainerStatuses: [runningStatus("side")],
      ephemeralContainerStatuses: [runningStatus("debug")],
    });
    assert.deepEqual(tell(stepper()([pod], summary(both))), ["a/side 5 100", "a/main 5 100", "a/debug - -"]);
  });

  it("by uid, or by name where the provider gives no uid", () => {
    const other = { ...both, podRef: { ...both.podRef, uid: "of the pod before it" } };
    assert.deepEqual(tell(stepper()([runningPod("a")], summary(other))), ["a/main - -"]);
    const without = { ...both, podRef: { ...both.podRef, uid: "" } };
    assert.deepEqual(tell(stepper()([runningPod("a")], summary(without))), ["a/main 5 100"]);
  });
});

describe("gaps", () => {
  it("a container, or a whole pod, that the provider leaves out keeps its last figures, for two minutes", () => {
    const step = stepper();
    const pods = [runningPod("a")];
    step(pods, summary(podStats("a", containerStats({ time: 10, ...good }))));
    for (const given of [
      summary(podStats("a")),
      summary(),
      summary(podStats("a", containerStats({ time: 40, cpu: 0, memory: 0 }))),
    ]) {
      const usage = step(pods, given);
      assert.deepEqual(tell(usage), ["a/main 5 100"]);
      assert.equal(usage.pods[0]?.containers[0]?.cpu?.timeMs, epochMs + 10_000);
    }
    for (let index = 0; index < 9; index++) assert.deepEqual(tell(step(pods, summary())), ["a/main 5 100"]);
    assert.deepEqual(tell(step(pods, summary())), ["a/main - -"]);
  });

  it("not across a restart", () => {
    const step = stepper();
    step([runningPod("a")], summary(podStats("a", containerStats({ time: 10, ...good }))));
    const restarted = runningPod("a", ["main"], { containerStatuses: [runningStatus("main", at(15))] });
    const late = summary(podStats("a", containerStats({ time: 12, cpu: 6, memory: 100 })));
    assert.deepEqual(tell(step([restarted], late)), ["a/main - -"]);
    const fresh = step([restarted], summary(podStats("a", containerStats({ time: 30, cpu: 1, memory: 50 }))));
    assert.deepEqual(tell(fresh), ["a/main 1 50"]);
    assert.equal(fresh.pods[0]?.containers[0]?.startMs, epochMs + 15_000);
  });

  it("a start that wavers is no restart", () => {
    const step = stepper();
    const pods = [runningPod("a")];
    for (const [index, start] of [3, 3.4, 2.7].entries()) {
      const given = summary(podStats("a", containerStats({ start, time: 10 + index, cpu: 5 + index, memory: 1 })));
      const [pod] = step(pods, given).pods;
      assert.equal(pod?.containers[0]?.startMs, epochMs + 3_000);
      assert.equal(pod?.containers[0]?.cpu?.counter, (5 + index) * 1e9);
    }
  });
});

describe("sums", () => {
  const pair = (time: number, cpu: number, memory: number) =>
    podStats(
      "a",
      containerStats({ name: "main", time, cpu, memory }),
      containerStats({ name: "side", time: time - 1, cpu, memory }),
    );
  const pods = [runningPod("a", ["main", "side"])];

  it("of a pod over its containers, at the time of the newest", () => {
    const [pod] = stepper()(pods, summary(pair(10, 5, 100))).pods;
    assert.deepEqual([pod?.cpu?.counter, pod?.cpu?.timeMs, pod?.memory?.workingSet], [10e9, epochMs + 10_000, 200]);
  });

  it("of a pod never fall when a container starts again", () => {
    const step = stepper();
    step(pods, summary(pair(10, 5, 100)));
    const side = runningStatus("side", at(15));
    const again = [runningPod("a", ["main", "side"], { containerStatuses: [runningStatus("main"), side] })];
    const given = podStats(
      "a",
      containerStats({ time: 20, cpu: 6, memory: 1 }),
      containerStats({ name: "side", start: 15, time: 20, cpu: 0.5, memory: 1 }),
    );
    assert.equal(step(again, summary(given)).pods[0]?.cpu?.counter, 11.5e9);
  });

  it("have no leap when a container is seen late", () => {
    const step = stepper();
    step(pods, summary(podStats("a", containerStats({ time: 10, cpu: 5, memory: 1 }))));
    assert.equal(step(pods, summary(pair(20, 6, 1))).pods[0]?.cpu?.counter, 6e9);
    assert.equal(step(pods, summary(pair(30, 7, 1))).pods[0]?.cpu?.counter, 8e9);
  });

  it("give way to what the provider says", () => {
    const given = {
      ...pair(10, 5, 100),
      cpu: { time: at(9), usageCoreNanoSeconds: 20e9, usageNanoCores: 1 },
      memory: { time: at(9), workingSetBytes: 777 },
    };
    const node = {
      nodeName: "vk",
      startTime: at(0),
      cpu: { time: at(8), usageCoreNanoSeconds: 90e9 },
      memory: { time: at(8), workingSetBytes: 999 },
    };
    const usage = stepper()(pods, { node, pods: [given] });
    assert.deepEqual([usage.pods[0]?.cpu?.counter, usage.pods[0]?.memory?.workingSet], [20e9, 777]);
    assert.deepEqual([usage.cpu?.counter, usage.memory?.workingSet], [90e9, 999]);
  });

  it("of the node count from this process's start, and keep what pods used that are gone", () => {
    const step = stepper();
    const counter = (usage: NodeUsage) => (usage.cpu?.counter ?? 0) / 1e9;
    const of = (name: string, time: number, cpu: number) => podStats(name, containerStats({ time, cpu, memory: 10 }));
    const [a, b] = [runningPod("a"), runningPod("b", ["main"], { startTime: at(15) })];
    assert.equal(counter(step([a], summary(of("a", 10, 3600)))), 1e-9);
    const young = { ...of("b", 20, 2), startTime: at(15) };
    const two = step([a, b], summary(of("a", 20, 3601), young));
    assert.deepEqual([counter(two), two.memory?.workingSet], [3 + 1e-9, 20]);
    assert.equal(counter(step([b], summary({ ...of("b", 30, 4), startTime: at(15) }))), 5 + 1e-9);
    const idle = step([], summary());
    assert.deepEqual([counter(idle), idle.memory?.workingSet, idle.cpu?.rate], [5 + 1e-9, 1, 0]);
  });

  it("of a node whose pods have no figures are none", () => {
    const usage = stepper()([runningPod("a")], summary());
    assert.deepEqual([usage.cpu, usage.memory], [undefined, undefined]);
  });
});

it("pods that are gone are forgotten", () => {
  const history = new StatsHistory("vk");
  const step = stepper(history);
  for (let index = 0; index < 50; index++) step([runningPod(`p${index}`), runningPod("stays")], summary());
  assert.equal(history.size, 2);
});
