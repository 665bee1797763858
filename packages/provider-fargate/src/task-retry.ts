// A task that ended by itself and of which the pod's policy wants more: whether it is run again, when, and with what. As a kubelet does
// that makes a pod's sandbox anew: its containers start again, init containers first, but those that ended for good. All is read from
// the stopped task, so that a program that started after it goes on where the one before was. Pure.
import type { RunTaskCommandInput, Task } from "@aws-sdk/client-ecs";
import type { FargateConfig } from "./config.ts";
import { doneIn, fatesOf, lateTag } from "./container-ends.ts";
import { factsOf } from "./container-facts.ts";
import { keptRuns } from "./kept-runs.ts";
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
 * It has stopped, or is about to, by itself or for a container that is to start anew, and there is something of the pod that is to run
 * again, and nothing that must not run twice and may not have been done.
 */
export function isRunAgain(task: Task): boolean {
  const fates = fatesOf(task);
  if (fates === undefined || [...fates.values()].includes("never")) return false;
  const tags = tagsOf(task);
  return [...fates].some(([name, fate]) => fate === "again" && factsOf(name, tags).kind === "main");
}

/** Epoch milliseconds. */
export function retryDueAt(task: Task): number {
  return endOf(task) + (failuresWaitedFor(task) === undefined ? retryDelayMs(failuresBefore(task)) : 0);
}

/** Since the pod last ran for long. `now`: of the one that failed, epoch milliseconds. */
export function failuresBefore(task: Task, now: number = endOf(task)): number {
  const told = failuresWaitedFor(task);
  if (told !== undefined) return told;
  const { startedAt } = task;
  const ranLong = startedAt !== undefined && now - startedAt.getTime() >= recoveredMs;
  return ranLong ? 0 : attempt(task).failures;
}

function failuresWaitedFor({ stoppedReason = "" }: Task): number | undefined {
  const own = parseStopReason(stoppedReason);
  return own?.type === "again" ? own.failures : undefined;
}

export function retryDelayMs(failures: number, longestMs: number = longestDelayMs): number {
  return Math.min(longestMs, firstDelayMs * 2 ** Math.min(failures, 20));
}

/** When it stopped or began to, epoch milliseconds. */
export function endOf({ stoppedAt, executionStoppedAt, stoppingAt, createdAt }: Task): number {
  return (stoppedAt ?? executionStoppedAt ?? stoppingAt ?? createdAt)?.getTime() ?? 0;
}

/**
 * The same for the same stopped task: its client token stands for the pod and the attempt. Where containers have ended for good
 * (doneIn), the definition has yet to be one without them.
 */
export function retryInput(task: Task, uid: string, config: FargateConfig): RunTaskCommandInput {
  const { taskDefinitionArn, capacityProviderName, enableExecuteCommand = false, overrides } = task;
  const number = attemptOf(task) + 1;
  const { networkConfiguration, platformVersion } = whereToRun({}, config);
  const done = doneIn(task);
  const changed = { ...tagsOf(task), ...keptRuns(task, done), [attemptTag]: `${number}/${failuresBefore(task) + 1}` };
  // Tags of AWS's own come by themselves.
  const tags = Object.entries(changed)
    .filter(([key]) => !key.startsWith("aws:") && key !== lateTag)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => ({ key, value }));
  const containerOverrides = (overrides?.containerOverrides ?? []).flatMap(({ name = "", environment = [] }) =>
    environment.length === 0 || done.has(name) ? [] : [{ name, environment }],
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
