// Where in the logs of a pod's tasks the lines of one run are. ECS writes all runs of a container in a task to one log and tells no times
// of them: what is known are times of looks. Between two of them a line may be of either run, and is counted to both. Pure.
import { taskIdOf } from "./names.ts";

export interface RunLog {
  /** Id of the task; undefined: the one that is spoken of. */
  readonly task?: string | undefined;
  /** No line of the run is older, epoch milliseconds; undefined: none of the log is. */
  readonly from?: number | undefined;
  /** None is younger; undefined: the log ends with it. */
  readonly to?: number | undefined;
}

/** As a part of a tag: `-/1jxq0f00/1jxq0k2o`. */
export function runLogText({ task = "-", from, to }: RunLog): string {
  return [task, from?.toString(36) ?? "-", to?.toString(36) ?? "-"].join("/");
}

/** Undefined: nothing that makes sense. */
export function parseRunLog(text: string): RunLog | undefined {
  const [, task, from = "-", to = "-"] = /^([\w-]+)\/([0-9a-z]{1,10}|-)\/([0-9a-z]{1,10}|-)$/.exec(text) ?? [];
  if (task === undefined) return undefined;
  return {
    ...(task === "-" ? {} : { task }),
    ...(from === "-" ? {} : { from: Number.parseInt(from, 36) }),
    ...(to === "-" ? {} : { to: Number.parseInt(to, 36) }),
  };
}

/** The same, spoken of from another task. */
export function elsewhere(log: RunLog, taskArn: string): RunLog {
  return { ...log, task: log.task ?? taskIdOf(taskArn) };
}
