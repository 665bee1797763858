// Containers that ended before ECS starts them again, beside others that go on.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Task } from "@aws-sdk/client-ecs";
import { parseFargateConfig } from "./config.ts";
import { doneIn } from "./container-ends.ts";
import { doneSoFar, earlyEnds, stopDueAt } from "./early-ends.ts";
import { reducedDefinition } from "./reduced-definition.ts";
import { stopReasonText } from "./stop-reason.ts";
import { tagsOf } from "./task-owner.ts";
import { isRunAgain, retryDueAt, retryInput } from "./task-retry.ts";
import { at, reportOf, taskOf } from "./testing/task-shapes.ts";
import { waitingGroup } from "./waiting-group.ts";

const config = parseFargateConfig({ region: "eu-west-1", network: { subnets: ["subnet-1"] } }, {});

/** By name: kind, policy and how it is: "runs", its code, or why it has none. */
type Shape = Readonly<Record<string, readonly [kind: string, policy: string, is: string | number]>>;

function taskWith(shape: Shape, more: Partial<Task> = {}): Task {
  const containers = Object.entries(shape).map(
    ([name, [, , is]]): Container => ({
      name,
      lastStatus: is === "runs" ? "RUNNING" : "STOPPED",
      ...(typeof is === "number" ? { exitCode: is } : is === "runs" ? {} : { reason: is }),
    }),
  );
  const kinds = Object.fromEntries(
    Object.entries(shape).map(([name, [kind, policy]]) => [name, `${kind} ${policy} -`]),
  );
  const running = { lastStatus: "RUNNING", desiredStatus: "RUNNING", startedAt: at(20) };
  return taskOf({ ...running, ...more }, containers, kinds);
}

const keeper = { vk_keeper: ["main", "", "runs"] } as const;
const pull = "CannotPullContainerError: none";

describe("a container that is to run again, and that ECS starts no more", () => {
  const cases: readonly (readonly [shape: Shape, early: readonly string[], done: readonly string[], why: string])[] = [
    [{ a: ["main", "OnFailure", "runs"], b: ["main", "OnFailure", 1] }, ["b"], [], "one failed"],
    [{ a: ["main", "OnFailure", "runs"], b: ["main", "OnFailure", 0] }, [], ["b"], "one is done"],
    [{ a: ["main", "OnFailure", "runs"], b: ["main", "Always", 0] }, ["b"], [], "policies of their own"],
    [{ a: ["main", "OnFailure", "runs"], b: ["main", "Never", 1] }, [], ["b"], "that never runs again"],
    [{ a: ["main", "OnFailure", 0], b: ["main", "OnFailure", 1], ...keeper }, ["b"], ["a"], "none runs"],
    [{ a: ["main", "OnFailure", 0], b: ["main", "OnFailure", 0], ...keeper }, [], ["a", "b"], "all are done"],
    [{ a: ["main", "OnFailure", "runs"], b: ["main", "OnFailure", pull] }, ["b"], [], "its image is not there"],
    [{ s: ["sidecar", "Always", 0], a: ["main", "Always", "runs"] }, ["s"], [], "a sidecar"],
    [{ s: ["sidecar", "Always", 3], a: ["main", "Never", 0] }, [], ["a"], "a sidecar of a pod that is over"],
    [{ i: ["init", "Always", 0], a: ["main", "Always", "runs"] }, [], [], "an init container is through"],
    [{ a: ["main", "", "runs"], b: ["main", "", 1] }, [], [], "of the Go provider"],
  ];
  for (const [shape, early, done, why] of cases)
    it(`is found: ${why}`, () => {
      assert.deepEqual(earlyEnds(taskWith(shape)), early);
      assert.deepEqual(doneSoFar(taskWith(shape)), done);
      assert.deepEqual(earlyEnds(taskWith(shape, { desiredStatus: "STOPPED" })), [], "not once it is stopped");
    });

  const due = (shape: Shape, seenAtSecond: number, more: Partial<Task> = {}): number | undefined => {
    const since = at(seenAtSecond).getTime();
    const task = taskWith(shape, more);
    const dueAt = stopDueAt(task, earlyEnds(task), since);
    return dueAt === undefined ? undefined : (dueAt - since) / 1000;
  };

  it("has the others stopped after its back-off, and who works for its end after as long as that has worked", () => {
    const two = (policy: string): Shape => ({ a: ["main", policy, "runs"], b: ["main", "OnFailure", 1] });
    assert.equal(due(two("Always"), 3620), 10, "a server has no end to wait for");
    assert.equal(due(two("OnFailure"), 25), 10);
    assert.equal(due(two("OnFailure"), 65), 45);
    assert.equal(due(two("OnFailure"), 3620), 3600);
    assert.equal(due(two("Never"), 25), undefined, "it must not run twice");
    assert.equal(due({ b: ["main", "OnFailure", 1], c: ["main", "OnFailure", 0] }, 65), 10, "nothing works");
    const tried = (failures: number, policy = "OnFailure"): number | undefined => {
      const tag = { key: "virtual-kubelet.io/attempt", value: `${failures}/${failures}` };
      return due(two(policy), 25, { tags: [...(taskWith(two(policy)).tags ?? []), tag] });
    };
    assert.deepEqual([tried(3), tried(10), tried(100)], [80, 10_240, 86_400], "what works comes to its end at last");
    assert.equal(tried(10, "Always"), 300);
    const sidecar = (policy: string): Shape => ({ a: ["main", policy, "runs"], s: ["sidecar", "Always", 1] });
    assert.equal(due(sidecar("OnFailure"), 25), undefined, "no work is lost for a sidecar");
    assert.equal(due(sidecar("Always"), 25), 10);
  });
});

