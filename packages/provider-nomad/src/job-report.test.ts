// What Nomad says of jobs, as facts of pods.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ownerTags } from "@virtual-kubelet/virtual-kubelet/cloud";
import { type JobFacts, jobOwner, jobReport } from "./job-report.ts";
import { failureKey } from "./names.ts";
import { unplaced } from "./placement.ts";
import type { NomadAllocation, NomadEvaluation, NomadTaskEvent, NomadTaskState } from "./wire.ts";

const owner = { cluster: "c1", node: "n1", namespace: "team", name: "web", uid: "u1" };
const second = 1_000_000_000;
const start = Date.parse("2026-01-01T00:00:00Z") * 1_000_000;

const event = (
  Type: string,
  at: number,
  Details: Record<string, string> = {},
  DisplayMessage = "",
): NomadTaskEvent => ({
  ...{ Type, Time: start + at * second, Details, DisplayMessage },
});
const time = (at: number): string =>
  new Date(Date.parse("2026-01-01T00:00:00Z") + at * 1000).toISOString().replace(".000", "");
const exited = (at: number, code: number, more: Record<string, string> = {}): NomadTaskEvent =>
  event("Terminated", at, { exit_code: String(code), ...more });
const task = (state: Partial<NomadTaskState>): NomadTaskState => ({
  ...{ State: "running", Failed: false, Restarts: 0, StartedAt: time(1) },
  ...state,
});

interface Given {
  readonly tasks: Readonly<Record<string, NomadTaskState>>;
  readonly allocation?: Partial<NomadAllocation>;
  readonly init?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly stopped?: boolean;
  readonly isReplaced?: boolean;
}

function facts({ tasks, allocation, init = [], meta = {}, stopped = false, isReplaced = false }: Given): JobFacts {
  const Tasks = Object.keys(tasks).map((Name) => ({
    Name,
    ...(init.includes(Name) ? { Lifecycle: { Hook: "prestart", Sidecar: false } } : {}),
  }));
  return {
    job: {
      ...{ ID: "vk-u1", Name: "team/web", Type: "batch", Status: "running", Stop: stopped, ModifyIndex: 5 },
      Meta: { ...ownerTags(owner, "r1"), ...meta },
      TaskGroups: [{ Name: "pod", Tasks }],
    },
    allocation: {
      ...{ ID: "a1", JobID: "vk-u1", NodeID: "x", NodeName: "client-1", TaskGroup: "pod" },
      ...{ DesiredStatus: "run", ClientStatus: "running", CreateIndex: 1, ModifyIndex: 2, CreateTime: start },
      ...{ TaskStates: tasks, ...allocation },
    },
    attempts: { isReplaced },
    ...{ unplaced: undefined, owner, network: { mode: "bridge", podIP: "allocation" } },
  };
}

const state = (given: Given, name = "main") =>
  jobReport(facts(given)).group.containers.find((container) => container.name === name);

