// Containers of a running task that ECS starts no more, since they ran for less than a minute, though their policies have them run on: how
// long the others may go on before all are run again, and what is told of it meanwhile. Pure.
import type { Task } from "@aws-sdk/client-ecs";
import type { ContainerReport } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { fatesSoFar } from "./container-ends.ts";
import { factsOf } from "./container-facts.ts";
import { isHelper } from "./names.ts";
import { tagsOf } from "./task-owner.ts";
import { attemptOf, failuresBefore, retryDelayMs } from "./task-retry.ts";

/** By name. None once no main container is left that is to run: sidecars end then. */
export function earlyEnds(task: Task): readonly string[] {
  const { lastStatus, desiredStatus, containers = [] } = task;
  if (lastStatus !== "RUNNING" || desiredStatus !== "RUNNING") return [];
  const tags = tagsOf(task);
  const kindOf = (name: string): string => factsOf(name, tags).kind;
  const fates = fatesSoFar(task);
  const isOver = containers.every(({ name = "" }) => {
    const fate = fates.get(name);
    return isHelper(name) || kindOf(name) !== "main" || fate === "done" || fate === "never";
  });
  if (isOver) return [];
  return [...fates].flatMap(([name, fate]) => (fate === "again" && kindOf(name) !== "init" ? [name] : []));
}

/** Those that ended for good and are not to run with the others again. */
export function doneSoFar(task: Task): readonly string[] {
  return [...fatesSoFar(task)].flatMap(([name, fate]) => (fate === "done" ? [name] : []));
}

/** Who works for its own end is let alone for so long at last. */
const longestWorkMs = 24 * 3_600_000;

/**
 * When the task is to be stopped, so that all of it is run again: when the back-off is over. Who works for its own end has as long again as
 * it has worked by then, and twice as long with each try, however long that is: it comes to its end at last, and never more than twice
 * the time that was waited is lost. Undefined: they are left to end, for one must not run twice, or only sidecars failed beside those
 * that work. `since`: when the first was seen. Epoch milliseconds.
 */
export function stopDueAt(task: Task, names: readonly string[], since: number): number | undefined {
  const { containers = [], startedAt, createdAt } = task;
  const tags = tagsOf(task);
  const running = containers
    .filter(({ name = "", lastStatus }) => lastStatus !== "STOPPED" && !isHelper(name))
    .map(({ name = "" }) => factsOf(name, tags))
    .filter(({ kind }) => kind === "main")
    .map(({ policy }) => policy);
  if (running.some((policy) => policy !== "Always" && policy !== "OnFailure")) return undefined;
  const failures = failuresBefore(task, since);
  if (!running.includes("OnFailure")) return since + retryDelayMs(failures);
  if (names.every((name) => factsOf(name, tags).kind === "sidecar")) return undefined;
  const workedMs = since - ((startedAt ?? createdAt)?.getTime() ?? since);
  return since + Math.max(retryDelayMs(failures, longestWorkMs), workedMs);
}

/** As kubelets tell of those that wait for their next run. `dueAt`: of that; undefined: it is not known. */
export function withEarlyEnds(
  group: CloudGroup,
  task: Task,
  names: readonly string[],
  { since, dueAt }: { readonly since: number; readonly dueAt: number | undefined },
): CloudGroup {
  const wait = dueAt === undefined ? "until others have ended" : `${Math.ceil((dueAt - since) / 1000)}s`;
  const containers = group.containers.map((report): ContainerReport => {
    const { name, state } = report;
    if (!names.includes(name) || state.terminated === undefined) return report;
    const message = `back-off ${wait} restarting failed container=${name}`;
    return { ...report, state: { waiting: { reason: "CrashLoopBackOff", message } }, lastState: state };
  });
  const events = names.map((container) => ({
    ...{ key: `BackOff/${container}/${attemptOf(task)}`, time: since, container },
    ...{
      eventType: "Warning" as const,
      reason: "BackOff",
      message: `Back-off restarting failed container ${container}`,
    },
  }));
  return { ...group, containers, events: [...(group.events ?? []), ...events] };
}
