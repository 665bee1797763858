// Jobs: pods until enough have succeeded, or too many have failed.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { type Condition, conditionOf, isTrue } from "../conditions.ts";
import { isReady } from "../disruption.ts";
import { at, type JsonObject, list, number, object, text } from "../json.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { formatIndexes, indexedPod, indexOf, isIndexed, nextIndexes, parseIndexes } from "./job-indexes.ts";
import { policyOf } from "./job-policy.ts";
import {
  controllerOf,
  isFinished,
  isGoing,
  keyOf,
  keysOfOwner,
  latest,
  splitKey,
  statusesOf,
  without,
} from "./objects.ts";
import { activePods, createPod, deletePod } from "./owned-pods.ts";

const finalizer = "batch.kubernetes.io/job-tracking";
const firstBackOffMs = 10_000;
const lastBackOffMs = 600_000;

export function jobs(api: Api): Controller {
  return controllerFor(api, {
    name: "job-controller",
    resource: "jobs.batch",
    owns: ["pods"],
    sync(job, client) {
      const end = endOf(job);
      if (end !== undefined) {
        releaseAll(client, keyOf(job));
        return expire(client, job, text(conditionOf(job, end), "lastTransitionTime"));
      }
      const ended = client.controlled("pods", job).filter((pod) => isHeld(pod) && (isFinished(pod) || isLost(pod)));
      const counted = ended.length === 0 ? job : count(client, job, ended);
      const active = activePods(client, job);
      const verdict = knownVerdict(job) ?? verdictOn(counted, ended, active, client.now());
      for (const pod of verdict === undefined ? [] : active) deletePod(client, job, pod);
      const wait = verdict === undefined ? proceed(client, counted, active) : undefined;
      writeState(client, counted, verdict);
      return wait;
    },
    gone: (job, client) => releaseAll(client, job),
  });
}

const ends = ["Complete", "Failed"] as const;

export function endOf(job: JsonObject): (typeof ends)[number] | undefined {
  return ends.find((type) => isTrue(job, type));
}

const isHeld = (pod: JsonObject): boolean => list(pod, "metadata", "finalizers").includes(finalizer);
/** Nobody will ever say how it ended. */
const isLost = (pod: JsonObject): boolean =>
  isGoing(pod) && number(pod, "metadata", "deletionGracePeriodSeconds") === 0;

function release(client: Client, pod: JsonObject): void {
  client.change(pod, (now) => without(now, ["metadata", "finalizers"], (each) => each === finalizer));
}

/** Pods of a Job that is over or gone are counted by nobody, and those that it has left behind. */
function releaseAll(client: Client, job: string): void {
  const isUncounted = (pod: JsonObject): boolean =>
    controllerOf(pod) === undefined || keysOfOwner(pod, "Job").includes(job);
  for (const pod of client.store.list("pods", splitKey(job)[0]))
    if (isHeld(pod) && isUncounted(pod)) release(client, pod);
}

/** Each ended pod counts once: it is held until it has been counted. Returns the Job as it is then. */
function count(client: Client, job: JsonObject, ended: readonly JsonObject[]): JsonObject {
  const counting = ended.filter((pod) => policyOf(job, pod)?.action !== "Ignore");
  const { Succeeded = [], Failed = [] } = Object.groupBy(counting, (pod) => text(pod, "status", "phase"));
  const counted = client.writeStatus(job, {
    failed: (number(job, "status", "failed") ?? 0) + Failed.length,
    succeeded: (number(job, "status", "succeeded") ?? 0) + Succeeded.length,
    ...(isIndexed(job) ? countIndexes(job, Succeeded) : {}),
  });
  for (const pod of ended) release(client, pod);
  return counted;
}

/** A number counts once, however many of its pods succeed. */
function countIndexes(job: JsonObject, succeeded: readonly JsonObject[]): JsonObject {
  const completions = number(job, "spec", "completions") ?? 0;
  const done = parseIndexes(text(job, "status", "completedIndexes"));
  for (const index of succeeded.map(indexOf)) if (index !== undefined && index < completions) done.add(index);
  return { succeeded: done.size, completedIndexes: formatIndexes(done) };
}

