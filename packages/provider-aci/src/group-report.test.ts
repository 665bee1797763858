// What the cloud says of a group, and what is reported of it: each line a defect that users of the Go provider know, or a rule of the kubelet.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startedVolume } from "./sidecars.ts";
import { createdTag, stopTags } from "./tags.ts";
import { ownTags, reportOf, type Said, saidEvent, saidId, saidOwner } from "./testing/said-group.ts";
import type { Tags } from "./wire.ts";
import type { ContainerInstanceView } from "./wire-views.ts";

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
        events: [saidEvent("InsufficientCapacity", "no room", "2026-01-01T00:00:00Z", "Warning")],
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
        events: [saidEvent("Evicted", "Spot capacity was reclaimed", "2026-01-01T00:00:00Z", "Warning")],
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
      const group = reportOf(said);
      assert.equal(group?.stage, stage);
      const told = group?.failure === undefined ? undefined : `${group.failure.reason}: ${group.failure.message}`;
      assert.equal(told, failure);
    });
  }

  it("in a list: what is known without the containers", () => {
    const group = reportOf({ state: undefined });
    assert.deepEqual([group?.partial, group?.stage, group?.containers], [true, "running", []]);
  });

  it("who comes after a sidecar waits until that has begun, whatever its shell does", () => {
    const mount = (readOnly: boolean) => [{ name: startedVolume, mountPath: "/started", readOnly }];
    const states = (side: ContainerInstanceView): readonly unknown[] =>
      (
        reportOf({
          more: {
            containers: [
              { name: "side", properties: { image: "i", volumeMounts: mount(false), instanceView: side } },
              {
                name: "main",
                properties: {
                  ...{ image: "i", volumeMounts: mount(true) },
                  instanceView: { currentState: { state: "Running" } },
                },
              },
            ],
          },
        })?.containers ?? []
      ).map(({ state }) => state.waiting?.reason ?? Object.keys(state)[0]);
    assert.deepEqual(states({ currentState: { state: "Waiting" } }), ["ContainerCreating", "PodInitializing"]);
    assert.deepEqual(states({ currentState: { state: "Running" } }), ["running", "running"]);
    const again = { currentState: { state: "Waiting" }, previousState: { state: "Terminated", exitCode: 1 } };
    assert.deepEqual(states(again), ["ContainerCreating", "running"]);
  });

  it("addresses, when it was made, the resource's id", () => {
    const group = reportOf({
      tags: { ...ownTags, ...createdTag(Date.parse("2026-01-01T00:00:00.7Z")) },
      main: running,
      more: { ipAddress: { type: "Public", ports: [], ip: "192.0.2.1", fqdn: "a.example.com" } },
    });
    assert.deepEqual(group?.podIPs, ["192.0.2.1"]);
    assert.equal(group?.startTime, "2026-01-01T00:00:00Z");
    assert.deepEqual(group?.annotations, {
      "backend.virtual-kubelet.io/resource-id": saidId,
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
      const group = reportOf({ tags });
      assert.equal(group === undefined ? undefined : group.clusterUnknown === true, isGo);
      if (group !== undefined) assert.deepEqual(group.owner, saidOwner);
    });
  }
});

describe("events", () => {
  it("each with a key of its own that stays, a count that grew as another, pulls once", () => {
    const pulling = saidEvent("Pulling", 'pulling image "i"', "2026-01-01T00:00:00Z");
    const pulled = {
      ...saidEvent("Pulled", "pulled", "2026-01-01T00:00:02Z"),
      count: 2,
      firstTimestamp: "2026-01-01T00:00:01Z",
    };
    const group = reportOf({
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
