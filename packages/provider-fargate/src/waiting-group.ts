// What is told of a pod between two of its tasks. Pure.
import type { Task } from "@aws-sdk/client-ecs";
import type { ContainerReport } from "@virtual-kubelet/virtual-kubelet";
import type { CloudEvent, CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { fatesOf } from "./container-ends.ts";
import { factsOf, isPullFault } from "./container-facts.ts";
import { filesContainer } from "./names.ts";
import { startFault } from "./task-failure.ts";
import { tagsOf } from "./task-owner.ts";
import { attemptOf, endOf, failuresBefore, retryDelayMs } from "./task-retry.ts";

/** The group of such a task: a pod whose containers wait for their next run. */
export function waitingGroup(task: Task, group: CloudGroup): CloudGroup {
  const { stoppedReason = "", lastStatus, containers: all = [] } = task;
  const hasStopped = lastStatus === "STOPPED";
  const isPull = isPullFault(stoppedReason) || all.some(({ reason = "" }) => isPullFault(reason));
  const seconds = retryDelayMs(failuresBefore(task)) / 1000;
  const filesCode = all.find(({ name }) => name === filesContainer)?.exitCode ?? 0;
  const filesFault =
    filesCode === 0 ? undefined : `files could not be brought into volumes: ${filesContainer} ended with ${filesCode}`;
  const pull = hasStopped ? "ImagePullBackOff" : "ErrImagePull";
  const tags = tagsOf(task);
  const fates = fatesOf(task);
  const ended = group.containers.map(({ name, state: { terminated } }) => {
    const isDone = factsOf(name, tags).kind === "init" && terminated?.exitCode === 0;
    return terminated !== undefined && fates?.get(name) === "again" && !isDone;
  });
  const crashed = ended.includes(true);
  const containers = group.containers.map((report, index): ContainerReport => {
    const { name, state } = report;
    if (ended[index] === true) {
      const message = `back-off ${seconds}s restarting failed container=${name}`;
      return { ...report, state: { waiting: { reason: "CrashLoopBackOff", message } }, lastState: state };
    }
    const reason = all.find((each) => each.name === name)?.reason ?? "";
    if (state.terminated !== undefined || state.waiting?.reason === "CreateContainerError") return report;
    if (isPull && !isPullFault(reason)) return report;
    const message = reason === "" ? stoppedReason : reason;
    if (isPull) return { ...report, state: { waiting: { reason: pull, message } } };
    if (filesFault !== undefined)
      return { ...report, state: { waiting: { reason: "ContainerCreating", message: filesFault } } };
    return crashed ? report : { ...report, state: { waiting: { reason: startFault(stoppedReason, []), message } } };
  });
  // ECS blames the task alone at times.
  const isTold = containers.some(({ state }) => /ImagePull/.test(state.waiting?.reason ?? ""));
  const told =
    isPull && !isTold
      ? containers.map((each, index) =>
          each.state.terminated !== undefined || ended[index] === true
            ? each
            : { ...each, state: { waiting: { reason: pull, message: stoppedReason } } },
        )
      : containers;
  const { failure: _, ...rest } = group;
  const events = [
    ...(group.events ?? []),
    ...(filesFault === undefined ? [] : [event(task, "FailedMount", filesFault)]),
    ...(hasStopped
      ? [event(task, "BackOff", `${backOff(isPull, crashed)}: the next try comes ${seconds} s after the last`)]
      : []),
  ];
  return { ...rest, stage: "starting", containers: told, podIPs: [], events };
}

function backOff(isPull: boolean, crashed: boolean): string {
  if (isPull) return "Back-off pulling images";
  return crashed ? "Back-off restarting failed containers" : "Back-off running the task again";
}

function event(task: Task, reason: string, message: string): CloudEvent {
  return { key: `${reason}/${attemptOf(task)}`, time: endOf(task), eventType: "Warning", reason, message };
}