describe("a task that was stopped for a container that is to run again", () => {
  const shape: Shape = {
    a: ["main", "OnFailure", 0],
    b: ["main", "OnFailure", 1],
    c: ["main", "OnFailure", 0],
  };
  const stopped = (stoppedReason: string): Task => {
    const ended = {
      lastStatus: "STOPPED",
      desiredStatus: "STOPPED",
      stopCode: "UserInitiated",
      stoppedAt: at(60),
    } as const;
    return taskWith(shape, { ...ended, stoppedReason, executionStoppedAt: at(58) });
  };

  it("is run again without those that had ended well by themselves", () => {
    const told = stopped(stopReasonText({ type: "again", done: ["a"], failures: 2 }));
    assert.equal(isRunAgain(told), true);
    assert.deepEqual([...doneIn(told)], ["a"], "c was told to end");
    assert.equal(retryDueAt(told), at(60).getTime(), "it has waited");
    const tags = tagsOf({ tags: retryInput({ ...told, stoppedAt: at(6000) }, "u1", config).tags });
    assert.equal(tags["virtual-kubelet.io/attempt"], "1/3", "however long the others worked meanwhile");
    const ended = stopped(stopReasonText({ type: "ended" }));
    assert.deepEqual([...doneIn(ended)], ["a", "c"], "nobody was told to end");
    assert.equal(retryDueAt(ended), at(70).getTime());
    const gone = { ...ended, stopCode: "TaskFailedToStart", stoppedReason: "Task failed to start" } as const;
    assert.equal(isRunAgain(gone), false, "0 may be how it heeded its end");
  });

  it("has those in its report as they were, meanwhile and afterwards, however often it is run again", () => {
    const overrides = {
      containerOverrides: ["a", "b"].map((name) => ({ name, environment: [{ name: "N", value: name }] })),
    };
    const task = { ...stopped(stopReasonText({ type: "ended" })), overrides };
    const states = ({ containers }: { readonly containers: readonly { name: string; state: object }[] }) =>
      Object.fromEntries(containers.map(({ name, state }) => [name, state]));
    const meanwhile = states(waitingGroup(task, reportOf(task).group));
    assert.deepEqual(Object.keys(meanwhile["b"] ?? {}), ["waiting"]);
    const input = retryInput(task, "u1", config);
    assert.deepEqual(
      input.overrides?.containerOverrides?.map(({ name }) => name),
      ["b"],
    );
    let tags = input.tags ?? [];
    for (const exitCode of [1, 2]) {
      const next: Task = {
        ...taskWith({ b: ["main", "OnFailure", exitCode], ...keeper }),
        ...{ tags, taskArn: `${task.taskArn}${exitCode}`, stoppedAt: at(90) },
      };
      const { group } = reportOf(next);
      assert.deepEqual(states(group)["a"], meanwhile["a"]);
      assert.deepEqual(states(group)["c"], meanwhile["c"]);
      const over = {
        ...next,
        desiredStatus: "STOPPED",
        lastStatus: "STOPPED",
        stoppedReason: stopReasonText({ type: "ended" }),
      };
      tags = retryInput(over, "u1", config).tags ?? [];
    }
    assert.equal(tagsOf({ tags })["virtual-kubelet.io/container/b"], "main OnFailure - 3 - 2 b0123456789abcdef2/-/-");
  });
});

it("a definition without some containers has all else, and what one of them set for all", () => {
  const systemControls = [{ namespace: "net.core.somaxconn", value: "9" }];
  const keep = { name: "b", image: "b", dependsOn: [{ containerName: "i", condition: "SUCCESS" as const }] };
  const found = reducedDefinition(
    {
      ...{ family: "f", revision: 3, status: "ACTIVE", registeredAt: at(0), cpu: "256", memory: "512" },
      containerDefinitions: [{ name: "a", image: "a", systemControls }, keep, { name: "c", image: "c" }],
    },
    new Set(["a", "c"]),
  );
  assert.deepEqual(JSON.parse(JSON.stringify(found)), {
    ...{ cpu: "256", memory: "512", containerDefinitions: [{ ...keep, systemControls }] },
  });
});
