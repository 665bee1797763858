// Why a pod failed as a whole with its task, in the words of ECS; nothing where its containers say all. Pure.
import type { Task } from "@aws-sdk/client-ecs";
import type { PodFailure } from "@virtual-kubelet/virtual-kubelet";
import { type ContainerView, isPullFault } from "./container-facts.ts";
import { parseStopReason } from "./stop-reason.ts";

/** Of a task that has stopped. */
export function taskFailure(task: Task, views: readonly ContainerView[]): PodFailure | undefined {
  const { stopCode, stoppedReason = "" } = task;
  const own = parseStopReason(stoppedReason);
  if (own?.type === "stopped") return own.failure;
  if (own?.type === "deleted") return undefined;
  if (stopCode === "SpotInterruption" || stopCode === "TerminationNotice" || stopCode === "InfrastructureHealth")
    return { reason: stopCode, message: stoppedReason, disruption: stopCode };
  const ended = endedBadly(views);
  if (own !== undefined) return ended;
  if (stopCode === "UserInitiated" || stopCode === "ServiceSchedulerInitiated")
    return {
      reason: "TaskStopped",
      message: stoppedReason === "" ? "the task was stopped" : stoppedReason,
      disruption: "TaskStopped",
    };
  if (ended !== undefined) return ended;
  // An init container that failed for good says it all, and so do main containers that have all ended.
  const initFailed = views.some(
    ({ facts, report }) => facts.kind === "init" && (report.state.terminated?.exitCode ?? 0) !== 0,
  );
  const allEnded = views.every(({ facts, report }) => facts.kind !== "main" || report.state.terminated !== undefined);
  if (initFailed || (allEnded && views.length > 0)) return undefined;
  return { reason: startFault(stoppedReason, views), message: faultMessage(stoppedReason, views) };
}

/** One that its policy would have started again: ECS did not, and now nobody can. */
function endedBadly(views: readonly ContainerView[]): PodFailure | undefined {
  for (const { facts, report } of views) {
    const { terminated } = report.state;
    if (terminated === undefined || facts.kind === "sidecar") continue;
    const code = terminated.exitCode;
    const { name } = report;
    if (facts.kind === "init") {
      if (code === 0 || facts.policy === "Never") continue;
      return {
        reason: "InitContainerFailed",
        message: `init container ${name} ended with exit code ${code}; ECS tries it once`,
      };
    }
    const isToRestart = facts.policy === "Always" || (facts.policy === "OnFailure" && code !== 0);
    if (!isToRestart && !(facts.policy === "" && code !== 0)) continue;
    const why = terminated.reason === "OOMKilled" ? "OOMKilled" : "ContainerNotRestarted";
    const message = `container ${name} ended with exit code ${code}; ECS starts those again alone that ran for a minute`;
    return { reason: why, message };
  }
  return undefined;
}

/** The name of what kept a task from starting. */
export function startFault(stoppedReason: string, views: readonly ContainerView[]): string {
  if (views.some(({ container: { reason = "" } }) => isPullFault(reason)) || isPullFault(stoppedReason))
    return "ErrImagePull";
  if (/capacity/i.test(stoppedReason)) return "CapacityUnavailable";
  return /^([A-Z]\w+(?:Error|Exception))\b/.exec(stoppedReason)?.[1] ?? "TaskFailedToStart";
}

function faultMessage(stoppedReason: string, views: readonly ContainerView[]): string {
  const reasons = views.flatMap(({ container: { name, reason } }) =>
    reason === undefined ? [] : [`${name}: ${reason}`],
  );
  const message = [stoppedReason, ...reasons].filter((text) => text !== "").join("; ");
  return message === "" ? "the task stopped before its containers ran" : message;
}
