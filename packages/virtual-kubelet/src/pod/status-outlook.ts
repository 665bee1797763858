// How a pod's status stands at one moment: what is to be written, whether that is the last word, and when to look again. Pure.
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { StatusInput } from "../status/pod-status.ts";
import type { PodAction } from "./plan.ts";
import type { PodEntry } from "./pod-entry.ts";
import { acknowledgeAfterMs, situationOf, statusDueAt } from "./situation.ts";
import type { StatusOutlook } from "./status-manager.ts";

/** `next` is what plan says about the pod now. */
export function statusOutlook(
  entry: PodEntry,
  next: PodAction,
  { nodeIPs, recursiveReadOnly }: Pick<StatusInput, "nodeIPs" | "recursiveReadOnly">,
  now: number,
): StatusOutlook {
  const situation = situationOf(entry, next, now);
  const removable = next.type === "finish" && awaitsDelete(entry.pod, now);
  const dueAt = statusDueAt(entry, now);
  if (situation === undefined) return { input: undefined, removable, dueAt };
  const input = {
    situation,
    ...{ nodeIPs, recursiveReadOnly },
    startTime: new Date(entry.seenAt).toISOString(),
    failure: entry.nodeEnd?.failure,
    observedGeneration: observedGeneration(entry, next, now),
  };
  return { input, removable, dueAt };
}

/** A pod with grace 0 that the server has not removed by now is deleted once more. */
const serverRemovesWithinMs = 10_000;

/** Does the object wait for our DELETE? With grace 0 the server removes it by itself, or when the last finalizer is gone. */
function awaitsDelete(pod: Stored<Pod> | undefined, now: number): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers = [] } = pod?.metadata ?? {};
  if (deletionTimestamp === undefined) return false;
  if (deletionGracePeriodSeconds !== 0) return true;
  return finalizers.length === 0 && now - Date.parse(deletionTimestamp) > serverRemovesWithinMs;
}

/** The generation that the backend has been told of; for a pod it never had, the one that was looked at. */
function observedGeneration(entry: PodEntry, next: PodAction, now: number): number | undefined {
  const { generation } = entry.pod?.metadata ?? {};
  if (entry.backend.type !== "present" || next.type === "finish") return generation;
  // A quick deletion is told by its terminal status alone; one that takes longer is acknowledged on its way.
  if (entry.pod?.metadata.deletionTimestamp !== undefined && entry.deletion !== undefined)
    if (now - entry.deletion.at >= acknowledgeAfterMs) return generation;
  if (entry.applied === undefined) return entry.pod?.status?.observedGeneration ?? generation;
  const applied = Number(entry.applied.split("/")[0]);
  return Number.isFinite(applied) && applied > 0 ? applied : generation;
}