function expire(client: Client, job: JsonObject, ended: string): number | undefined {
  const limit = number(job, "spec", "ttlSecondsAfterFinished");
  if (limit === undefined) return undefined;
  const left = Date.parse(ended) + limit * 1000 - client.now();
  if (left > 0) return left;
  client.remove(job, { propagationPolicy: "Foreground" });
  return undefined;
}

/** How the Job ends. */
interface Verdict extends Readonly<Record<"reason" | "message", string>> {
  readonly type: (typeof ends)[number];
}

const targets = { Complete: "SuccessCriteriaMet", Failed: "FailureTarget" } as const;

/** What is to come once its last pods have ended. */
function knownVerdict(job: JsonObject): Verdict | undefined {
  const type = ends.find((each) => isTrue(job, targets[each]));
  if (type === undefined) return undefined;
  const said = conditionOf(job, targets[type]);
  return { type, reason: text(said, "reason"), message: text(said, "message") };
}

/** undefined where it goes on. */
function verdictOn(
  job: JsonObject,
  ended: readonly JsonObject[],
  active: readonly JsonObject[],
  now: number,
): Verdict | undefined {
  const failed = (reason: string, message: string): Verdict => ({ type: "Failed", reason, message });
  const final = ended.map((pod) => policyOf(job, pod)).find((each) => each?.action === "FailJob");
  if (final !== undefined) return failed("PodFailurePolicy", final.message);
  const unmet = ["backoffLimitPerIndex", "successPolicy"].find((field) => at(job, "spec", field) !== undefined);
  if (unmet !== undefined) return failed("NotHere", `the development cluster does nothing with spec.${unmet}`);
  const limit = number(job, "spec", "backoffLimit") ?? 6;
  if ((number(job, "status", "failed") ?? 0) > limit || restarts(job, active) > Math.max(0, limit - 1))
    return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  if (timeLeft(job, now) <= 0) return failed("DeadlineExceeded", "Job was active longer than specified deadline");
  const succeeded = number(job, "status", "succeeded") ?? 0;
  const completions = number(job, "spec", "completions");
  const isDone = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  const message = "Reached expected number of succeeded pods";
  return isDone ? { type: "Complete", reason: "CompletionsReached", message } : undefined;
}

/** Of containers that are started again in their pods: they count where there is a limit. */
function restarts(job: JsonObject, active: readonly JsonObject[]): number {
  if (text(job, "spec", "template", "spec", "restartPolicy") !== "OnFailure") return 0;
  return active.flatMap(statusesOf).reduce<number>((sum, each) => sum + (number(each, "restartCount") ?? 0), 0);
}

const isSuspended = (job: JsonObject): boolean => object(job, "spec")["suspend"] === true;

/** Until its deadline; a Job that is resumed begins anew. */
function timeLeft(job: JsonObject, now: number): number {
  const deadline = number(job, "spec", "activeDeadlineSeconds");
  const started = text(job, "status", "startTime");
  const isHeldUp = isSuspended(job) || isTrue(job, "Suspended");
  if (deadline === undefined || started === "" || isHeldUp) return Number.POSITIVE_INFINITY;
  return Date.parse(started) + deadline * 1000 - now;
}

function proceed(client: Client, job: JsonObject, active: readonly JsonObject[]): number | undefined {
  const wanted = isSuspended(job) ? 0 : wantedPods(job, active.length);
  for (const pod of active.slice(wanted)) deletePod(client, job, pod);
  const pause = wanted > active.length ? backOff(client, job) : 0;
  const isPatient = text(job, "spec", "podReplacementPolicy") === "Failed";
  const awaited = isPatient ? unfinishedPods(client, job).filter(isGoing).length : 0;
  const missing = pause > 0 ? 0 : Math.max(0, wanted - active.length - awaited);
  const parts = isIndexed(job) ? nextIndexes(job, missing, active).map((index) => indexedPod(job, index)) : [];
  for (let made = 0; made < missing; made++) {
    const { metadata, spec } = parts[made] ?? {};
    createPod(client, job, { metadata: { finalizers: [finalizer], ...metadata }, spec });
  }
  const next = Math.min(timeLeft(job, client.now()), pause > 0 ? pause : Number.POSITIVE_INFINITY);
  return Number.isFinite(next) ? next : undefined;
}

