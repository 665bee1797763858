import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container } from "@aws-sdk/client-ecs";
import { stopReasonText } from "./stop-reason.ts";
import { taskOwner } from "./task-owner.ts";
import { isGone } from "./task-report.ts";
import { at, identity, reportOf, taskArn, taskOf } from "./testing/task-shapes.ts";

const main = { web: "main Always -" };

describe("a task", () => {
  it("that runs", () => {
    const attachments = [
      {
        type: "ElasticNetworkInterface",
        details: [
          { name: "subnetId", value: "subnet-1" },
          { name: "privateIPv4Address", value: "10.0.0.7" },
        ],
      },
    ];
    const web = {
      name: "web",
      image: "r.test/web:1",
      imageDigest: "sha256:ab",
      runtimeId: "x-1",
      lastStatus: "RUNNING",
    };
    const task = taskOf(
      { lastStatus: "RUNNING", startedAt: at(12), attachments },
      [web, { name: "vk_files", lastStatus: "STOPPED", exitCode: 0 }],
      main,
    );
    const { group, isOver } = reportOf(task);
    assert.deepEqual(group.owner, { cluster: "c1", node: "fargate", namespace: "team", name: "web", uid: "u1" });
    assert.equal(group.revision, "r7");
    assert.equal(group.stage, "running");
    assert.deepEqual(group.podIPs, ["10.0.0.7"]);
    assert.equal(group.startTime, "2026-01-01T00:00:00Z");
    assert.deepEqual(group.containers, [
      {
        name: "web",
        state: { running: { startedAt: "2026-01-01T00:00:12Z" } },
        restartCount: 0,
        image: "r.test/web:1",
        imageID: "r.test/web@sha256:ab",
        containerID: "fargate://x-1",
      },
    ]);
    assert.equal(isOver, false);
    assert.deepEqual(
      group.events?.map(({ reason }) => reason),
      ["Pulling", "Pulled", "Started"],
    );
  });

  for (const [lastStatus, desiredStatus, stage] of [
    ["PROVISIONING", "RUNNING", "starting"],
    ["PENDING", "RUNNING", "starting"],
    ["ACTIVATING", "RUNNING", "starting"],
    ["RUNNING", "STOPPED", "ending"],
    ["DEACTIVATING", "STOPPED", "ending"],
    ["STOPPING", "STOPPED", "ending"],
    ["DEPROVISIONING", "STOPPED", "ending"],
    ["STOPPED", "STOPPED", "ended"],
  ] as const)
    it(`${lastStatus}, to be ${desiredStatus}, is ${stage}`, () => {
      assert.equal(reportOf(taskOf({ lastStatus, desiredStatus }, [])).group.stage, stage);
    });
});

describe("containers", () => {
  it("wait for init containers, then for their own creation", () => {
    const kinds = { ...main, first: "init Always -" };
    const web = { name: "web", lastStatus: "PENDING" };
    const waiting = (first: Container) =>
      reportOf(taskOf({ lastStatus: "PENDING" }, [{ name: "first", ...first }, web], kinds)).group.containers[1]?.state
        .waiting?.reason;
    assert.equal(waiting({ lastStatus: "RUNNING" }), "PodInitializing");
    assert.equal(waiting({ lastStatus: "STOPPED", exitCode: 0 }), "ContainerCreating");
  });

  it("are ready and started by their health check, where it is for that", () => {
    const running = (healthStatus: Container["healthStatus"], check: string) =>
      reportOf(
        taskOf({ lastStatus: "RUNNING" }, [{ name: "web", lastStatus: "RUNNING", healthStatus }], {
          web: `main Always ${check}`,
        }),
      ).group.containers[0];
    assert.equal(running("UNKNOWN", "readiness")?.ready, false);
    assert.equal(running("HEALTHY", "readiness")?.ready, true);
    assert.equal(running("UNHEALTHY", "readiness")?.ready, false);
    assert.equal(running("UNKNOWN", "startup")?.started, false);
    assert.equal(running("UNHEALTHY", "-")?.ready, undefined);
  });

  it("have the codes and reasons of the cloud, and its times", () => {
    const task = taskOf(
      { lastStatus: "STOPPED", startedAt: at(12), executionStoppedAt: at(30), stopCode: "EssentialContainerExited" },
      [
        {
          name: "web",
          lastStatus: "STOPPED",
          exitCode: 137,
          reason: "OutOfMemoryError: Container killed due to memory usage",
        },
      ],
      { web: "main Never -" },
    );
    const [web] = reportOf(task).group.containers;
    assert.deepEqual(web?.state.terminated, {
      exitCode: 137,
      reason: "OOMKilled",
      message: "OutOfMemoryError: Container killed due to memory usage",
      startedAt: "2026-01-01T00:00:12Z",
      finishedAt: "2026-01-01T00:00:30Z",
    });
  });
});

describe("an ended pod", () => {
  it("whose task goes on is to be stopped", () => {
    const kinds = { one: "main Never -", two: "main Never -" };
    const with2 = (two: Container) =>
      reportOf(
        taskOf(
          { lastStatus: "RUNNING" },
          [
            { name: "one", lastStatus: "STOPPED", exitCode: 0 },
            { name: "two", ...two },
          ],
          kinds,
        ),
      ).isOver;
    assert.equal(with2({ lastStatus: "RUNNING" }), false);
    assert.equal(with2({ lastStatus: "STOPPED", exitCode: 1 }), true);
  });

  it("that was deleted is gone when its task has stopped", () => {
    const stoppedReason = stopReasonText({ type: "deleted" });
    assert.equal(isGone(taskOf({ lastStatus: "STOPPED", stoppedReason }, [])), true);
    assert.equal(isGone(taskOf({ lastStatus: "DEPROVISIONING", stoppedReason }, [])), false);
    assert.equal(isGone(taskOf({ lastStatus: "STOPPED" }, [])), false);
  });
});

describe("whose a task is", () => {
  const go = {
    taskArn,
    startedBy: "u9",
    taskDefinitionArn: "arn:aws:ecs:eu-west-1:1:task-definition/vk-podspec_pods_team_web-0:3",
  };

  it("of the Go provider is told by its family", () => {
    assert.deepEqual(taskOwner(go, identity), {
      owner: { cluster: "c1", node: "fargate", namespace: "team", name: "web-0", uid: "u9" },
      clusterUnknown: true,
    });
    assert.equal(taskOwner(go, { ...identity, adoptGoTasks: false }), undefined);
    assert.equal(
      taskOwner({ ...go, taskDefinitionArn: "arn:aws:ecs:eu-west-1:1:task-definition/other:3" }, identity),
      undefined,
    );
  });

  it("of another node or cluster is not ours", () => {
    const task = taskOf({}, []);
    assert.equal(taskOwner(task, { ...identity, node: "other" }), undefined);
    assert.equal(taskOwner(task, { ...identity, cluster: "c2" }), undefined);
  });
});
