// Jobs: pods until enough have succeeded, or too many have failed.

import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { conditionOf, withCondition } from "../conditions.ts";
import { isReady } from "../disruption.ts";
import { at, type Json, type JsonObject, list, number, object, put, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { formatIndexes, indexedPod, indexOf, isIndexed, nextIndexes, parseIndexes } from "./job-indexes.ts";
import { policyOf } from "./job-policy.ts";
import {
  change,
  controlledBy,
  isFinished,
  isGoing,
  keyOf,
  labelsOf,
  nameOf,
  namespaceOf,
  remove,
  splitKey,
  tell,
  writeStatus,
} from "./objects.ts";
import { createPod, deletePod, keysOfOwner } from "./owned-pods.ts";

const key = "jobs.batch";
const component = "job-controller";
const finalizer = "batch.kubernetes.io/job-tracking";
const firstBackOffMs = 10_000;
const lastBackOffMs = 600_000;

export function jobs(api: Api): Controller {
  return {
    name: component,
    hears: { [key]: (each) => [keyOf(each)], pods: (pod) => keysOfOwner(pod, "Job") },
    sync(at) {
      const job = api.store.get(key, ...splitKey(at));
      if (job === undefined) return releaseOrphans(api, at);
      const verdict = count(api, job);
      const counted = api.store.get(key, ...splitKey(at));
      if (counted === undefined || isGoing(counted)) return undefined;
      const end = endOf(counted);
      if (end !== undefined) return expire(api, counted, end);
      if (verdict !== undefined) return fail(api, counted, activeOf(api, counted), "PodFailurePolicy", verdict);
      return proceed(api, counted);
    },
  };
}

function activeOf(api: Api, job: JsonObject): readonly JsonObject[] {
  return controlledBy(api, "pods", job).filter((pod) => !isGoing(pod) && !isFinished(pod));
}

/** Each ended pod counts once: it is held until it has been counted. Returns why the Job fails for one of them, if it does. */
function count(api: Api, job: JsonObject): string | undefined {
  const ended = controlledBy(api, "pods", job).filter(
    (pod) => (isFinished(pod) || isGoing(pod)) && list(pod, "metadata", "finalizers").includes(finalizer),
  );
  const isOver = endOf(job) !== undefined || isGoing(job);
  const countable = ended.filter((pod) => isFinished(pod) || isOver);
  if (countable.length === 0) return undefined;
  const of = (phase: string): number =>
    countable.filter((pod) => text(pod, "status", "phase") === phase && policyOf(job, pod)?.action !== "Ignore").length;
  if (!isOver) {
    const failed = (number(job, "status", "failed") ?? 0) + of("Failed");
    const succeeded = (number(job, "status", "succeeded") ?? 0) + of("Succeeded");
    writeStatus(api, key, job, { failed, succeeded, ...countIndexes(job, countable) });
  }
  for (const pod of countable) release(api, pod);
  return countable.map((pod) => policyOf(job, pod)).find((each) => each?.action === "FailJob")?.message;
}

/** A number counts once, however many of its pods succeed. */
function countIndexes(job: JsonObject, ended: readonly JsonObject[]): JsonObject {
  if (!isIndexed(job)) return {};
  const done = parseIndexes(text(job, "status", "completedIndexes"));
  const completions = number(job, "spec", "completions") ?? 0;
  for (const pod of ended) {
    const index = indexOf(pod);
    if (text(pod, "status", "phase") === "Succeeded" && index !== undefined && index < completions) done.add(index);
  }
  return { succeeded: done.size, completedIndexes: formatIndexes(done) };
}

function release(api: Api, pod: JsonObject): void {
  change(api, "pods", pod, (now) => {
    const left = list(now, "metadata", "finalizers").filter((each) => each !== finalizer);
    return put(now, ["metadata", "finalizers"], left.length > 0 ? left : undefined);
  });
}

/** Pods of a Job that is gone are counted by nobody. */
function releaseOrphans(api: Api, jobKey: string): undefined {
  for (const pod of api.store.list("pods", splitKey(jobKey)[0])) {
    const isHeld = list(pod, "metadata", "finalizers").includes(finalizer);
    if (isHeld && keysOfOwner(pod, "Job").includes(jobKey)) release(api, pod);
  }
}

function endOf(job: JsonObject): Json | undefined {
  return ["Complete", "Failed"].map((type) => conditionOf(job, type)).find((each) => text(each, "status") === "True");
}

function expire(api: Api, job: JsonObject, end: Json): number | undefined {
  const limit = number(job, "spec", "ttlSecondsAfterFinished");
  if (limit === undefined) return undefined;
  const left = Date.parse(text(end, "lastTransitionTime")) + limit * 1000 - api.now();
  if (left > 0) return left;
  remove(api, key, job, { propagationPolicy: "Foreground" });
  return undefined;
}

function proceed(api: Api, job: JsonObject): number | undefined {
  const pods = controlledBy(api, "pods", job);
  const active = activeOf(api, job);
  const succeeded = number(job, "status", "succeeded") ?? 0;
  const failed = number(job, "status", "failed") ?? 0;
  const completions = number(job, "spec", "completions");
  const unmet = ["backoffLimitPerIndex", "successPolicy"].find((field) => at(job, "spec", field));
  if (unmet !== undefined) {
    return fail(api, job, active, "NotHere", `the development cluster does nothing with spec.${unmet}`);
  }
  const limit = number(job, "spec", "backoffLimit") ?? 6;
  if (failed > limit || restarts(job, active) > Math.max(0, limit - 1)) {
    return fail(api, job, active, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
  }
  const started = text(job, "status", "startTime");
  const deadline = number(job, "spec", "activeDeadlineSeconds");
  const timeLeft =
    deadline === undefined || started === ""
      ? Number.POSITIVE_INFINITY
      : Date.parse(started) + deadline * 1000 - api.now();
  if (timeLeft <= 0) return fail(api, job, active, "DeadlineExceeded", "Job was active longer than specified deadline");
  const isDone = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  if (isDone) return complete(api, job);
  const isSuspended = object(job, "spec")["suspend"] === true;
  const wanted = isSuspended ? 0 : wantedPods(job, succeeded, active.length);
  for (const pod of active.slice(wanted)) deletePod(api, job, pod, component);
  const pause = wanted > active.length ? backOff(api, pods, failed) : 0;
  if (pause === 0) {
    const more = { finalizers: [finalizer], labels: labelsOf(object(job, "spec", "template")) };
    const missing = Math.max(0, wanted - active.length);
    const done = parseIndexes(text(job, "status", "completedIndexes"));
    const made = isIndexed(job)
      ? nextIndexes(missing, done, active).map((index) => indexedPod(job, index))
      : Array.from({ length: missing }, () => ({ metadata: {}, spec: undefined }));
    for (const { metadata, spec } of made) createPod(api, job, component, { ...more, ...metadata }, spec);
  }
  write(api, job, isSuspended);
  const next = Math.min(timeLeft, pause > 0 ? pause : Number.POSITIVE_INFINITY);
  return Number.isFinite(next) ? next : undefined;
}

/** Of containers that are started again in their pods: they count where there is a limit. */
function restarts(job: JsonObject, active: readonly JsonObject[]): number {
  if (text(job, "spec", "template", "spec", "restartPolicy") !== "OnFailure") return 0;
  return active
    .flatMap((pod) => [...list(pod, "status", "initContainerStatuses"), ...list(pod, "status", "containerStatuses")])
    .reduce<number>((sum, each) => sum + (number(each, "restartCount") ?? 0), 0);
}

function wantedPods(job: JsonObject, succeeded: number, active: number): number {
  const parallelism = number(job, "spec", "parallelism") ?? 1;
  const completions = number(job, "spec", "completions");
  if (completions !== undefined) return Math.min(parallelism, completions - succeeded);
  // A work queue: nothing new once one has succeeded.
  return succeeded > 0 ? Math.min(active, parallelism) : parallelism;
}

/** After a failure the next pod waits. */
function backOff(api: Api, pods: readonly JsonObject[], failed: number): number {
  if (failed === 0) return 0;
  const ends = pods
    .filter((pod) => text(pod, "status", "phase") === "Failed")
    .flatMap((pod) =>
      list(pod, "status", "containerStatuses").map((each) =>
        Date.parse(text(each, "state", "terminated", "finishedAt")),
      ),
    )
    .filter(Number.isFinite);
  if (ends.length === 0) return 0;
  const pause = Math.min(lastBackOffMs, firstBackOffMs * 2 ** Math.min(failed - 1, 10));
  return Math.max(0, Math.max(...ends) + pause - api.now());
}

function fail(api: Api, job: JsonObject, active: readonly JsonObject[], reason: string, message: string): undefined {
  for (const pod of active) deletePod(api, job, pod, component);
  conclude(api, job, [
    { type: "FailureTarget", reason, message },
    { type: "Failed", reason, message },
  ]);
  tell(api, job, { type: "Warning", reason, message, component });
}

function complete(api: Api, job: JsonObject): undefined {
  const reason = "CompletionsReached";
  const message = "Reached expected number of succeeded pods";
  const completionTime = timestamp(api.now());
  conclude(
    api,
    job,
    [
      { type: "SuccessCriteriaMet", reason, message },
      { type: "Complete", reason, message },
    ],
    { completionTime },
  );
  tell(api, job, { type: "Normal", reason: "Completed", message: "Job completed", component });
}

function conclude(
  api: Api,
  job: JsonObject,
  ends: readonly { type: string; reason: string; message: string }[],
  more: JsonObject = {},
): void {
  const conditions = ends.reduce<readonly Json[]>(
    (all, { type, reason, message }) =>
      withCondition(all, { type, status: "True", reason, message }, api.now(), { lastProbeTime: timestamp(api.now()) }),
    list(job, "status", "conditions"),
  );
  writeStatus(api, key, job, { ...more, conditions, active: undefined, ready: 0, terminating: 0 });
}

function write(api: Api, job: JsonObject, isSuspended: boolean): void {
  const now = api.store.get(key, namespaceOf(job), nameOf(job));
  if (now === undefined) return;
  const pods = controlledBy(api, "pods", job);
  const active = pods.filter((pod) => !isGoing(pod) && !isFinished(pod));
  const conditions = list(now, "status", "conditions");
  const suspended = {
    type: "Suspended",
    status: isSuspended ? "True" : "False",
    reason: isSuspended ? "JobSuspended" : "JobResumed",
    message: isSuspended ? "Job suspended" : "Job resumed",
  };
  const isTold = isSuspended || conditionOf(now, "Suspended") !== undefined;
  const said = isTold ? withCondition(conditions, suspended, api.now()) : conditions;
  writeStatus(api, key, now, {
    startTime: text(now, "status", "startTime") || (isSuspended ? undefined : timestamp(api.now())),
    active: active.length || undefined,
    ready: active.filter(isReady).length,
    terminating: pods.filter((pod) => isGoing(pod) && !isFinished(pod)).length,
    uncountedTerminatedPods: {},
    conditions: said.length > 0 ? said : undefined,
  });
}
