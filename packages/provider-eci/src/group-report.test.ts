// What the cloud's states of groups and containers are taken for.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupReport, type ReportOptions } from "./group-report.ts";
import { tagsOf } from "./tags.ts";
import type { ContainerGroup, ContainerState, ContainerView, GroupEvent } from "./wire-answers.ts";

const owner = { cluster: "c1", node: "vk", namespace: "shop", name: "web", uid: "uid-web" };
const options: ReportOptions = { node: "vk", cluster: "c1", adoptGoGroups: true, hidden: new Set(["helper"]) };
const running: ContainerState = { State: "Running", StartTime: "2026-01-01T00:00:10Z" };
const ended = (ExitCode: number, more: Partial<ContainerState> = {}): ContainerState => ({
  ...{ State: "Terminated", ExitCode, StartTime: "2026-01-01T00:00:10Z", FinishTime: "2026-01-01T00:01:00Z" },
  ...more,
});
const view = (CurrentState: ContainerState, more: Partial<ContainerView> = {}): ContainerView => ({
  ...{ Name: "web", Image: "registry.test/web:1", CurrentState },
  ...more,
});
const warning = (Reason: string, Message: string): GroupEvent => ({
  ...{ Name: `web.${Reason}`, Type: "Warning", Reason, Message, Count: 1 },
  ...{ FirstTimestamp: "2026-01-01T00:00:30Z", LastTimestamp: "2026-01-01T00:00:30Z" },
});

function group(
  Status: string,
  Containers: readonly ContainerView[],
  more: Partial<ContainerGroup> = {},
): ContainerGroup {
  return {
    ...{ ContainerGroupId: "eci-1", ContainerGroupName: "shop-web", Status, Tags: tagsOf(owner, "r7"), Containers },
    CreationTime: "2026-01-01T00:00:00.123Z",
    ...more,
  };
}

function report(answer: ContainerGroup): NonNullable<ReturnType<typeof groupReport>> {
  const found = groupReport(answer, options);
  assert.ok(found !== undefined);
  return found;
}

describe("a group", () => {
  const stages: readonly (readonly [string, readonly ContainerView[], string])[] = [
    ["Scheduling", [], "starting"],
    ["Pending", [view({ State: "Waiting" })], "starting"],
    ["Running", [view(running)], "running"],
    ["Restarting", [view(running)], "starting"],
    ["Updating", [view(running)], "starting"],
    ["Terminating", [view(running)], "ending"],
    ["Succeeded", [view(ended(0))], "ended"],
    ["Failed", [view(ended(3))], "ended"],
    ["Expired", [view(ended(137))], "ended"],
    ["ScheduleFailed", [], "ended"],
    ["SomethingNew", [view(running)], "starting"],
  ];
  for (const [status, containers, stage] of stages)
    it(`that is ${status} is ${stage}`, () => assert.equal(report(group(status, containers)).stage, stage));

  it("is of its owner, of the revision and with the addresses that it says", () => {
    const more = { IntranetIp: "10.0.0.7", Ipv6Address: "fd00::7", InternetIp: "203.0.113.7", Cpu: 0.5, Memory: 1 };
    const found = report(group("Running", [view(running, { Ready: true })], { ...more, InstanceType: "" }));
    assert.deepEqual(found.owner, owner);
    assert.equal(found.revision, "r7");
    assert.deepEqual(found.podIPs, ["10.0.0.7", "fd00::7"]);
    assert.equal(found.startTime, "2026-01-01T00:00:00Z");
    assert.deepEqual(found.annotations, {
      "backend.virtual-kubelet.io/resource-id": "eci-1",
      "backend.virtual-kubelet.io/public-ip": "203.0.113.7",
      "backend.virtual-kubelet.io/size": "0.5-1Gi",
    });
  });

  it("of another node or cluster, or of nobody, is not ours; one found by its id is", () => {
    for (const Tags of [tagsOf({ ...owner, node: "other" }, "r"), tagsOf({ ...owner, cluster: "c2" }, "r"), []])
      assert.equal(groupReport(group("Running", [view(running)], { Tags }), options), undefined);
    const known = groupReport(group("Running", [view(running)], { Tags: [] }), { ...options, known: owner });
    assert.deepEqual(known?.owner, owner);
  });

  it("of the Go provider is taken over where that is wanted", () => {
    const Tags = Object.entries({
      ...{ ClusterName: "default", NodeName: "vk", NameSpace: "shop", PodName: "web", UID: "uid-web" },
    }).map(([Key, Value]) => ({ Key, Value }));
    const found = report(group("Running", [view(running)], { Tags }));
    assert.deepEqual([found.owner, found.clusterUnknown, found.revision], [owner, true, undefined]);
    assert.equal(groupReport(group("Running", [], { Tags }), { ...options, adoptGoGroups: false }), undefined);
  });

  it("has a pod's whole name, however long", () => {
    const name = "n".repeat(253);
    assert.equal(report(group("Running", [], { Tags: tagsOf({ ...owner, name }, "r") })).owner.name, name);
    for (const { Key, Value } of tagsOf({ ...owner, name }, "r"))
      assert.ok(Key.length <= 128 && Value.length <= 128, Key);
  });
});

