// Which tasks are run again, when, and what is told of their pods meanwhile.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Task } from "@aws-sdk/client-ecs";
import { parseFargateConfig } from "./config.ts";
import { stopReasonText } from "./stop-reason.ts";
import { tagsOf } from "./task-owner.ts";
import { attemptOf, isRunAgain, retryDueAt, retryInput } from "./task-retry.ts";
import { at, reportOf, taskOf } from "./testing/task-shapes.ts";
import { waitingGroup } from "./waiting-group.ts";

const config = parseFargateConfig({ region: "eu-west-1", network: { subnets: ["subnet-1"] } }, {});

function stopped(
  containers: Readonly<Record<string, Container>>,
  kinds: Readonly<Record<string, string>>,
  more: Partial<Task> = {},
): Task {
  const all = Object.entries(containers).map(([name, each]) => ({ name, lastStatus: "STOPPED", ...each }));
  const ends = { lastStatus: "STOPPED", desiredStatus: "STOPPED", stopCode: "EssentialContainerExited" } as const;
  return taskOf(
    { ...ends, stoppedReason: "Essential container in task exited", stoppedAt: at(40), ...more },
    all,
    kinds,
  );
}

const one = (policy: string, exitCode: number | undefined, more: Partial<Task> = {}) =>
  stopped({ web: exitCode === undefined ? {} : { exitCode } }, { web: `main ${policy} -` }, more);

describe("a task that ended by itself", () => {
  it("is run again by the policy of each container, as a kubelet would start each of them", () => {
    assert.equal(isRunAgain(one("Always", 0)), true);
    assert.equal(isRunAgain(one("Always", 1)), true);
    assert.equal(isRunAgain(one("OnFailure", 1)), true);
    assert.equal(isRunAgain(one("OnFailure", 0)), false);
    assert.equal(isRunAgain(one("Never", 1)), false);
    assert.equal(isRunAgain(one("", 1)), false, "the Go provider's");
  });

  it("is not where one of its containers must not run twice", () => {
    const pull = { reason: "CannotPullContainerError: not found" };
    const two = (policy: string, exitCode: number) =>
      isRunAgain(
        stopped(
          { ran: { exitCode }, none: pull },
          { ran: `main ${policy} -`, none: `main ${policy} -` },
          { stopCode: "TaskFailedToStart" },
        ),
      );
    assert.equal(two("Always", 0), true);
    assert.equal(two("OnFailure", 143), true);
    assert.equal(two("OnFailure", 0), false);
    assert.equal(two("Never", 143), false);
  });

  it("is for an init container that failed, unless the policy is Never, and for files that did not come", () => {
    const init = (policy: string, exitCode: number) =>
      isRunAgain(stopped({ first: { exitCode }, web: {} }, { first: `init ${policy} -`, web: `main ${policy} -` }));
    assert.equal(init("Always", 3), true);
    assert.equal(init("OnFailure", 3), true);
    assert.equal(init("Never", 3), false);
    for (const policy of ["Always", "OnFailure", "Never"])
      assert.equal(isRunAgain(stopped({ vk_files: { exitCode: 1 }, web: {} }, { web: `main ${policy} -` })), true);
  });

  it("is not when somebody stopped it, or the cloud took it back", () => {
    for (const stopCode of ["UserInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"] as const)
      assert.equal(isRunAgain(one("Always", 143, { stopCode })), false);
    const own = (type: "deleted" | "again" | "ended", policy = "Always") =>
      isRunAgain(one(policy, 143, { stopCode: "UserInitiated", stoppedReason: stopReasonText({ type }) }));
    assert.equal(own("deleted"), false);
    assert.equal(own("again"), true, "for a container that is to start anew");
    assert.equal(own("again", "Never"), false);
    assert.equal(own("ended"), true, "all that are to run had ended");
    assert.equal(own("ended", "Never"), false);
  });

  it("waits 10 s, then twice as long each time, and 10 s again after it ran for ten minutes", () => {
    const due = (task: Task): number => retryDueAt(task) / 1000 - at(40).getTime() / 1000;
    assert.equal(due(one("Always", 1, { startedAt: at(30) })), 10);
    const tags = retryInput(one("Always", 1), "u1", config).tags ?? [];
    const next = one("Always", 1, { tags, startedAt: at(30) });
    assert.equal(attemptOf(next), 1);
    assert.equal(due(next), 20);
    const long = { ...next, stoppedAt: at(40 + 600), executionStoppedAt: at(40 + 600) };
    assert.equal(due(long), 600 + 10);
    const after = one("Always", 1, { tags: retryInput(long, "u1", config).tags ?? [] });
    assert.equal(attemptOf(after), 2);
    assert.equal(due(after), 20);
  });
});

