// CronJobs: a Job each time that their schedule says so, and no more of the old ones than are asked for.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { isTrue } from "../conditions.ts";
import { type Json, type JsonObject, list, number, object, text } from "../json.ts";
import { nextTime } from "../schedule.ts";
import type { Controller } from "./controller.ts";
import {
  controlledBy,
  isGoing,
  keyOf,
  nameOf,
  namespaceOf,
  ownerReference,
  remove,
  splitKey,
  tell,
  uidOf,
  writeStatus,
} from "./objects.ts";
import { keysOfOwner } from "./owned-pods.ts";

const key = "cronjobs.batch";
const jobKey = "jobs.batch";
const component = "cronjob-controller";
/** What was missed for longer is not looked for one by one. */
const missedLimit = 100;

export function cronJobs(api: Api): Controller {
  return {
    name: component,
    hears: { [key]: (each) => [keyOf(each)], [jobKey]: (job) => keysOfOwner(job, "CronJob") },
    sync(which) {
      const cron = api.store.get(key, ...splitKey(which));
      if (cron === undefined || isGoing(cron)) return undefined;
      const jobs = controlledBy(api, jobKey, cron);
      // Before they may be gone.
      write(api, cron, {});
      cleanUp(api, cron, jobs);
      const active = jobs.filter((job) => endOf(job) === undefined && !isGoing(job));
      if (object(cron, "spec")["suspend"] === true) return undefined;
      const now = api.now();
      const { due, next } = timesOf(cron, now);
      const started = due === undefined ? undefined : start(api, cron, due, active);
      if (started !== undefined) write(api, cron, { lastScheduleTime: timestamp(started) });
      return next === undefined ? undefined : next - now;
    },
  };
}

/** The last time that is past and was not served, and the first that is to come. */
function timesOf(
  cron: JsonObject,
  now: number,
): { readonly due?: number | undefined; readonly next: number | undefined } {
  const schedule = text(cron, "spec", "schedule");
  const zone = text(cron, "spec", "timeZone");
  const last = Date.parse(text(cron, "status", "lastScheduleTime") || text(cron, "metadata", "creationTimestamp"));
  const limit = number(cron, "spec", "startingDeadlineSeconds");
  const earliest = limit === undefined ? last : Math.max(last, now - limit * 1000);
  let due: number | undefined;
  let next = nextTime(schedule, zone, earliest);
  for (let seen = 0; next !== undefined && next <= now; seen++) {
    due = next;
    next = nextTime(schedule, zone, seen > missedLimit ? now : next);
  }
  return { due, next };
}

/** Returns the time that is served then, by a Job or by leaving it out; undefined where it is to be tried again. */
function start(api: Api, cron: JsonObject, due: number, active: readonly JsonObject[]): number | undefined {
  const policy = text(cron, "spec", "concurrencyPolicy");
  if (policy === "Forbid" && active.length > 0) {
    const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
    tell(api, cron, { type: "Normal", reason: "JobAlreadyActive", message, component });
    return undefined;
  }
  for (const job of policy === "Replace" ? active : []) removeJob(api, cron, job);
  const template = object(cron, "spec", "jobTemplate");
  const name = `${nameOf(cron)}-${Math.floor(due / 60_000)}`;
  if (api.store.get(jobKey, namespaceOf(cron), name) === undefined) {
    const annotations = {
      ...object(template, "metadata", "annotations"),
      "batch.kubernetes.io/cronjob-scheduled-timestamp": timestamp(due),
    };
    const metadata = { ...object(template, "metadata"), name, annotations, ownerReferences: [ownerReference(cron)] };
    api.create(api.resource(jobKey), namespaceOf(cron), { metadata, spec: object(template, "spec") });
    tell(api, cron, { type: "Normal", reason: "SuccessfulCreate", message: `Created job ${name}`, component });
  }
  return due;
}

function removeJob(api: Api, cron: JsonObject, job: JsonObject): void {
  remove(api, jobKey, job, { propagationPolicy: "Background" });
  tell(api, cron, { type: "Normal", reason: "SuccessfulDelete", message: `Deleted job ${nameOf(job)}`, component });
}

function endOf(job: JsonObject): string | undefined {
  return ["Complete", "Failed"].find((type) => isTrue(job, type));
}

function cleanUp(api: Api, cron: JsonObject, jobs: readonly JsonObject[]): void {
  const born = (job: JsonObject): string => text(job, "metadata", "creationTimestamp");
  for (const [end, field, fallback] of [
    ["Complete", "successfulJobsHistoryLimit", 3],
    ["Failed", "failedJobsHistoryLimit", 1],
  ] as const) {
    const ended = jobs
      .filter((job) => endOf(job) === end && !isGoing(job))
      .toSorted((a, b) => (born(a) < born(b) ? -1 : 1));
    const limit = number(cron, "spec", field) ?? fallback;
    for (const job of ended.slice(0, Math.max(0, ended.length - limit))) removeJob(api, cron, job);
  }
}

function write(api: Api, before: JsonObject, more: JsonObject): void {
  const cron = api.store.get(key, namespaceOf(before), nameOf(before));
  if (cron === undefined) return;
  const jobs = controlledBy(api, jobKey, cron);
  const listed = new Set(list(cron, "status", "active").map((each) => text(each, "uid")));
  for (const job of jobs) {
    const end = endOf(job);
    if (end === undefined || !listed.has(uidOf(job))) continue;
    const message = `Saw completed job: ${nameOf(job)}, condition: ${end}`;
    tell(api, cron, { type: "Normal", reason: "SawCompletedJob", message, component });
  }
  const active = jobs
    .filter((job) => endOf(job) === undefined && !isGoing(job))
    .map(
      (job): Json => ({
        apiVersion: "batch/v1",
        kind: "Job",
        name: nameOf(job),
        namespace: namespaceOf(job),
        uid: uidOf(job),
      }),
    );
  const succeeded = jobs.map((job) => text(job, "status", "completionTime")).filter((each) => each !== "");
  const lastSuccessfulTime = [text(cron, "status", "lastSuccessfulTime"), ...succeeded].sort().at(-1) || undefined;
  writeStatus(api, key, cron, {
    lastSuccessfulTime,
    ...more,
    active: active.length > 0 ? active : undefined,
  });
}
