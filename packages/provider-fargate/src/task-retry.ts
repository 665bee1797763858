// A task that failed to start for a reason that kubelets try again for: whether it did, when its pod's next task is run, and with what.
// All is read from the stopped task, so that a program that started after it goes on where the one before was. Pure.
import type { RunTaskCommandInput, Task } from "@aws-sdk/client-ecs";
import type { ContainerReport } from "@virtual-kubelet/virtual-kubelet";
import type { CloudEvent, CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { FargateConfig } from "./config.ts";
import { factsOf, isPullFault } from "./container-facts.ts";
import { filesContainer } from "./names.ts";
import { parseStopReason } from "./stop-reason.ts";
import { startFault } from "./task-failure.ts";
import { tagsOf } from "./task-owner.ts";
import { whereToRun } from "./where-to-run.ts";

/** How many tasks of the pod were tried before this one. */
const attemptTag = "virtual-kubelet.io/attempt";
/** As kubelets wait between tries. */
const firstDelayMs = 10_000;
const longestDelayMs = 300_000;

export function attemptOf(task: Pick<Task, "tags">): number {
  const text = tagsOf(task)[attemptTag] ?? "0";
  return /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/** It has stopped, or is about to, before anything of the pod but init containers that went well had run. */
export function failedToStart(task: Task): boolean {
  const { desiredStatus, stopCode, stoppedReason = "", containers = [] } = task;
  if (desiredStatus !== "STOPPED" || stopCode !== "TaskFailedToStart") return false;
  if (parseStopReason(stoppedReason) !== undefined) return false;
  const tags = tagsOf(task);
  return containers.every(({ name = "", exitCode, reason = "" }) => {
    const { kind, policy } = factsOf(name, tags);
    // What cannot be executed has been tried once, and with Never is not tried again.
    if (exitCode === undefined) return policy !== "Never" || !/^CannotStart\w*Error/.test(reason);
    return exitCode === 0 && (kind === "init" || name === filesContainer);
  });
}

/** Epoch milliseconds. */
export function retryDueAt(task: Task): number {
  const { stoppedAt, executionStoppedAt, stoppingAt, createdAt } = task;
  const since = (stoppedAt ?? executionStoppedAt ?? stoppingAt ?? createdAt)?.getTime() ?? 0;
  return since + retryDelayMs(attemptOf(task));
}

export function retryDelayMs(attempt: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempt, 10));
}

/** The same for the same stopped task: its client token stands for the pod and the attempt. */
export function retryInput(task: Task, uid: string, config: FargateConfig): RunTaskCommandInput {
  const { taskDefinitionArn, capacityProviderName, enableExecuteCommand = false, overrides } = task;
  const attempt = attemptOf(task) + 1;
  const { networkConfiguration, platformVersion } = whereToRun({}, config);
  // Tags of AWS's own come by themselves.
  const tags = Object.entries({ ...tagsOf(task), [attemptTag]: `${attempt}` })
    .filter(([key]) => !key.startsWith("aws:"))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => ({ key, value }));
  const containerOverrides = (overrides?.containerOverrides ?? []).flatMap(({ name, environment = [] }) =>
    environment.length === 0 ? [] : [{ name, environment }],
  );
  return {
    ...{ cluster: config.cluster, count: 1, taskDefinition: taskDefinitionArn, networkConfiguration, platformVersion },
    ...(capacityProviderName === undefined
      ? { launchType: "FARGATE" }
      : { capacityProviderStrategy: [{ capacityProvider: capacityProviderName, weight: 1 }] }),
    ...{ clientToken: `${uid}.${attempt}`, startedBy: uid, enableECSManagedTags: true, enableExecuteCommand, tags },
    ...(containerOverrides.length === 0 ? {} : { overrides: { containerOverrides } }),
  };
}

/** The group of such a task: a pod that has not started yet. */
export function waitingGroup(task: Task, group: CloudGroup): CloudGroup {
  const { stoppedReason = "", lastStatus } = task;
  const hasStopped = lastStatus === "STOPPED";
  const isPull = isPullFault(stoppedReason) || (task.containers ?? []).some(({ reason = "" }) => isPullFault(reason));
  const containers = group.containers.map((report): ContainerReport => {
    const { name, state } = report;
    const reason = (task.containers ?? []).find((each) => each.name === name)?.reason ?? "";
    const isOfThis = isPullFault(reason) || !isPull;
    if (state.terminated !== undefined || !isOfThis || state.waiting?.reason === "CreateContainerError") return report;
    const pull = hasStopped ? "ImagePullBackOff" : "ErrImagePull";
    const message = reason === "" ? stoppedReason : reason;
    return { ...report, state: { waiting: { reason: isPull ? pull : startFault(stoppedReason, []), message } } };
  });
  // ECS blames the task alone at times.
  const isTold = containers.some(({ state }) => /ImagePull/.test(state.waiting?.reason ?? ""));
  const waiting = { reason: hasStopped ? "ImagePullBackOff" : "ErrImagePull", message: stoppedReason };
  const told =
    isPull && !isTold
      ? containers.map((each) => (each.state.terminated === undefined ? { ...each, state: { waiting } } : each))
      : containers;
  const { failure: _, ...rest } = group;
  const events = [...(group.events ?? []), ...(hasStopped ? [backOff(task, isPull)] : [])];
  return { ...rest, stage: "starting", containers: told, podIPs: [], events };
}

function backOff(task: Task, isPull: boolean): CloudEvent {
  const attempt = attemptOf(task);
  const what = isPull ? "Back-off pulling images" : "Back-off running the task again";
  return {
    ...{ key: `BackOff/${attempt}`, time: retryDueAt(task) - retryDelayMs(attempt) },
    ...{ eventType: "Warning", reason: "BackOff" },
    message: `${what}: the next try comes ${retryDelayMs(attempt) / 1000} s after the last`,
  };
}