describe("between two tasks", () => {
  const group = (task: Task) => waitingGroup(task, reportOf(task).group);

  it("who ran is in CrashLoopBackOff, with how it ended, and one run more behind it afterwards", () => {
    const task = one("Always", 3, { startedAt: at(20) });
    const { stage, containers, events, failure } = group(task);
    assert.deepEqual([stage, failure], ["starting", undefined]);
    const [web] = containers;
    assert.equal(web?.state.waiting?.reason, "CrashLoopBackOff");
    assert.equal(web?.lastState?.terminated?.exitCode, 3);
    assert.equal(web?.restartCount, 0);
    assert.ok(events?.some(({ reason, message }) => reason === "BackOff" && message.includes("restarting failed")));
    const tags = retryInput(task, "u1", config).tags ?? [];
    const next = reportOf({
      ...taskOf({ lastStatus: "RUNNING" }, [{ name: "web", lastStatus: "RUNNING" }]),
      tags,
    }).group;
    // Its owner's tags are the same.
    assert.equal(next.owner.uid, "u1");
    assert.equal(next.containers[0]?.restartCount, 1);
    assert.deepEqual(next.containers[0]?.lastState?.terminated, { exitCode: 3, reason: "Error" });
  });

  it("runs that were counted go on to be", () => {
    const kinds = { web: "main Always - 4 task-1 0", idle: "main Always - 2 task-9 137/OOMKilled" };
    const task = stopped({ web: { exitCode: 1, runtimeId: "task-2" }, idle: {} }, kinds);
    const tags = tagsOf({ tags: retryInput(task, "u1", config).tags });
    assert.equal(tags["virtual-kubelet.io/container/web"], "main Always - 6 - 1 b0123456789abcdef/-/-");
    assert.equal(tags["virtual-kubelet.io/container/idle"], "main Always - 2 - 137/OOMKilled");
  });

  it("where the log of the last run is goes on to be known, over tasks in which a container did not run", () => {
    const next = (task: Task, web: Container): Task =>
      stopped({ web }, {}, { tags: retryInput(task, "u1", config).tags ?? [], taskArn: "arn:cluster/second" });
    const value = (task: Task): string | undefined => tagsOf(task)["virtual-kubelet.io/container/web"];
    const first = stopped({ web: { exitCode: 1, runtimeId: "b" } }, { web: "main Always - 1 b 3 srs b-/-/rt" });
    const second = next(first, { reason: "CannotPullContainerError: none" });
    assert.equal(value(second), "main Always - 2 - 1 b0123456789abcdef/rs/-");
    const third = next(second, { exitCode: 5 });
    assert.equal(value(third), value(second));
    assert.equal(value(next(third, {})), "main Always - 3 - 5 bsecond/-/-");
  });

  it("an init container that failed backs off, those that went well stay so, the others wait for it", () => {
    const kinds = { good: "init Always -", bad: "init Always -", web: "main Always -" };
    const { containers } = group(stopped({ good: { exitCode: 0 }, bad: { exitCode: 1 }, web: {} }, kinds));
    assert.deepEqual(
      containers.map(({ state }) => state.terminated?.exitCode ?? state.waiting?.reason),
      [0, "CrashLoopBackOff", "PodInitializing"],
    );
  });

  it("an image that cannot be pulled is told of its container alone, beside one that ran", () => {
    const kinds = { web: "main Always -", log: "main Always -" };
    const containers = { web: { exitCode: 143 }, log: { reason: "CannotPullContainerError: no log" } };
    const found = group(stopped(containers, kinds, { stopCode: "TaskFailedToStart" })).containers;
    assert.deepEqual(
      found.map(({ state }) => state.waiting?.reason),
      ["CrashLoopBackOff", "ImagePullBackOff"],
    );
  });

  it("files that did not come are told", () => {
    const { containers, events } = group(stopped({ vk_files: { exitCode: 2 }, web: {} }, { web: "main Never -" }));
    assert.match(containers[0]?.state.waiting?.message ?? "", /files could not be brought/);
    assert.ok(events?.some(({ reason }) => reason === "FailedMount"));
  });
});
