// CronJobs: a Job each time that their schedule says so, and no more of the old ones than are asked for.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { type JsonObject, number, object, text } from "../json.ts";
import { lastTime, nextTime } from "../schedule.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { endOf } from "./jobs.ts";
import { annotationsOf, bornAt, isGoing, nameOf, namespaceOf, referenceTo, surplus } from "./objects.ts";

const jobKey = "jobs.batch";

export function cronJobs(api: Api): Controller {
  return controllerFor(api, {
    name: "cronjob-controller",
    resource: "cronjobs.batch",
    owns: [jobKey],
    sync(cron, client) {
      const jobs = client.controlled(jobKey, cron);
      cleanUp(client, cron, jobs);
      const now = client.now();
      const isSuspended = object(cron, "spec")["suspend"] === true;
      const due = isSuspended ? undefined : dueTime(cron, now);
      const isServed = due !== undefined && start(client, cron, due, jobs.filter(isRunning));
      const active = client.controlled(jobKey, cron).filter(isRunning).map(referenceTo);
      const succeeded = jobs.map((job) => text(job, "status", "completionTime"));
      client.writeStatus(cron, {
        lastSuccessfulTime: [text(cron, "status", "lastSuccessfulTime"), ...succeeded].sort().at(-1) || undefined,
        ...(isServed ? { lastScheduleTime: timestamp(due) } : {}),
        active: active.length > 0 ? active : undefined,
      });
      const next = isSuspended ? undefined : nextTime(...scheduleOf(cron), now);
      return next && next - now;
    },
  });
}

const scheduleOf = (cron: JsonObject) => [text(cron, "spec", "schedule"), text(cron, "spec", "timeZone")] as const;
const isRunning = (job: JsonObject): boolean => endOf(job) === undefined && !isGoing(job);

/** The last time that is past, if it was not served and is not too long ago. */
function dueTime(cron: JsonObject, now: number): number | undefined {
  const served = text(cron, "status", "lastScheduleTime");
  const last = served === "" ? bornAt(cron) : Date.parse(served);
  const limit = number(cron, "spec", "startingDeadlineSeconds");
  const earliest = limit === undefined ? last : Math.max(last, now - limit * 1000);
  const due = lastTime(...scheduleOf(cron), now);
  return due !== undefined && due > earliest ? due : undefined;
}

/** Whether the time is served then, by a Job or by leaving it out; it is to be tried again otherwise. */
function start(client: Client, cron: JsonObject, due: number, active: readonly JsonObject[]): boolean {
  const policy = text(cron, "spec", "concurrencyPolicy");
  if (policy === "Forbid" && active.length > 0) {
    const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
    client.tell(cron, "Normal", "JobAlreadyActive", message);
    return false;
  }
  for (const job of policy === "Replace" ? active : []) remove(client, cron, job);
  const template = object(cron, "spec", "jobTemplate");
  const name = `${nameOf(cron)}-${Math.floor(due / 60_000)}`;
  if (client.store.get(jobKey, namespaceOf(cron), name) !== undefined) return true;
  const scheduled = { "batch.kubernetes.io/cronjob-scheduled-timestamp": timestamp(due) };
  const annotations = { ...annotationsOf(template), ...scheduled };
  const metadata = { ...object(template, "metadata"), name, annotations };
  client.createFor(cron, jobKey, { metadata, spec: object(template, "spec") });
  client.tell(cron, "Normal", "SuccessfulCreate", `Created job ${name}`);
  return true;
}

function remove(client: Client, cron: JsonObject, job: JsonObject): void {
  client.remove(job, { propagationPolicy: "Background" });
  client.tell(cron, "Normal", "SuccessfulDelete", `Deleted job ${nameOf(job)}`);
}

function cleanUp(client: Client, cron: JsonObject, jobs: readonly JsonObject[]): void {
  const history = { Complete: ["successfulJobsHistoryLimit", 3], Failed: ["failedJobsHistoryLimit", 1] } as const;
  for (const [end, [field, fallback]] of Object.entries(history)) {
    const ended = jobs.filter((job) => endOf(job) === end && !isGoing(job));
    for (const job of surplus(ended, number(cron, "spec", field) ?? fallback, bornAt)) remove(client, cron, job);
  }
}
