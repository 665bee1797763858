import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, Task } from "@aws-sdk/client-ecs";
import { stopReasonText } from "./stop-reason.ts";
import { at, reportOf, taskOf } from "./testing/task-shapes.ts";

describe("a pod failed as a whole", () => {
  const stopped = (more: Partial<Task>, web: Container, policy = "Always") =>
    reportOf(
      taskOf({ lastStatus: "STOPPED", stoppedAt: at(40), ...more }, [{ name: "web", lastStatus: "STOPPED", ...web }], {
        web: `main ${policy} -`,
      }),
    ).group;

  it("by an image that cannot be pulled", () => {
    const group = stopped(
      {
        stopCode: "TaskFailedToStart",
        stoppedReason: "CannotPullContainerError: pull image manifest has been retried",
      },
      { reason: "CannotPullContainerError: not found", image: "web" },
    );
    assert.equal(group.failure?.reason, "ErrImagePull");
    assert.equal(group.containers[0]?.state.waiting?.reason, "ErrImagePull");
    assert.ok(
      group.events?.some(
        ({ reason, message, container }) =>
          reason === "Failed" && container === "web" && message.includes('Failed to pull image "web"'),
      ),
    );
  });

  it("is told as soon as nothing of it runs", () => {
    const ending = (lastStatus: string) =>
      reportOf(
        taskOf({ lastStatus: "DEPROVISIONING", desiredStatus: "STOPPED", stopCode: "SpotInterruption" }, [
          { name: "web", lastStatus, exitCode: 143 },
        ]),
      ).group.failure?.reason;
    assert.equal(ending("RUNNING"), undefined);
    assert.equal(ending("STOPPED"), "SpotInterruption");
  });

  it("by spot capacity that was taken back: a disruption", () => {
    const group = stopped(
      { stopCode: "SpotInterruption", stoppedReason: "Your Spot Task was interrupted." },
      { exitCode: 143 },
    );
    assert.deepEqual(group.failure, {
      reason: "SpotInterruption",
      message: "Your Spot Task was interrupted.",
      disruption: "SpotInterruption",
    });
    assert.ok(group.events?.some(({ reason, eventType }) => reason === "SpotInterruption" && eventType === "Warning"));
  });

  it("by somebody who stopped the task", () => {
    assert.equal(
      stopped({ stopCode: "UserInitiated", stoppedReason: "console" }, { exitCode: 0 }).failure?.reason,
      "TaskStopped",
    );
  });

  it("by capacity or resources that are not there", () => {
    assert.equal(
      stopped({ stopCode: "TaskFailedToStart", stoppedReason: "Capacity is unavailable at this time" }, {}).failure
        ?.reason,
      "CapacityUnavailable",
    );
    const error = "ResourceInitializationError: unable to pull secrets or registry auth";
    assert.equal(
      stopped({ stopCode: "TaskFailedToStart", stoppedReason: error }, {}).failure?.reason,
      "ResourceInitializationError",
    );
  });

  it("by a container that its policy would start again, and ECS does not", () => {
    const exited = (policy: string, exitCode: number) =>
      stopped({ stopCode: "EssentialContainerExited" }, { exitCode }, policy).failure?.reason;
    assert.equal(exited("Always", 0), "ContainerNotRestarted");
    assert.equal(exited("OnFailure", 1), "ContainerNotRestarted");
    assert.equal(exited("OnFailure", 0), undefined);
    assert.equal(exited("Never", 1), undefined);
  });

  it("by an init container that ECS tries once", () => {
    const failed = (policy: string) =>
      reportOf(
        taskOf(
          { lastStatus: "STOPPED", stopCode: "TaskFailedToStart" },
          [
            { name: "first", lastStatus: "STOPPED", exitCode: 3 },
            { name: "web", lastStatus: "STOPPED" },
          ],
          {
            first: `init ${policy} -`,
            web: `main ${policy} -`,
          },
        ),
      ).group.failure?.reason;
    assert.equal(failed("OnFailure"), "InitContainerFailed");
    assert.equal(failed("Never"), undefined);
  });

  it("by a stop with a failure, known after a restart, too", () => {
    const failure = {
      reason: "DeadlineExceeded",
      message: "Pod was active on the node longer than the specified deadline",
    };
    const drained = { reason: "Terminated", message: "shut down", disruption: "TerminationByKubelet" };
    for (const each of [failure, drained]) {
      const stoppedReason = stopReasonText({ type: "stopped", failure: each });
      assert.deepEqual(stopped({ stopCode: "UserInitiated", stoppedReason }, { exitCode: 143 }).failure, each);
    }
  });
});