describe("the end of a group", () => {
  it("by the spot market is an eviction, with the cloud's words", () => {
    const Events = [warning("SpotToBeReleased", "Spot ECI will be release in 3 minutes")];
    const { failure } = report(group("Expired", [view(ended(137))], { Events }));
    assert.deepEqual(failure, {
      ...{ reason: "SpotEviction", message: "Spot ECI will be release in 3 minutes", disruption: "SpotEviction" },
    });
  });

  it("before it began has the cloud's reason", () => {
    const Events = [warning("NoStock", "Create ECI failed because the specified instance is out of stock")];
    const { failure } = report(group("ScheduleFailed", [], { Events }));
    assert.deepEqual(failure, {
      ...{ reason: "NoStock", message: "Create ECI failed because the specified instance is out of stock" },
    });
    assert.equal(report(group("ScheduleFailed", [])).failure?.reason, "ScheduleFailed");
  });

  it("by its deadline is told as the kubelet tells it", () => {
    const Events = [warning("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")];
    assert.equal(report(group("Failed", [view(ended(137))], { Events })).failure?.reason, "DeadlineExceeded");
  });

  it("by its containers is theirs alone", () => {
    assert.equal(report(group("Failed", [view(ended(3))])).failure, undefined);
    assert.equal(report(group("Succeeded", [view(ended(0))])).failure, undefined);
  });

  it("is not told while something of it runs", () => {
    assert.equal(report(group("Expired", [view(running)])).failure, undefined);
  });
});

describe("a container", () => {
  const first = (answer: ContainerGroup): NonNullable<ReturnType<typeof groupReport>>["containers"][number] => {
    const [container] = report(answer).containers;
    assert.ok(container !== undefined);
    return container;
  };

  it("that runs is as ready as the cloud says, and has run before", () => {
    const more = { Ready: false, RestartCount: 2, PreviousState: ended(3, { Reason: "Error" }) };
    const { state, ready, restartCount, lastState, containerID } = first(group("Running", [view(running, more)]));
    assert.deepEqual(state, { running: { startedAt: "2026-01-01T00:00:10Z" } });
    assert.deepEqual([ready, restartCount, containerID], [false, 2, "eci://eci-1/web/2"]);
    assert.deepEqual(lastState?.terminated?.exitCode, 3);
    assert.deepEqual(lastState?.terminated?.finishedAt, "2026-01-01T00:01:00Z");
  });

  const ends: readonly (readonly [string, ContainerState, readonly GroupEvent[], object])[] = [
    ["well", ended(0), [], { exitCode: 0, reason: "Completed" }],
    ["badly", ended(3, { Reason: "Error", Message: "no" }), [], { exitCode: 3, reason: "Error", message: "no" }],
    ["by a signal", ended(143, { Signal: 15 }), [], { exitCode: 143, signal: 15, reason: "Error" }],
    ["out of memory", ended(137, { Reason: "OOMKilled" }), [], { exitCode: 137, reason: "OOMKilled" }],
    [
      "out of memory, by an event",
      ended(137),
      [warning("OOMKilled", "Out of memory")],
      { exitCode: 137, reason: "OOMKilled" },
    ],
    ["somehow", { State: "Terminated" }, [], { exitCode: 137, reason: "ContainerStatusUnknown" }],
    ["as groups of old say it", { State: "Succeeded" }, [], { exitCode: 0, reason: "Completed" }],
  ];
  for (const [how, state, Events, wanted] of ends)
    it(`that ended ${how}`, () => {
      const { terminated } = first(group("Failed", [view(state)], { Events })).state;
      assert.ok(terminated !== undefined);
      const { startedAt: _start, finishedAt: _end, containerID: _id, ...others } = terminated;
      assert.deepEqual(others, wanted);
    });

  const waits: readonly (readonly [string, ContainerState, readonly GroupEvent[], string])[] = [
    ["for nothing that is known", { State: "Waiting" }, [], "ContainerCreating"],
    [
      "as the cloud says",
      { State: "Waiting", Reason: "CrashLoopBackOff", Message: "back-off" },
      [],
      "CrashLoopBackOff",
    ],
    [
      "for its image",
      { State: "Waiting" },
      [warning("Failed", 'Failed to pull image "registry.test/web:1"')],
      "ErrImagePull",
    ],
    [
      "for its image again",
      { State: "Waiting" },
      [warning("BackOff", 'Back-off pulling image "registry.test/web:1"')],
      "ImagePullBackOff",
    ],
    [
      "to start anew",
      { State: "Waiting" },
      [warning("BackOff", "Back-off restarting failed container web")],
      "CrashLoopBackOff",
    ],
    [
      "for what another lacks",
      { State: "Waiting" },
      [warning("Failed", "Failed to pull image other")],
      "ContainerCreating",
    ],
  ];
  for (const [why, state, Events, reason] of waits)
    it(`that waits ${why}`, () => {
      assert.equal(first(group("Pending", [view(state)], { Events })).state.waiting?.reason, reason);
    });

  it("waits for init containers; those of ours are not told", () => {
    const InitContainers = [view(ended(0), { Name: "helper" }), view(running, { Name: "init" })];
    const { containers, events } = report(
      group("Pending", [view({ State: "Waiting" })], {
        InitContainers,
        Events: [warning("Started", "Started container helper")],
      }),
    );
    assert.deepEqual(
      containers.map(({ name, state, ready }) => [name, state.waiting?.reason, ready]),
      [
        ["init", undefined, undefined],
        ["web", "PodInitializing", undefined],
      ],
    );
    assert.deepEqual(events, []);
  });
});

it("events are the same in every answer, and another when their count grew", () => {
  const event = { ...warning("BackOff", "Back-off"), Count: 2 };
  const [one, other] = [event, { ...event, Count: 3 }].map(
    (each) => report(group("Running", [], { Events: [each] })).events,
  );
  assert.equal(one?.[0]?.reason, "BackOff");
  assert.equal(one?.[0]?.time, Date.parse("2026-01-01T00:00:30Z"));
  assert.notEqual(one?.[0]?.key, other?.[0]?.key);
});
