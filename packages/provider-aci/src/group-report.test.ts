// What the cloud says, and what is reported of it: each line a defect that users of the Go provider know, or a rule of the kubelet.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { groupReport } from "./group-report.ts";
import { createdTag, restartsTag, stopTags } from "./tags.ts";
import type {
  ContainerGroup,
  ContainerInstanceView,
  ContainerProperties,
  ContainerState,
  InstanceEvent,
  Tags,
} from "./wire.ts";

const owner = { cluster: "c", node: "vk", namespace: "shop", name: "web", uid: "u" };
const ownTags = Object.fromEntries(Object.entries(owner).map(([key, value]) => [`virtual-kubelet.io.${key}`, value]));
const id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerInstance/containerGroups/shop-web-u";
const now = Date.parse("2026-01-01T00:10:00Z");

interface Said {
  readonly tags?: Tags;
  readonly provisioningState?: string;
  readonly state?: string | undefined;
  readonly events?: readonly InstanceEvent[];
  readonly main?: ContainerInstanceView | undefined;
  readonly container?: Partial<ContainerProperties>;
  readonly more?: Partial<ContainerGroup["properties"]>;
}

function report(said: Said): CloudGroup | undefined {
  const { tags = ownTags, provisioningState = "Succeeded", events = [], main, container = {}, more = {} } = said;
  const state = "state" in said ? said.state : "Running";
  const group: ContainerGroup = {
    ...{ id, name: "shop-web-u", tags },
    properties: {
      ...{ osType: "Linux", provisioningState },
      ...(state !== undefined && { instanceView: { state, events } }),
      containers: [
        { name: "main", properties: { image: "i", ...container, ...(main !== undefined && { instanceView: main }) } },
      ],
      ...more,
    },
  };
  return groupReport(group, { node: "vk", cluster: "c", adoptGoGroups: true, hidden: new Set(["ours"]), now });
}

