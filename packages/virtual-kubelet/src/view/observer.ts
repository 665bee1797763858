// What the process tells of itself while somebody may be looking. Without an observer nothing of it is made or called.
import type { VirtualKubeletError } from "../errors.ts";
import type { EventTarget } from "../kube/event-correlator.ts";
import type { PodOwner } from "../provider/pods.ts";

/** Told when a call has ended; without an error it succeeded. */
export type CallEnded = (error?: VirtualKubeletError) => void;

export interface ProcessObserver {
  /** A call about a pod begins. */
  providerCall(method: string, owner: PodOwner): CallEnded;
  /** A request about a pod begins; `what` is "verb resource". */
  apiCall(what: string, pod: PodReference, detail?: string): CallEnded;
  /** Work on a pod has failed so many times in a row, and is due again at `nextAt` (epoch milliseconds). */
  retry(queue: string, uid: string, error: VirtualKubeletError, failures: number, nextAt: number): void;
  event(target: EventTarget, node: string, type: "Normal" | "Warning", reason: string, message: string): void;
}

/** By UID, or by a name that has one alone at a time. */
export type PodReference = { readonly uid: string } | { readonly namespace: string; readonly name: string };
