// What ECS tells of a task, as events: each with a key that is the same in every answer. Pure.
import type { Task } from "@aws-sdk/client-ecs";
import type { CloudEvent } from "@virtual-kubelet/virtual-kubelet/cloud";
import { type ContainerView, isPullFault } from "./container-facts.ts";
import { isOutOfMemory } from "./container-runs.ts";

export function taskEvents(task: Task, views: readonly ContainerView[]): readonly CloudEvent[] {
  const events: CloudEvent[] = [];
  const add = (
    time: Date | undefined,
    eventType: CloudEvent["eventType"],
    reason: string,
    message: string,
    container?: string,
  ): void => {
    if (time === undefined) return;
    const key = [reason, container ?? "", time.toISOString()].join("/");
    events.push({
      ...{ key, time: time.getTime(), eventType, reason, message },
      ...(container === undefined ? {} : { container }),
    });
  };
  const over = task.stoppingAt ?? task.stoppedAt ?? task.executionStoppedAt;
  add(task.pullStartedAt, "Normal", "Pulling", "Pulling images");
  add(task.pullStoppedAt, "Normal", "Pulled", "Images were pulled");
  for (const { container, report } of views) {
    const { name } = report;
    const { reason = "", image = "", healthStatus } = container;
    const isStarted = report.state.running !== undefined || report.state.terminated !== undefined;
    if (isStarted) add(task.startedAt ?? over, "Normal", "Started", `Started container ${name}`, name);
    if (isPullFault(reason))
      add(
        over ?? task.pullStartedAt ?? task.createdAt,
        "Warning",
        "Failed",
        `Failed to pull image "${image}": ${reason}`,
        name,
      );
    else if (isOutOfMemory(reason))
      add(over ?? task.startedAt, "Warning", "OOMKilling", `Container ${name}: ${reason}`, name);
    else if (reason !== "") add(over ?? task.createdAt, "Warning", "Failed", `Container ${name}: ${reason}`, name);
    if (healthStatus === "UNHEALTHY")
      add(task.startedAt, "Warning", "Unhealthy", `Container ${name} fails its health check`, name);
  }
  const { stopCode, stoppedReason = "" } = task;
  if (stopCode === "SpotInterruption" || stopCode === "TerminationNotice" || stopCode === "InfrastructureHealth")
    add(over, "Warning", stopCode, stoppedReason);
  else if (stopCode === "TaskFailedToStart") add(over, "Warning", "FailedToStart", stoppedReason);
  return events;
}