describe("containers", () => {
  it("run since their start, with the end of the run before", () => {
    const found = state({
      tasks: {
        main: task({
          Restarts: 1,
          StartedAt: time(20),
          Events: [
            event("Started", 1),
            exited(5, 3),
            event("Restarting", 5, {}, "Task restarting in 15s"),
            event("Started", 20),
          ],
        }),
      },
    });
    assert.deepEqual(found, {
      ...{ name: "main", restartCount: 1, containerID: "nomad://a1/main/1" },
      state: { running: { startedAt: time(20) } },
      lastState: {
        terminated: {
          ...{ exitCode: 3, reason: "Error", startedAt: time(1), finishedAt: time(5) },
          containerID: "nomad://a1/main/0",
        },
      },
    });
  });

  it("back off between two runs, and were not started again yet", () => {
    const found = state({
      tasks: {
        main: task({
          ...{ State: "pending", Restarts: 1 },
          Events: [event("Started", 1), exited(5, 3), event("Restarting", 5, {}, "Task restarting in 15s")],
        }),
      },
    });
    assert.deepEqual(found?.state.waiting, { reason: "CrashLoopBackOff", message: "Task restarting in 15s" });
    assert.equal(found.restartCount, 0);
    assert.equal(found.lastState?.terminated?.exitCode, 3);
  });

  it("have ended where their restart is put off for good, and the others go on", () => {
    const given: Given = {
      meta: { "virtual-kubelet.io/ends-once": "main,other" },
      tasks: {
        main: task({
          State: "pending",
          Restarts: 1,
          Events: [event("Started", 1), exited(5, 3), event("Restarting", 5)],
        }),
        other: task({ Events: [event("Started", 1)] }),
      },
    };
    const { group, isOver } = jobReport(facts(given));
    assert.equal(group.containers[0]?.state.terminated?.exitCode, 3);
    assert.equal(group.containers[0].restartCount, 0);
    assert.ok(group.containers[1]?.state.running !== undefined);
    assert.equal(isOver, false);
    const ended = { ...given.tasks, other: task({ State: "dead", Events: [event("Started", 1), exited(6, 0)] }) };
    assert.equal(jobReport(facts({ ...given, tasks: ended })).isOver, true);
  });

  it("end by signals, for want of memory, and with a sibling", () => {
    const end = (last: readonly NomadTaskEvent[]) =>
      state({ tasks: { main: task({ State: "dead", Events: [event("Started", 1), ...last] }) } })?.state.terminated;
    assert.equal(end([exited(5, 0, { signal: "15" })])?.exitCode, 143);
    assert.equal(end([exited(5, 137, { oom_killed: "true" })])?.reason, "OOMKilled");
    assert.equal(end([exited(5, 0)])?.reason, "Completed");
    const sibling = event("Sibling Task Failed", 4, {}, 'Task\'s sibling "other" failed');
    assert.equal(end([sibling, exited(5, 137)])?.message, 'Task\'s sibling "other" failed');
  });

  it("wait for init containers, for images, and for a driver", () => {
    const main = task({ State: "pending", StartedAt: null });
    const init = task({ Events: [event("Started", 1)] });
    assert.equal(state({ init: ["init"], tasks: { init, main } })?.state.waiting?.reason, "PodInitializing");
    const why = (...events: NomadTaskEvent[]) => state({ tasks: { main: { ...main, Events: events } } })?.state.waiting;
    assert.equal(why()?.reason, "ContainerCreating");
    assert.equal(why(event("Driver Failure", 2, {}, "Failed to pull image"))?.reason, "ErrImagePull");
    assert.equal(
      why(event("Driver Failure", 2, {}, "Failed to pull image"), event("Restarting", 2))?.reason,
      "ImagePullBackOff",
    );
    assert.deepEqual(why(event("Driver Failure", 2, {}, "no such file")), {
      ...{ reason: "CreateContainerError", message: "no such file" },
    });
  });
});

