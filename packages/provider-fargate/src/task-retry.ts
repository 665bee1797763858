// A task that ended by itself and of which the pod's policy wants more: whether it is run again, when, and with what. As a kubelet does
// that makes a pod's sandbox anew: all of its containers start again, init containers first. All is read from the stopped task, so that
// a program that started after it goes on where the one before was. Pure.
import type { Container, RunTaskCommandInput, Task } from "@aws-sdk/client-ecs";
import type { FargateConfig } from "./config.ts";
import { factsOf, factsText } from "./container-facts.ts";
import { runEnd } from "./container-runs.ts";
import { containerTag, isHelper } from "./names.ts";
import { parseStopReason } from "./stop-reason.ts";
import { tagsOf } from "./task-owner.ts";
import { whereToRun } from "./where-to-run.ts";

/** How many tasks of the pod were run before this one, and how many of those, the last ones, did not run for long: `7/2`. */
const attemptTag = "virtual-kubelet.io/attempt";
/** As kubelets wait between tries. */
const firstDelayMs = 10_000;
const longestDelayMs = 300_000;
/** Who ran for so long waits as after a first failure. */
const recoveredMs = 600_000;

interface Attempt {
  readonly number: number;
  readonly failures: number;
}

function attempt({ tags }: Pick<Task, "tags">): Attempt {
  const [, number = "0", failures = number] =
    /^(\d{1,9})(?:\/(\d{1,9}))?$/.exec(tagsOf({ tags })[attemptTag] ?? "") ?? [];
  return { number: Number(number), failures: Number(failures) };
}

export function attemptOf(task: Pick<Task, "tags">): number {
  return attempt(task).number;
}

/**
 * It has stopped, or is about to, by itself or for a container that is to start anew, and the pod's policy has each of its containers run again: those that ran and those that
 * never did. One that must not run twice ends the pod.
 */
export function isRunAgain(task: Task): boolean {
  const { desiredStatus, stopCode, stoppedReason = "", containers = [] } = task;
  if (desiredStatus !== "STOPPED") return false;
  const own = parseStopReason(stoppedReason)?.type;
  const byItself = stopCode === "TaskFailedToStart" || stopCode === "EssentialContainerExited";
  if (own === undefined ? !byItself : own !== "again") return false;
  const tags = tagsOf(task);
  return containers.every((container) => mayRunAgain(container, tags));
}

function mayRunAgain({ name = "", exitCode, reason = "" }: Container, tags: Readonly<Record<string, string>>): boolean {
  if (isHelper(name)) return true;
  const { kind, policy } = factsOf(name, tags);
  // What cannot be executed has been tried once, and with Never is not tried again.
  if (exitCode === undefined) return policy !== "Never" || !/^CannotStart\w*Error/.test(reason);
  if (kind === "init") return exitCode === 0 || policy === "Always" || policy === "OnFailure";
  if (kind === "sidecar") return true;
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}

/** Epoch milliseconds. */
export function retryDueAt(task: Task): number {
  return endOf(task) + retryDelayMs(failuresBefore(task));
}

/** Since the pod last ran for long. */
export function failuresBefore(task: Task): number {
  const { startedAt } = task;
  const ranLong = startedAt !== undefined && endOf(task) - startedAt.getTime() >= recoveredMs;
  return ranLong ? 0 : attempt(task).failures;
}

export function retryDelayMs(failures: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(failures, 10));
}

function endOf({ stoppedAt, executionStoppedAt, stoppingAt, createdAt }: Task): number {
  return (stoppedAt ?? executionStoppedAt ?? stoppingAt ?? createdAt)?.getTime() ?? 0;
}

/** The same for the same stopped task: its client token stands for the pod and the attempt. */
export function retryInput(task: Task, uid: string, config: FargateConfig): RunTaskCommandInput {
  const { taskDefinitionArn, capacityProviderName, enableExecuteCommand = false, overrides } = task;
  const number = attemptOf(task) + 1;
  const { networkConfiguration, platformVersion } = whereToRun({}, config);
  const before = tagsOf(task);
  const changed = {
    ...before,
    ...Object.fromEntries((task.containers ?? []).flatMap((container) => runTag(container, before))),
    [attemptTag]: `${number}/${failuresBefore(task) + 1}`,
  };
  // Tags of AWS's own come by themselves.
  const tags = Object.entries(changed)
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
    ...{ clientToken: `${uid}.${number}`, startedBy: uid, enableECSManagedTags: true, enableExecuteCommand, tags },
    ...(containerOverrides.length === 0 ? {} : { overrides: { containerOverrides } }),
  };
}

/** One that ran has a run more behind it. */
function runTag(
  container: Container,
  tags: Readonly<Record<string, string>>,
): readonly (readonly [key: string, value: string])[] {
  const { name = "", exitCode, runtimeId } = container;
  const facts = factsOf(name, tags);
  const { runs } = facts;
  if (isHelper(name) || (exitCode === undefined && runs === undefined)) return [];
  // The last run may have been one that was not kept.
  const missed = runs?.runtimeId !== undefined && runtimeId !== undefined && runs.runtimeId !== runtimeId ? 1 : 0;
  const next =
    exitCode === undefined
      ? { ...runs, count: runs?.count ?? 0, runtimeId: undefined }
      : { count: (runs?.count ?? 0) + missed + 1, lastEnd: runEnd(container) };
  return [[containerTag(name), factsText({ ...facts, runs: next })]];
}
