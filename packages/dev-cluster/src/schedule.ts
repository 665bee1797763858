// When a CronJob is due.
import { Cron } from "croner";

/** Why the schedule, or its time zone, is none; undefined where it is one. */
export function scheduleFault(schedule: string, timeZone: string): string | undefined {
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== 5 && !schedule.startsWith("@"))
    return `expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`;
  try {
    cronOf(schedule, timeZone);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The first time after `since` (epoch milliseconds, both); undefined where there is none. */
export function nextTime(schedule: string, timeZone: string, since: number): number | undefined {
  return cronOf(schedule, timeZone).nextRun(new Date(since))?.getTime();
}

/** The last time until then; undefined where there is none. */
export function lastTime(schedule: string, timeZone: string, until: number): number | undefined {
  return cronOf(schedule, timeZone)
    .previousRuns(1, new Date(until + 1))[0]
    ?.getTime();
}

function cronOf(schedule: string, timeZone: string): Cron {
  return new Cron(schedule, { mode: "5-part", timezone: timeZone || "UTC", paused: true });
}