describe("jobs", () => {
  const dead = { main: task({ State: "dead", Events: [event("Started", 1), exited(5, 0)] }) };

  it("are of this node and cluster by their meta alone", () => {
    assert.deepEqual(jobOwner(ownerTags(owner, "r1"), owner), owner);
    assert.equal(jobOwner(ownerTags({ ...owner, node: "n2" }, "r1"), owner), undefined);
    assert.equal(jobOwner(undefined, owner), undefined);
  });

  it("without a place say why, in Nomad's reasons", () => {
    const evaluation: NomadEvaluation = {
      ...{ ID: "e1", JobID: "vk-u1", TriggeredBy: "job-register", Status: "complete", CreateIndex: 3, ModifyIndex: 3 },
      FailedTGAllocs: {
        pod: { NodesEvaluated: 3, ConstraintFiltered: { "missing drivers": 2 }, DimensionExhausted: { memory: 1 } },
      },
    };
    const given = facts({ tasks: dead });
    const { group } = jobReport({ ...given, allocation: undefined, unplaced: unplaced([evaluation]) });
    assert.equal(group.stage, "starting");
    assert.deepEqual(group.containers[0]?.state.waiting, {
      reason: "Unschedulable",
      message:
        "Nomad has no place for it: 3 nodes of Nomad were looked at; constraint missing drivers on 2; exhausted: memory on 1",
    });
    assert.equal(group.events?.[0]?.reason, "FailedPlacement");
  });

  it("complete are ended without a failure", () => {
    const { group, isOver } = jobReport(facts({ tasks: dead, allocation: { ClientStatus: "complete" } }));
    assert.deepEqual([group.stage, group.failure, isOver], ["ended", undefined, false]);
  });

  it("lost, evicted or moved have failed by a disruption, and are stopped", () => {
    const lost = jobReport(facts({ tasks: dead, allocation: { ClientStatus: "lost" } }));
    assert.deepEqual(
      [lost.group.failure?.reason, lost.group.failure?.disruption, lost.isOver],
      ["NodeLost", "DeletionByNomad", true],
    );
    const evicted = jobReport(facts({ tasks: dead, allocation: { ClientStatus: "complete", DesiredStatus: "evict" } }));
    assert.equal(evicted.group.failure?.disruption, "PreemptionByNomad");
    const moved = jobReport(
      facts({ tasks: dead, isReplaced: true, allocation: { ClientStatus: "complete", DesiredStatus: "stop" } }),
    );
    assert.deepEqual([moved.group.failure?.reason, moved.isOver], ["Stopped", true]);
    const main = task({});
    const draining = jobReport(facts({ tasks: { main }, allocation: { DesiredStatus: "stop" } }));
    assert.deepEqual([draining.group.stage, draining.isOver], ["ending", true], "before Nomad makes another");
  });

  it("stopped by this program keep its words, after a restart of it, too", () => {
    const failure = { reason: "DeadlineExceeded", message: "too long" };
    const { group } = jobReport(
      facts({
        tasks: dead,
        stopped: true,
        meta: { [failureKey]: JSON.stringify(failure) },
        allocation: { ClientStatus: "complete" },
      }),
    );
    assert.deepEqual(group.failure, failure);
  });

  it("stopped by somebody else have failed, those that were over have not", () => {
    const allocation = { ClientStatus: "complete", DesiredStatus: "stop" } as const;
    const given = { tasks: dead, stopped: true, allocation };
    assert.equal(jobReport(facts(given)).group.failure?.reason, "Stopped");
    const over = { ...given, meta: { "virtual-kubelet.io/over": "true" } };
    assert.equal(jobReport(facts(over)).group.failure, undefined);
  });

  it("that never started wait for another try with the driver's words, and have failed when there is none", () => {
    const main = task({
      State: "dead",
      Failed: true,
      StartedAt: null,
      Events: [event("Driver Failure", 2, {}, "no such file")],
    });
    const given = { tasks: { main }, allocation: { ClientStatus: "failed" as const } };
    const { group } = jobReport(facts(given));
    assert.deepEqual([group.failure, group.stage], [undefined, "starting"]);
    assert.deepEqual(group.containers[0]?.state, {
      waiting: { reason: "CreateContainerError", message: "no such file" },
    });
    const failure = { reason: "FailedToStart", message: "no such file" };
    const over = { ...given, stopped: true, meta: { "virtual-kubelet.io/over": "true" } };
    assert.deepEqual(jobReport(facts(over)).group.failure, failure);
    const sibling = task({ State: "dead", Events: [event("Started", 1), exited(3, 0)] });
    const beside = jobReport(facts({ ...given, tasks: { main, sibling } })).group;
    assert.deepEqual([beside.failure, beside.stage], [failure, "ended"]);
  });

  it("have the address of their network, else of the client", () => {
    const Networks = [{ IP: "10.0.0.5", Mode: "host" }];
    const allocation = { NetworkStatus: { Address: "172.26.64.2" }, AllocatedResources: { Shared: { Networks } } };
    assert.deepEqual(jobReport(facts({ tasks: dead, allocation })).group.podIPs, ["172.26.64.2"]);
    const { group } = jobReport(facts({ tasks: dead, allocation: { ...allocation, NetworkStatus: null } }));
    assert.deepEqual(group.podIPs, ["10.0.0.5"]);
  });
});
