// A task as DescribeTasks shows it.

import { createHash } from "node:crypto";
import type { Attachment, Container, Task } from "@aws-sdk/client-ecs";
import type { FakeAccount } from "./fake-ecs-account.ts";
import type { FakeEcsContainer } from "./fake-ecs-container.ts";
import type { FakeEcsTask } from "./fake-ecs-task.ts";

export function taskView(task: FakeEcsTask, account: FakeAccount, withTags: boolean): Task {
  const health = [...task.containers.values()].filter(({ essential }) => essential).map(({ health: each }) => each);
  const overall = ["UNHEALTHY", "UNKNOWN", "HEALTHY"] as const;
  return {
    ...task.fixed,
    ...{ lastStatus: task.status, desiredStatus: task.desiredStatus, version: task.version, ...task.times },
    ...(task.stop === undefined ? {} : { stopCode: task.stop.code, stoppedReason: task.stop.reason }),
    attachments: [attachment(task)],
    containers: [...task.containers.values()].map((each) => containerView(task, each, account)),
    healthStatus: overall.find((each) => health.includes(each)) ?? "UNKNOWN",
    overrides: task.overrides,
    ephemeralStorage: task.definition.ephemeralStorage ?? { sizeInGiB: 20 },
    attributes: [{ name: "ecs.cpu-architecture", value: "x86_64" }],
    tags: withTags ? account.tagsOf(task.arn) : [],
  };
}

function attachment(task: FakeEcsTask): Attachment {
  const ip = task.group?.ip;
  const gone = ["DEPROVISIONING", "STOPPED"].includes(task.status);
  const status = ip === undefined ? "PRECREATED" : gone ? "DELETED" : "ATTACHED";
  const address = ip === undefined ? [] : [{ name: "privateIPv4Address", value: ip }];
  return {
    ...{ id: task.attachment, type: "ElasticNetworkInterface", status },
    details: [
      { name: "subnetId", value: "subnet-1" },
      { name: "networkInterfaceId", value: `eni-${task.id.slice(0, 17)}` },
      ...address,
    ],
  };
}

function containerView(task: FakeEcsTask, container: FakeEcsContainer, account: FakeAccount): Container {
  const ip = task.group?.ip;
  const { image = "", memory, memoryReservation, cpu = 0, readonlyRootFilesystem = false } = container.definition;
  const path = task.arn.slice(task.arn.indexOf("task/") + 5);
  const interfaces = [{ attachmentId: task.attachment, ...(ip === undefined ? {} : { privateIpv4Address: ip }) }];
  const digest = { imageDigest: `sha256:${createHash("sha256").update(image).digest("hex")}` };
  const running = container.status === "RUNNING" && !readonlyRootFilesystem;
  const agentStatus = container.status === "PENDING" ? "PENDING" : running ? "RUNNING" : "STOPPED";
  const { runtimeId, ...view } = container.view();
  return {
    ...view,
    ...(runtimeId === undefined ? {} : { runtimeId: `${task.id}-${runtimeId.slice(0, 10)}` }),
    ...{ containerArn: account.arn("ecs", `container/${path}/${container.name}`), taskArn: task.arn, image },
    ...(container.runs > 0 ? digest : {}),
    ...{ networkBindings: [], networkInterfaces: interfaces, cpu: `${cpu}` },
    ...(memory === undefined ? {} : { memory: `${memory}` }),
    ...(memoryReservation === undefined ? {} : { memoryReservation: `${memoryReservation}` }),
    ...(task.fixed.enableExecuteCommand === true
      ? { managedAgents: [{ name: "ExecuteCommandAgent", lastStatus: agentStatus }] }
      : {}),
  };
}