function wantedPods(job: JsonObject, active: number): number {
  const parallelism = number(job, "spec", "parallelism") ?? 1;
  const completions = number(job, "spec", "completions");
  const succeeded = number(job, "status", "succeeded") ?? 0;
  if (completions !== undefined) return Math.min(parallelism, completions - succeeded);
  // A work queue: nothing new once one has succeeded.
  return succeeded > 0 ? Math.min(active, parallelism) : parallelism;
}

/** After a failure the next pod waits, also after one that does not count. */
function backOff(client: Client, job: JsonObject): number {
  const failed = client.controlled("pods", job).filter((pod) => text(pod, "status", "phase") === "Failed");
  if (failed.length === 0) return 0;
  const endedAt = (pod: JsonObject): number => {
    const ends = list(pod, "status", "containerStatuses").map((each) =>
      text(each, "state", "terminated", "finishedAt"),
    );
    return latest(text(pod, "metadata", "creationTimestamp"), ...ends);
  };
  const count = Math.max(failed.length, number(job, "status", "failed") ?? 0);
  const pause = Math.min(lastBackOffMs, firstBackOffMs * 2 ** Math.min(count - 1, 10));
  return Math.max(0, Math.max(...failed.map(endedAt)) + pause - client.now());
}

function unfinishedPods(client: Client, job: JsonObject): readonly JsonObject[] {
  return client.controlled("pods", job).filter((pod) => !isFinished(pod));
}

/** It is over when its last pod is. */
function writeState(client: Client, job: JsonObject, verdict: Verdict | undefined): void {
  const now = timestamp(client.now());
  const [was, is] = [isTrue(job, "Suspended"), isSuspended(job)];
  const started = was && !is ? "" : text(job, "status", "startTime");
  const pods = unfinishedPods(client, job);
  const active = pods.filter((pod) => !isGoing(pod));
  const isOver = verdict !== undefined && pods.length === 0;
  const isComplete = isOver && verdict.type === "Complete";
  const fields = {
    startTime: started || (is ? undefined : now),
    completionTime: isComplete ? now : undefined,
    active: active.length || undefined,
    ready: active.filter(isReady).length,
    terminating: pods.length - active.length,
    uncountedTerminatedPods: {},
  };
  client.writeStatus(job, fields, verdict === undefined ? suspension(job, is) : endings(job, verdict, isOver, now));
  if (verdict === undefined && was !== is)
    client.tell(job, "Normal", is ? "Suspended" : "Resumed", `Job ${is ? "suspended" : "resumed"}`);
  if (isComplete) client.tell(job, "Normal", "Completed", "Job completed");
  else if (isOver) client.tell(job, "Warning", verdict.reason, verdict.message);
}

/** Those that are not said yet. */
function endings(
  job: JsonObject,
  { type, reason, message }: Verdict,
  isOver: boolean,
  lastProbeTime: string,
): readonly Condition[] {
  const types = isOver ? [targets[type], type] : [targets[type]];
  return types
    .filter((each) => !isTrue(job, each))
    .map((each) => ({ type: each, status: "True", reason, message, lastProbeTime }));
}

/** That it was resumed is said where it was suspended. */
function suspension(job: JsonObject, is: boolean): readonly Condition[] {
  const type = "Suspended";
  if (is) return [{ type, status: "True", reason: "JobSuspended", message: "Job suspended" }];
  if (conditionOf(job, type) === undefined) return [];
  return [{ type, status: "False", reason: "JobResumed", message: "Job resumed" }];
}
