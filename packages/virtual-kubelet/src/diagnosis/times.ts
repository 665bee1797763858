// Times of the API as people read them. Pure.
import { formatDuration } from "../program/duration.ts";

/** Epoch milliseconds; undefined for what is no time. */
export function timeOf(text: string | null | undefined): number | undefined {
  const time = text ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** "17:03:12" of UTC. */
export const clockText = (time: number): string => new Date(time).toISOString().slice(11, 19);

/** "3 s ago", "in 12s"; to the second, beyond an hour to the minute. */
export function relative(time: number, now: number): string {
  const apart = Math.abs(now - time);
  const whole = apart >= 3_600_000 ? Math.round(apart / 60_000) * 60_000 : Math.round(apart / 1000) * 1000;
  if (whole === 0) return "now";
  return time < now ? `${formatDuration(whole)} ago` : `in ${formatDuration(whole)}`;
}
