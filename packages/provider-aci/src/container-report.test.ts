// What the cloud says of a container, and what is reported of it: each line a defect that users of the Go provider know, or a rule of
// the kubelet.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restartsTag } from "./tags.ts";
import { ownTags, reportOf, saidEvent } from "./testing/said-group.ts";
import type { ContainerInstanceView, ContainerState } from "./wire-views.ts";

describe("the state of a container", () => {
  const startTime = "2026-01-01T00:00:00.5Z";
  const finishTime = "2026-01-01T00:01:00Z";
  const times = { startedAt: "2026-01-01T00:00:00Z", finishedAt: "2026-01-01T00:01:00Z" };
  const table: readonly (readonly [string, ContainerInstanceView | undefined, object])[] = [
    ["nothing is said yet", undefined, { waiting: { reason: "ContainerCreating" } }],
    ["it runs", { currentState: { state: "Running", startTime } }, { running: { startedAt: times.startedAt } }],
    [
      "it has succeeded",
      { currentState: { state: "Terminated", exitCode: 0, startTime, finishTime, detailStatus: "Completed" } },
      { terminated: { exitCode: 0, reason: "Completed", ...times } },
    ],
    [
      "it has failed with a code",
      { currentState: { state: "Terminated", exitCode: 3, startTime, finishTime, detailStatus: "Error" } },
      { terminated: { exitCode: 3, reason: "Error", ...times } },
    ],
    [
      "out of memory, as the cloud says",
      { currentState: { state: "Terminated", exitCode: 137, startTime, finishTime, detailStatus: "OOMKilled" } },
      { terminated: { exitCode: 137, reason: "OOMKilled", ...times } },
    ],
    [
      "out of memory, as an event says",
      {
        currentState: { state: "Terminated", exitCode: 137, startTime, finishTime },
        events: [saidEvent("Killing", "Container main ran out of memory", finishTime, "Warning")],
      },
      { terminated: { exitCode: 137, reason: "OOMKilled", ...times } },
    ],
    [
      "its code is not known",
      { currentState: { state: "Terminated", startTime, finishTime } },
      { terminated: { exitCode: 137, reason: "ContainerStatusUnknown", ...times } },
    ],
    [
      "it waits for its restart",
      { currentState: { state: "Waiting", detailStatus: "CrashLoopBackOff: Back-off restarting failed" } },
      { waiting: { reason: "CrashLoopBackOff", message: "Back-off restarting failed" } },
    ],
    [
      "its image cannot be pulled",
      {
        currentState: { state: "Waiting" },
        events: [
          saidEvent("Pulling", 'pulling image "i"', startTime),
          saidEvent("Failed", 'Failed to pull image "i": not found', finishTime, "Warning"),
        ],
      },
      { waiting: { reason: "ErrImagePull", message: 'Failed to pull image "i": not found' } },
    ],
    [
      "its image is tried again later",
      {
        currentState: { state: "Waiting" },
        events: [saidEvent("BackOff", 'Back-off pulling image "i"', finishTime, "Warning")],
      },
      { waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "i"' } },
    ],
  ];
  for (const [name, main, expected] of table) {
    it(name, () => {
      const state = reportOf({ main })?.containers[0]?.state;
      const { containerID, ...terminated } = state?.terminated ?? { containerID: undefined };
      assert.deepEqual(state?.terminated === undefined ? state : { terminated }, expected);
      assert.equal(containerID !== undefined, state?.terminated !== undefined);
    });
  }

  it("a restart: the run before, its code, and another ID", () => {
    const previousState: ContainerState = { state: "Terminated", exitCode: 2, startTime, finishTime };
    const view = { restartCount: 4, currentState: { state: "Running", startTime: finishTime }, previousState };
    const container = reportOf({ main: view })?.containers[0];
    assert.equal(container?.restartCount, 4);
    assert.equal(container?.lastState?.terminated?.exitCode, 2);
    assert.equal(container?.containerID, "aci://shop-web-u/main/4");
    assert.equal(container?.lastState?.terminated?.containerID, "aci://shop-web-u/main/3");
    const waiting = reportOf({ main: { ...view, currentState: { state: "Waiting" } } })?.containers[0];
    assert.equal(waiting?.lastState?.terminated?.containerID, "aci://shop-web-u/main/4");
  });

  it("a count of restarts that the cloud began anew does not fall", () => {
    const tags = { ...ownTags, ...restartsTag(5) };
    const main = { restartCount: 0, currentState: { state: "Running", startTime } };
    const container = reportOf({ tags, main })?.containers[0];
    assert.deepEqual([container?.restartCount, container?.containerID], [5, "aci://shop-web-u/main/5"]);
  });

  it("a run before that is none is not told", () => {
    const view = { currentState: { state: "Running", startTime }, previousState: { state: "Waiting" } };
    assert.equal(reportOf({ main: view })?.containers[0]?.lastState, undefined);
  });

  it("containers wait for init containers, which are reported with their codes; ours are not", () => {
    const init = (name: string, currentState: ContainerState) => ({
      name,
      properties: { image: "i", instanceView: { currentState } },
    });
    const group = reportOf({
      more: {
        initContainers: [
          init("ours", { state: "Terminated", exitCode: 0 }),
          init("first", { state: "Terminated", exitCode: 7, startTime, finishTime }),
        ],
      },
      main: { currentState: { state: "Waiting" } },
    });
    assert.deepEqual(
      group?.containers.map(({ name, state }) => [name, state.waiting?.reason, state.terminated?.exitCode]),
      [
        ["first", undefined, 7],
        ["main", "PodInitializing", undefined],
      ],
    );
  });
});

describe("readiness by the cloud's own probe", () => {
  const readinessProbe = { exec: { command: ["/ready"] }, periodSeconds: 5, initialDelaySeconds: 2 };
  const ready = (startTime: string, failedAt?: string): boolean | undefined =>
    reportOf({
      container: { readinessProbe },
      main: {
        currentState: { state: "Running", startTime },
        events:
          failedAt === undefined ? [] : [saidEvent("Unhealthy", "Readiness probe failed: 1", failedAt, "Warning")],
      },
    })?.containers[0]?.ready;

  it("has not had its time yet", () => assert.equal(ready("2026-01-01T00:09:59Z"), false));
  it("has failed just now", () => assert.equal(ready("2026-01-01T00:00:00Z", "2026-01-01T00:09:55Z"), false));
  it("has not failed for two periods", () => assert.equal(ready("2026-01-01T00:00:00Z", "2026-01-01T00:09:45Z"), true));
  it("has failed in the run before alone", () =>
    assert.equal(ready("2026-01-01T00:09:56Z", "2026-01-01T00:09:55Z"), true));
  it("has failed in this run, and there was one before: as whoever looks for the first time sees it, too", () => {
    const view: ContainerInstanceView = {
      restartCount: 3,
      currentState: { state: "Running", startTime: "2026-01-01T00:05:00Z" },
      previousState: { state: "Terminated", exitCode: 1, finishTime: "2026-01-01T00:04:50Z" },
      events: [
        // Told once, with the time of the last of them.
        {
          ...saidEvent("Unhealthy", "Readiness probe failed: 1", "2026-01-01T00:09:58Z", "Warning"),
          ...{ count: 40, firstTimestamp: "2026-01-01T00:00:10Z" },
        },
      ],
    };
    assert.equal(reportOf({ container: { readinessProbe }, main: view })?.containers[0]?.ready, false);
  });
  it("a probe that takes long fails late", () => {
    const probe = { ...readinessProbe, timeoutSeconds: 20 };
    const events = [saidEvent("Unhealthy", "Readiness probe failed: timeout", "2026-01-01T00:09:35Z", "Warning")];
    const main = { currentState: { state: "Running", startTime: "2026-01-01T00:00:00Z" }, events };
    assert.equal(reportOf({ container: { readinessProbe: probe }, main })?.containers[0]?.ready, false);
  });
  it("without a probe the cloud says nothing of it", () =>
    assert.equal(reportOf({ main: { currentState: { state: "Running" } } })?.containers[0]?.ready, undefined));
});
