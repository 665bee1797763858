// Which log of a container is asked for: that of its present run, or of the one before. Pure.
import { type ContainerLogOptions, type ContainerReport, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { ContainerRuns } from "./container-runs.ts";
import type { RunLog } from "./run-log.ts";

/** A container, by what is known of its runs. */
export interface LoggedContainer {
  readonly name: string;
  /** As it was reported last. */
  readonly report: ContainerReport | undefined;
  /** Undefined: nothing is known. */
  readonly runs: ContainerRuns | undefined;
  /** Its present run is known to have ended. */
  readonly hasEnded: boolean;
  /** Id of the task that it ended in for good; undefined: that of its group. */
  readonly task?: string | undefined;
}

export interface AskedLog extends RunLog {
  /** Nothing more comes: the run was followed by another, or by another task. */
  readonly isOver: boolean;
}

/** Throws NotFound where there was no run before, and Unsupported where nobody saw when it ended. */
export function askedLog(container: LoggedContainer, options: ContainerLogOptions): AskedLog {
  const { name, report, runs, hasEnded, task } = container;
  const present: AskedLog = { task, from: runs?.since, isOver: task !== undefined };
  if (!isPrevious(report?.containerID, options)) return present;
  const isBetweenRuns = report?.state.running === undefined && report?.state.terminated === undefined;
  if (isBetweenRuns && hasEnded) return present;
  if (runs?.before !== undefined) return { ...runs.before, task: runs.before.task ?? task, isOver: true };
  if (runs === undefined || runs.count === 0)
    throw new VirtualKubeletError("NotFound", `previous terminated container ${name} not found`);
  throw new VirtualKubeletError(
    "Unsupported",
    `ECS keeps the runs of a container in one log, and nobody saw when container ${name} was started again: the log without --previous has the runs that cannot be told apart`,
  );
}

/** The run that is named comes before `previous`: another may have begun since. */
function isPrevious(present: string | undefined, { previous = false, containerID }: ContainerLogOptions): boolean {
  if (containerID === undefined || present === undefined) return previous;
  return containerID !== present;
}
