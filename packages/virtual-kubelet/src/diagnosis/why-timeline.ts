// What happened to a pod, in order: from its object, its conditions and containers, and its events. Pure.
import type { ContainerStatus, Event } from "../kube/types.gen.ts";
import { timeOf } from "./times.ts";
import type { WhyFacts } from "./why-facts.ts";

export interface Happening {
  /** Epoch milliseconds. */
  readonly time: number;
  readonly what: string;
}

const most = 40;

export function timeline({ pod, events }: WhyFacts): readonly Happening[] {
  const { metadata, spec, status = {} } = pod;
  const all: (Happening & { readonly order: number })[] = [];
  const add = (text: string | null | undefined, what: string, order = 1): void => {
    const time = timeOf(text);
    if (time !== undefined) all.push({ time, what, order });
  };
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  add(metadata.creationTimestamp, `created${owner === undefined ? "" : ` by ${owner.kind} ${owner.name}`}`, 0);
  for (const { type, status: is, lastTransitionTime, reason, message } of status.conditions ?? []) {
    if (type === "PodScheduled" && is === "True") add(lastTransitionTime, `bound to node ${spec?.nodeName ?? ""}`, 1);
    else add(lastTransitionTime, `${type}=${is}${reason ? ` ${reason}` : ""}${message ? `: ${message}` : ""}`, 4);
  }
  for (const container of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
    runs(container, add);
  for (const event of "value" in events ? events.value : []) {
    const { first, last, count } = eventTimes(event);
    const times = count > 1 ? ` (${count} times, first ${first?.slice(11, 19)})` : "";
    add(last, `${event.type === "Warning" ? "! " : ""}${event.reason}: ${event.message ?? ""}${times}`, 2);
  }
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
  const end = timeOf(deletionTimestamp);
  if (end !== undefined)
    all.push({
      time: end - deletionGracePeriodSeconds * 1000,
      what: `deletion asked for, with ${deletionGracePeriodSeconds} s to end`,
      order: 3,
    });
  // Most times have whole seconds; the others do not come after what follows from them.
  const second = ({ time }: Happening): number => Math.floor(time / 1000);
  const sorted = all
    .sort((a, b) => second(a) - second(b) || a.order - b.order)
    .map(({ time, what }) => ({ time, what }));
  // The beginning says where it comes from, the end where it is.
  return sorted.length <= most ? sorted : [...sorted.slice(0, 5), ...sorted.slice(5 - most)];
}

function runs(
  { name, state = {}, lastState = {} }: ContainerStatus,
  add: (time: string | undefined, what: string, order: number) => void,
): void {
  for (const { running, terminated } of [lastState, state]) {
    const begun = running?.startedAt ?? terminated?.startedAt;
    add(begun, `container ${name} started`, 3);
    if (terminated) {
      const { exitCode, reason, message } = terminated;
      add(
        terminated.finishedAt,
        `container ${name} ended with ${exitCode}${reason ? ` (${reason})` : ""}${message ? `: ${message}` : ""}`,
        4,
      );
    }
  }
}

export interface EventTimes {
  readonly first: string | undefined;
  readonly last: string | undefined;
  readonly count: number;
}

/** Of both forms of events. */
export function eventTimes({ firstTimestamp, lastTimestamp, eventTime, series, count, metadata }: Event): EventTimes {
  const first = firstTimestamp || eventTime || metadata.creationTimestamp || undefined;
  return {
    first,
    last: series?.lastObservedTime || lastTimestamp || first,
    count: series?.count ?? count ?? 1,
  };
}
