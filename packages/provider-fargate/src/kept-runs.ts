// What the tags of a pod's next task say of the runs of its containers in the one before, which has stopped. Pure.
import type { Container, Task } from "@aws-sdk/client-ecs";
import { type ContainerFacts, containerView, factsOf, factsText } from "./container-facts.ts";
import { type ContainerRuns, runEnd } from "./container-runs.ts";
import { finishedOf } from "./finished-run.ts";
import { containerTag, isHelper, taskIdOf } from "./names.ts";
import { elsewhere } from "./run-log.ts";
import { tagsOf } from "./task-owner.ts";

/** By the tag's key; of those containers of which there is something to say. `done`: those that ended for good. */
export function keptRuns(task: Task, done: ReadonlySet<string>): Readonly<Record<string, string>> {
  const tags = tagsOf(task);
  const values = (task.containers ?? []).flatMap((container) => {
    const { name = "" } = container;
    const facts = factsOf(name, tags);
    const next = isHelper(name)
      ? undefined
      : done.has(name)
        ? withEnd(task, container, facts)
        : again(task, container, facts);
    return next === undefined ? [] : [[containerTag(name), factsText(next)] as const];
  });
  return Object.fromEntries(values);
}

/** One that ran has a run more behind it. */
function again({ taskArn = "" }: Task, container: Container, facts: ContainerFacts): ContainerFacts | undefined {
  const { exitCode } = container;
  if (exitCode === undefined) {
    if (facts.runs === undefined) return undefined;
    const { count, lastEnd, before } = facts.runs;
    return {
      ...facts,
      runs: { count, lastEnd, before: before === undefined ? undefined : elsewhere(before, taskArn) },
    };
  }
  const { count, since } = lastRuns(container, facts);
  return {
    ...facts,
    runs: { count: count + 1, lastEnd: runEnd(container), before: elsewhere({ from: since }, taskArn) },
  };
}

function withEnd(task: Task, container: Container, facts: ContainerFacts): ContainerFacts {
  const { taskArn = "" } = task;
  const { before, ...runs } = lastRuns(container, facts);
  const { report } = containerView({ task, container, facts, runs, waitsForInit: false });
  return {
    ...facts,
    runs: { ...runs, before: before === undefined ? undefined : elsewhere(before, taskArn) },
    finished: finishedOf(report.state, runEnd(container), taskIdOf(taskArn)),
  };
}

/** The last run may have been one that was not kept: nobody saw when it began then, and its log has that of the one before. */
function lastRuns({ runtimeId }: Container, { runs }: ContainerFacts): ContainerRuns {
  if (runs === undefined) return { count: 0, runtimeId };
  const isMissed = runs.runtimeId !== undefined && runtimeId !== undefined && runs.runtimeId !== runtimeId;
  return isMissed ? { count: runs.count + 1, runtimeId, since: runs.since } : { ...runs, runtimeId };
}
