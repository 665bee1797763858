// Lines of a log as clouds write them: each behind its time. Pure.
import type { PolledLine } from "./log-overlap.ts";

/** Of a text whose lines begin with RFC 3339 times. A line without one has none. */
export function timedLines(text: string): readonly PolledLine[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    const [, time, rest] = /^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (.*)$/s.exec(line) ?? [];
    return time === undefined ? { text: line } : { time: nanoTime(time), text: rest ?? "" };
  });
}

/** With nine digits of a second, however many the cloud wrote: so that texts compare as times do. */
function nanoTime(time: string): string {
  const [, seconds = "", fraction = "", zone = ""] = /^([^.Z+]+?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  return seconds === "" ? time : `${seconds}.${fraction.padEnd(9, "0").slice(0, 9)}${zone}`;
}
