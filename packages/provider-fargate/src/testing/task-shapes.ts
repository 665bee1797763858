// Tasks as ECS describes them, for tests of what is made of them.
import assert from "node:assert/strict";
import type { Container, Task } from "@aws-sdk/client-ecs";
import { type NodeIdentity, taskOwner } from "../task-owner.ts";
import { type TaskReport, taskReport } from "../task-report.ts";

export const identity: NodeIdentity = { cluster: "c1", node: "fargate", adoptGoTasks: true };
export const taskArn: string = "arn:aws:ecs:eu-west-1:123456789012:task/pods/0123456789abcdef";
export const at = (second: number): Date => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

export function taskOf(
  more: Partial<Task>,
  containers: readonly Container[],
  kinds: Readonly<Record<string, string>> = {},
): Task {
  const tags = {
    "virtual-kubelet.io/cluster": "c1",
    "virtual-kubelet.io/node": "fargate",
    "virtual-kubelet.io/namespace": "team",
    "virtual-kubelet.io/name": "web",
    "virtual-kubelet.io/uid": "u1",
    "virtual-kubelet.io/revision": "r7",
    ...Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [`virtual-kubelet.io/container/${name}`, kind])),
  };
  return {
    taskArn,
    ...{ createdAt: at(0), pullStartedAt: at(5), pullStoppedAt: at(10) },
    tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
    containers: [...containers],
    ...more,
  };
}

export function reportOf(task: Task): TaskReport {
  const owner = taskOwner(task, identity);
  assert.ok(owner !== undefined);
  return taskReport(task, owner, (_container, { runs }) => runs ?? { count: 0 });
}
