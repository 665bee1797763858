// What stands on a group beside its owner: why it was stopped. Keys of the cloud's tags hold no slash, values 256 characters. Pure.
import type { PodFailure } from "@virtual-kubelet/virtual-kubelet";
import type { TagOptions } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { Tags } from "./wire.ts";

export const tagOptions: TagOptions = { separator: "." };
const key = {
  created: "virtual-kubelet.io.created",
  restarts: "virtual-kubelet.io.restarts",
  stopped: "virtual-kubelet.io.stopped",
  reason: "virtual-kubelet.io.failure",
  message: "virtual-kubelet.io.failure-message",
  disruption: "virtual-kubelet.io.disruption",
};
const longest = 256;

/** The cloud tells nobody when it accepted a group. */
export function createdTag(now: number): Tags {
  return { [key.created]: new Date(now).toISOString().replace(/\.\d+Z$/, "Z") };
}

/** RFC 3339; of groups of the Go provider, too. */
export function createdAt(tags: Tags): string | undefined {
  const [, day, time] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)/.exec(tagValue(tags, key.created) || tagValue(tags, "creationtimestamp")) ??
    [];
  return day === undefined ? undefined : `${day}T${time}Z`;
}

/** Of a group of one container that is restarted as a whole: the cloud may count anew from then on. */
export function restartsTag(count: number): Tags {
  return { [key.restarts]: String(count) };
}

/** What its container's count of restarts is at least. */
export function leastRestarts(tags: Tags): number {
  const text = tagValue(tags, key.restarts);
  return /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/** Of a group that we stop for good. */
export function stopTags(failure: PodFailure | undefined): Tags {
  if (failure === undefined) return { [key.stopped]: "true" };
  const { reason, message, disruption } = failure;
  return {
    [key.stopped]: "true",
    [key.reason]: reason.slice(0, longest),
    [key.message]: message.slice(0, longest),
    ...(disruption !== undefined && { [key.disruption]: disruption.slice(0, longest) }),
  };
}

/** Was it stopped by us, not by others? */
export function isStoppedByUs(tags: Tags): boolean {
  return tagValue(tags, key.stopped) === "true";
}

/** Why we stopped it. */
export function failureOf(tags: Tags): PodFailure | undefined {
  const value = (name: string): string => tagValue(tags, name);
  const reason = value(key.reason);
  if (reason === "") return undefined;
  const disruption = value(key.disruption);
  return { reason, message: value(key.message), ...(disruption !== "" && { disruption }) };
}

/** The cloud gives keys back in what case it likes. */
function tagValue(tags: Tags, name: string): string {
  const found = Object.keys(tags).find((each) => each.toLowerCase() === name);
  return found === undefined ? "" : (tags[found] ?? "");
}