const event = (name: string, message: string, lastTimestamp: string, type = "Normal"): InstanceEvent => ({
  ...{ name, message, type, count: 1, firstTimestamp: lastTimestamp, lastTimestamp },
});

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
        events: [event("Killing", "Container main ran out of memory", finishTime, "Warning")],
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
          event("Pulling", 'pulling image "i"', startTime),
          event("Failed", 'Failed to pull image "i": not found', finishTime, "Warning"),
        ],
      },
      { waiting: { reason: "ErrImagePull", message: 'Failed to pull image "i": not found' } },
    ],
    [
      "its image is tried again later",
      {
        currentState: { state: "Waiting" },
        events: [event("BackOff", 'Back-off pulling image "i"', finishTime, "Warning")],
      },
      { waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "i"' } },
    ],
  ];
  for (const [name, main, expected] of table) {
    it(name, () => {
      const state = report({ main })?.containers[0]?.state;
      const { containerID, ...terminated } = state?.terminated ?? { containerID: undefined };
      assert.deepEqual(state?.terminated === undefined ? state : { terminated }, expected);
      assert.equal(containerID !== undefined, state?.terminated !== undefined);
    });
  }

  it("a restart: the run before, its code, and another ID", () => {
    const previousState: ContainerState = { state: "Terminated", exitCode: 2, startTime, finishTime };
    const view = { restartCount: 4, currentState: { state: "Running", startTime: finishTime }, previousState };
    const container = report({ main: view })?.containers[0];
    assert.equal(container?.restartCount, 4);
    assert.equal(container?.lastState?.terminated?.exitCode, 2);
    assert.equal(container?.containerID, "aci://shop-web-u/main/4");
  });

  it("a count of restarts that the cloud began anew does not fall", () => {
    const tags = { ...ownTags, ...restartsTag(5) };
    const main = { restartCount: 0, currentState: { state: "Running", startTime } };
    const container = report({ tags, main })?.containers[0];
    assert.deepEqual([container?.restartCount, container?.containerID], [5, "aci://shop-web-u/main/5"]);
  });

  it("a run before that is none is not told", () => {
    const view = { currentState: { state: "Running", startTime }, previousState: { state: "Waiting" } };
    assert.equal(report({ main: view })?.containers[0]?.lastState, undefined);
  });

  it("containers wait for init containers, which are reported with their codes; ours are not", () => {
    const init = (name: string, currentState: ContainerState) => ({
      name,
      properties: { image: "i", instanceView: { currentState } },
    });
    const group = report({
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
    report({
      container: { readinessProbe },
      main: {
        currentState: { state: "Running", startTime },
        events: failedAt === undefined ? [] : [event("Unhealthy", "Readiness probe failed: 1", failedAt, "Warning")],
      },
    })?.containers[0]?.ready;

  it("has not had its time yet", () => assert.equal(ready("2026-01-01T00:09:59Z"), false));
  it("has failed just now", () => assert.equal(ready("2026-01-01T00:00:00Z", "2026-01-01T00:09:55Z"), false));
  it("has not failed for two periods", () => assert.equal(ready("2026-01-01T00:00:00Z", "2026-01-01T00:09:45Z"), true));
  it("has failed in the run before alone", () =>
    assert.equal(ready("2026-01-01T00:09:56Z", "2026-01-01T00:09:55Z"), true));
  it("without a probe the cloud says nothing of it", () =>
    assert.equal(report({ main: { currentState: { state: "Running" } } })?.containers[0]?.ready, undefined));
});

describe("the state of a group", () => {
  const running = { currentState: { state: "Running", startTime: "2026-01-01T00:00:00Z" } };
  const done = { currentState: { state: "Terminated", exitCode: 0, finishTime: "2026-01-01T00:00:00Z" } };
  const table: readonly (readonly [string, Said, string, string | undefined])[] = [
    ["is being made", { provisioningState: "Creating", state: "Pending" }, "starting", undefined],
    ["runs", { main: running }, "running", undefined],
    ["goes", { provisioningState: "Deleting", main: running }, "ending", undefined],
    ["is repaired", { state: "Repairing", main: { currentState: { state: "Waiting" } } }, "starting", undefined],
    ["is done", { state: "Succeeded", main: done, more: { restartPolicy: "Never" } }, "ended", undefined],
    ["is done, but starts anew", { state: "Succeeded", main: done }, "starting", undefined],
    [
      "could not be made",
      {
        provisioningState: "Failed",
        state: "Failed",
        events: [event("InsufficientCapacity", "no room", "2026-01-01T00:00:00Z", "Warning")],
      },
      "ended",
      "InsufficientCapacity: no room",
    ],
    [
      "was a spot group, and its room was taken",
      {
        state: "Stopped",
        more: { priority: "Spot" },
        main: done,
        events: [event("Evicted", "Spot capacity was reclaimed", "2026-01-01T00:00:00Z", "Warning")],
      },
      "ended",
      "SpotEviction: Spot capacity was reclaimed",
    ],
    ["was stopped by others", { state: "Stopped", main: done }, "ended", "Stopped: the container group was stopped"],
    [
      "was stopped by us, for no fault",
      { tags: { ...ownTags, ...stopTags(undefined) }, state: "Stopped", main: done },
      "ended",
      undefined,
    ],
    [
      "was stopped by us, for a fault",
      {
        tags: { ...ownTags, ...stopTags({ reason: "DeadlineExceeded", message: "too long" }) },
        state: "Stopped",
        main: done,
      },
      "ended",
      "DeadlineExceeded: too long",
    ],
    [
      "is being stopped by us: not told before it is over",
      { tags: { ...ownTags, ...stopTags({ reason: "DeadlineExceeded", message: "too long" }) }, main: running },
      "ending",
      undefined,
    ],
  ];
  for (const [name, said, stage, failure] of table) {
    it(name, () => {
      const group = report(said);
      assert.equal(group?.stage, stage);
      const told = group?.failure === undefined ? undefined : `${group.failure.reason}: ${group.failure.message}`;
      assert.equal(told, failure);
    });
  }

  it("in a list: what is known without the containers", () => {
    const group = report({ state: undefined });
    assert.deepEqual([group?.partial, group?.stage, group?.containers], [true, "running", []]);
  });

  it("addresses, when it was made, the resource's id", () => {
    const group = report({
      tags: { ...ownTags, ...createdTag(Date.parse("2026-01-01T00:00:00.7Z")) },
      main: running,
      more: { ipAddress: { type: "Public", ports: [], ip: "192.0.2.1", fqdn: "a.example.com" } },
    });
    assert.deepEqual(group?.podIPs, ["192.0.2.1"]);
    assert.equal(group?.startTime, "2026-01-01T00:00:00Z");
    assert.deepEqual(group?.annotations, {
      "backend.virtual-kubelet.io/resource-id": id,
      "backend.virtual-kubelet.io/fqdn": "a.example.com",
    });
  });
});

describe("whose a group is", () => {
  const goTags = { PodName: "web", NodeName: "vk", Namespace: "shop", UID: "u", CreationTimestamp: "x" };
  const table: readonly (readonly [string, Tags, boolean | undefined])[] = [
    ["ours", ownTags, false],
    ["another node's", { ...ownTags, "virtual-kubelet.io.node": "other" }, undefined],
    ["another cluster's, with the node's name", { ...ownTags, "virtual-kubelet.io.cluster": "d" }, undefined],
    ["the Go provider's", goTags, true],
    ["the Go provider's of another node", { ...goTags, NodeName: "other" }, undefined],
    ["nobody's", {}, undefined],
    // What says another cluster is not the Go provider's, whatever else it says.
    [
      "another cluster's, with the Go provider's tags",
      { ...goTags, ...ownTags, "virtual-kubelet.io.cluster": "d" },
      undefined,
    ],
  ];
  for (const [name, tags, isGo] of table) {
    it(name, () => {
      const group = report({ tags });
      assert.equal(group === undefined ? undefined : group.clusterUnknown === true, isGo);
      if (group !== undefined) assert.deepEqual(group.owner, owner);
    });
  }
});

describe("events", () => {
  it("each with a key of its own that stays, a count that grew as another, pulls once", () => {
    const pulling = event("Pulling", 'pulling image "i"', "2026-01-01T00:00:00Z");
    const pulled = {
      ...event("Pulled", "pulled", "2026-01-01T00:00:02Z"),
      count: 2,
      firstTimestamp: "2026-01-01T00:00:01Z",
    };
    const group = report({
      events: [pulling],
      main: { currentState: { state: "Running" }, events: [pulling, pulled] },
    });
    assert.deepEqual(
      group?.events?.map(({ key, container, time }) => [key, container, new Date(time).toISOString()]),
      [
        ["Pulling/main/2026-01-01T00:00:00Z/1", "main", "2026-01-01T00:00:00.000Z"],
        ["Pulled/main/2026-01-01T00:00:01Z/2", "main", "2026-01-01T00:00:02.000Z"],
      ],
    );
  });
});
