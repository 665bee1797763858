// Pods that Nomad could not start: which of a job's allocations counts, and when the next is due.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attemptsOf, delayMs, hasFailedToStart } from "./attempts.ts";
import type { NomadAllocation, NomadTaskState } from "./wire.ts";

const ms = 1_000_000;
const pull = { Type: "Driver Failure", Time: 5 * ms, DisplayMessage: "Failed to pull `a:1`: no such host" };
const unpulled: NomadTaskState = { State: "dead", Failed: true, Restarts: 0, StartedAt: null, Events: [pull] };
const waiting: NomadTaskState = { State: "dead", Failed: false, Restarts: 0, StartedAt: null, Events: [] };
const ran: NomadTaskState = {
  State: "dead",
  Failed: false,
  Restarts: 0,
  StartedAt: "2026-01-01T00:00:00Z",
  Events: [],
};
const shape = {
  TaskGroups: [
    {
      Name: "pod",
      Tasks: [{ Name: "init", Lifecycle: { Hook: "prestart", Sidecar: false } }, { Name: "main" }, { Name: "side" }],
    },
  ],
};

function allocation(
  CreateIndex: number,
  ClientStatus: NomadAllocation["ClientStatus"],
  TaskStates: Record<string, NomadTaskState>,
): NomadAllocation {
  return {
    ...{ ID: `a${CreateIndex}`, JobID: "vk-u", NodeID: "n", TaskGroup: "pod", DesiredStatus: "run", ClientStatus },
    ...{ CreateIndex, ModifyIndex: CreateIndex, CreateTime: CreateIndex * 1000 * ms, TaskStates },
    ModifyTime: CreateIndex * 1000 * ms,
  };
}

describe("a start has failed", () => {
  const table: readonly (readonly [
    string,
    boolean,
    NomadAllocation["ClientStatus"],
    Record<string, NomadTaskState>,
  ])[] = [
    ["where no image came", true, "failed", { main: unpulled }],
    ["where its siblings never ran", true, "failed", { main: unpulled, side: waiting }],
    ["after its init containers", true, "failed", { init: ran, main: unpulled }],
    ["not where a sibling ran", false, "failed", { main: unpulled, side: ran }],
    ["not with an init container that failed", false, "failed", { init: { ...ran, Failed: true }, main: waiting }],
    ["not while Nomad tries", false, "pending", { main: unpulled }],
    ["not where a container ended", false, "failed", { main: { ...ran, Failed: true } }],
    ["not where nothing tells why", false, "failed", {}],
  ];
  it("where the client did not take it, of which its tasks tell nothing", () => {
    const ClientDescription = "Unable to add allocation due to error: failed to configure network manager";
    const none = { main: { ...waiting, Events: undefined } };
    assert.ok(hasFailedToStart({ ...allocation(1, "failed", none), ClientDescription }, shape));
    assert.ok(!hasFailedToStart({ ...allocation(1, "failed", { main: ran }), ClientDescription }, shape));
  });

  for (const [what, expected, status, tasks] of table)
    it(what, () => assert.equal(hasFailedToStart(allocation(1, status, tasks), shape), expected));
});

describe("attempts", () => {
  const failed = (index: number) => allocation(index, "failed", { main: unpulled });

  it("are due after the kubelet's back-off", () => {
    assert.deepEqual([0, 1, 2, 5, 5000].map(delayMs), [10_000, 20_000, 40_000, 300_000, 300_000]);
    const { allocation: own, nextAt, count, createdAt, isReplaced } = attemptsOf([failed(3), failed(1)], shape);
    assert.deepEqual([own?.ID, nextAt, count, createdAt, isReplaced], ["a3", 23_000, 2, 1000 * ms, false]);
  });

  it("come to the first that ran, whatever Nomad made after it", () => {
    const runs = allocation(2, "running", { main: { ...ran, State: "running" } });
    const found = attemptsOf([failed(1), runs], shape);
    assert.deepEqual([found.allocation?.ID, found.nextAt, found.isReplaced], ["a2", undefined, false]);
    const lost = attemptsOf([failed(1), runs, allocation(3, "running", {})], shape);
    assert.deepEqual([lost.allocation?.ID, lost.isReplaced], ["a2", true]);
  });

  it("are none before Nomad has a place", () => {
    assert.deepEqual(attemptsOf([], undefined), { allocation: undefined, isReplaced: false, count: 0 });
  });
});
