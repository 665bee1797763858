// What happened to one pod, in order: its object, and what this process did about it. Pure.
import { timeline as ofObject } from "../diagnosis/why-timeline.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import { redactText } from "../program/redact.ts";
import type { Activity, PodActivity } from "./activity-log.ts";
import type { TimelineRow } from "./view-state.ts";

/** The words about the object are those of `virtual-kubelet why`. */
export function podTimeline(
  pod: Stored<Pod> | undefined,
  activity: PodActivity | undefined,
  now: number,
): readonly TimelineRow[] {
  const done = [...(activity?.first ?? []), ...(activity?.last ?? [])];
  const rows = done.map((one) => ({ key: one.at, row: rowOf(one, now) }));
  // Its events are those of this process, and more of them.
  const happenings = pod === undefined ? [] : ofObject({ pod, events: { value: [] }, now });
  for (const { time, what } of happenings) {
    const isContainer = what.startsWith("container ");
    const row: TimelineRow = {
      at: time,
      kind: isContainer ? "container" : "pod",
      what: redactText(isContainer ? what.slice("container ".length) : what),
      bad: /^container \S+ ended with (?!0\b)/.test(what),
    };
    rows.push({ key: isFromOutside(what) ? time : placeOf(time, done), row });
  }
  return withoutRepeats(rows.sort((a, b) => a.key - b.key).map(({ row }) => row));
}

/** The event and the retry that follow a call which failed say what it said. */
function withoutRepeats(rows: readonly TimelineRow[]): readonly TimelineRow[] {
  let said: string | undefined;
  return rows.map((row) => {
    const isRepeat = row.detail !== undefined && row.detail === said && (row.kind === "event" || row.kind === "retry");
    if (row.kind === "provider call" || row.kind === "API call") said = row.bad ? row.detail : said;
    return isRepeat ? { ...row, detail: undefined } : row;
  });
}

/** What was there before this process did anything. */
function isFromOutside(what: string): boolean {
  return /^(created|bound|deletion)/.test(what);
}

/** Times of the API are whole seconds: within its second, what came of a creation stands behind it, and before the write that told it. */
function placeOf(time: number, done: readonly Activity[]): number {
  let place = time;
  for (const { kind, what, at, ms } of done) {
    if (at < time || at - time >= 1000) continue;
    if (kind === "provider call" && what === "createPod") place = Math.max(place, at + (ms ?? 0));
    if (kind === "API call" && what.endsWith(" pods/status")) place = Math.max(place, at - 0.1);
  }
  return place;
}

function rowOf({ kind, at, what, outcome, ms, detail, bad, nextAt }: Activity, now: number): TimelineRow {
  const isCall = kind === "provider call" || kind === "API call";
  const told = isCall ? (outcome ?? "under way") : outcome;
  return {
    at,
    kind,
    what,
    outcome: told,
    durationMs: isCall ? Math.round(ms ?? now - at) : undefined,
    detail,
    bad: bad || (isCall && told !== "ok" && told !== "under way"),
    nextAt,
  };
}
