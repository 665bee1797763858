// Which situation of a pod its status is to be computed from: a pure function of what is known of it.
import type { PodSituation } from "../status/pod-situation.ts";
import { isTerminal } from "../status/pod-status.ts";
import type { PodAction } from "./plan.ts";
import type { PodEntry } from "./pod-entry.ts";

/** A create that shows nothing after so long gets a status of its own (ContainerCreating); a faster one saves that write. */
export const acceptedAfterMs = 1000;

/** The same for a deletion: one that takes longer has its generation acknowledged before it ends. */
export const acknowledgeAfterMs = 1000;

/** Epoch ms from which the status is another one even if nothing happens; undefined: none such is ahead. */
export function statusDueAt({ pod, report, createStartedAt, deletion }: PodEntry, now: number): number | undefined {
  const dues: number[] = [];
  if (report === undefined && createStartedAt !== undefined) dues.push(createStartedAt + acceptedAfterMs);
  if (deletion !== undefined && pod?.metadata.deletionTimestamp !== undefined)
    dues.push(deletion.at + acknowledgeAfterMs);
  const ahead = dues.filter((due) => due > now);
  return ahead.length === 0 ? undefined : Math.min(...ahead);
}

/** Undefined: nothing is to be written (yet). `next` is what plan says about the pod now. */
export function situationOf(entry: PodEntry, next: PodAction, now: number): PodSituation | undefined {
  const { pod } = entry;
  if (pod === undefined || !entry.inApi || isTerminal(pod.status)) return undefined;
  // Told to stop, and the backend shows nothing of it any more: also a report that lacks what never started.
  const stopped = entry.deletion !== undefined || entry.backend.type === "absent";
  const over = next.type === "finish" && stopped;
  if (over && pod.metadata.deletionTimestamp !== undefined) return { type: "ended", report: entry.report };
  if (entry.refusal !== undefined) {
    const { reason, message, final } = entry.refusal;
    return { type: final ? "refused" : "held", reason, message };
  }
  if (entry.lost) return { type: "lost", report: entry.report };
  if (over) return { type: "ended", report: entry.report };
  if (entry.overBudget !== undefined) return { type: "held", ...entry.overBudget };
  if (entry.report !== undefined) return { type: "reported", report: entry.report };
  if (entry.missing !== undefined) return { type: "unresolved", faults: entry.missing };
  if (entry.failure !== undefined)
    return { type: "providerFailed", message: entry.failure, ...(entry.waiting && { waiting: entry.waiting }) };
  if (entry.createStartedAt !== undefined && now - entry.createStartedAt >= acceptedAfterMs)
    return { type: "accepted" };
  return undefined;
}
