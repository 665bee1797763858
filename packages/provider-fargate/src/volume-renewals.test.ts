// New contents of volumes: when they are written, when later, when never.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Task } from "@aws-sdk/client-ecs";
import { volumeMissing } from "@virtual-kubelet/virtual-kubelet/cloud";
import { podRequest } from "./testing/golden-pods.ts";
import { renewVolumes } from "./volume-renewals.ts";

const request = podRequest({
  name: "web",
  spec: {
    securityContext: { fsGroup: 2000 },
    containers: [{ name: "web", image: "web", volumeMounts: [{ name: "keys", mountPath: "/keys" }] }],
    volumes: [
      { name: "idle", configMap: { name: "c" } },
      { name: "keys", secret: { secretName: "s" } },
    ],
  },
});
const volumes = request.resolved?.volumes ?? [];
const taskOf = (keeper: string | undefined, more: Partial<Task> = {}): Task => ({
  ...{ lastStatus: "RUNNING", desiredStatus: "RUNNING" },
  containers: [
    { name: "web", lastStatus: "RUNNING" },
    ...(keeper === undefined ? [] : [{ name: "vk_keeper", lastStatus: keeper }]),
  ],
  ...more,
});

async function renewed(task: Task | undefined, { waits = false, exitCode = 0 } = {}): Promise<readonly string[]> {
  const ran: string[] = [];
  await renewVolumes(task, waits, request, volumes, async (command, input) => {
    assert.doesNotMatch(command.join(" "), /swordfish/);
    assert.ok(input.length > 0);
    ran.push(command.join(" "));
    return exitCode;
  });
  return ran;
}

describe("new contents of volumes", () => {
  it("are written by the keeper with one command, those that a container mounts", async () => {
    const [command, ...more] = await renewed(taskOf("RUNNING"));
    assert.match(command ?? "", /\/vk\/keys/);
    assert.doesNotMatch(command ?? "", /idle/);
    assert.deepEqual(more, []);
  });

  it("are nobody's any more when the task is over, and later its next task's where there is to be one", async () => {
    assert.deepEqual(await renewed(undefined), []);
    const stopped = taskOf("STOPPED", { desiredStatus: "STOPPED" });
    assert.deepEqual(await renewed(stopped), []);
    await assert.rejects(renewed(stopped, { waits: true }), { kind: "Unavailable" });
  });

  it("come later while the keeper has not started, or where the command failed", async () => {
    await assert.rejects(renewed(taskOf("PENDING")), { kind: "Unavailable" });
    await assert.rejects(renewed(taskOf("RUNNING"), { exitCode: 1 }), { kind: "Unavailable", message: /keys/ });
  });

  it("never come where the task has no keeper with the volumes", async () => {
    for (const [task, exitCode] of [
      [taskOf(undefined), 0],
      [taskOf("STOPPED"), 0],
      [taskOf("RUNNING"), volumeMissing],
    ] as const)
      await assert.rejects(renewed(task, { exitCode }), { kind: "Unsupported", message: /keys/ });
  });
});
