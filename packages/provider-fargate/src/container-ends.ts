// What the end of a container means by its policy, where its task has stopped or ECS starts it no more: whether it runs again in the
// pod's next task, is left out of it, or keeps the pod from having one. Pure.
import type { Container, Task } from "@aws-sdk/client-ecs";
import { factsOf } from "./container-facts.ts";
import { isHelper } from "./names.ts";
import { parseStopReason } from "./stop-reason.ts";
import { tagsOf } from "./task-owner.ts";

/** Key of a task's tag: containers that ended for good just before it was told to stop, later than its reason tells. */
export const lateTag = "virtual-kubelet.io/ended";

/** "done": it ended by itself for good. "never": it may have been told to end before it was done, and must not run twice. */
export type Fate = "again" | "done" | "never";

/** How the containers of a task came to end: each by itself, all with it, or all but those that had ended by themselves before. */
type Ending =
  | { readonly type: "eachByItself" }
  | { readonly type: "withTask" }
  | { readonly type: "told"; readonly done: ReadonlySet<string> };

/** Of the pod's containers in a task that is to stop or has; undefined: the pod has no other after it. */
export function fatesOf(task: Task): ReadonlyMap<string, Fate> | undefined {
  const ending = endingOf(task);
  if (task.desiredStatus !== "STOPPED" || ending === undefined) return undefined;
  return fates(task, ending);
}

/** Of those containers of a running task that have stopped. */
export function fatesSoFar(task: Task): ReadonlyMap<string, Fate> {
  const containers = (task.containers ?? []).filter(({ lastStatus }) => lastStatus === "STOPPED");
  return fates({ ...task, containers }, { type: "eachByItself" });
}

/** Main containers that ended for good in this task: the pod's next one is without them. */
export function doneIn(task: Task): ReadonlySet<string> {
  return new Set([...(fatesOf(task) ?? [])].flatMap(([name, fate]) => (fate === "done" ? [name] : [])));
}

function endingOf({ stopCode, stoppedReason = "", tags }: Task): Ending | undefined {
  const own = parseStopReason(stoppedReason);
  // It is stopped when all of its main containers have.
  if (own?.type === "ended") return { type: "eachByItself" };
  if (own?.type === "again") {
    const late = (tagsOf({ tags })[lateTag] ?? "").split(" ");
    return { type: "told", done: new Set([...(own.done ?? []), ...late]) };
  }
  const byItself = stopCode === "TaskFailedToStart" || stopCode === "EssentialContainerExited";
  return own === undefined && byItself ? { type: "withTask" } : undefined;
}

function fates(task: Task, ending: Ending): ReadonlyMap<string, Fate> {
  const tags = tagsOf(task);
  const own = (task.containers ?? []).filter(({ name = "" }) => name !== "" && !isHelper(name));
  return new Map(own.map((container) => [container.name ?? "", fateOf(container, tags, ending)]));
}

function fateOf(
  { name = "", exitCode, reason = "" }: Container,
  tags: Readonly<Record<string, string>>,
  ending: Ending,
): Fate {
  const { kind, policy } = factsOf(name, tags);
  // What cannot be executed has been tried once, and with Never is not tried again.
  if (exitCode === undefined) return policy === "Never" && /^CannotStart\w*Error/.test(reason) ? "never" : "again";
  if (kind === "sidecar") return "again";
  const restarts = policy === "Always" || policy === "OnFailure";
  if (kind === "init") return exitCode === 0 || restarts ? "again" : "never";
  if (ending.type === "told") return ending.done.has(name) ? "done" : restarts ? "again" : "never";
  if (policy === "Always" || (policy === "OnFailure" && exitCode !== 0)) return "again";
  // With its task it may have been told to end, and have heeded that with 0.
  return ending.type === "eachByItself" && policy !== "" ? "done" : "never";
}
