// The work on pods as it stands, for those who look at it: live values, not to be changed. Types only.
import type { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodOwner } from "../provider/pods.ts";
import type { PodEntry } from "./pod-entry.ts";

/** Told of what else nobody keeps. */
export interface PodObserver {
  /** It is the first that is known of this pod. */
  seen(owner: PodOwner): void;
  /** Work on it failed so many times in a row, and is due again at `nextAt` (epoch milliseconds). */
  retry(queue: string, uid: string, error: VirtualKubeletError, failures: number, nextAt: number): void;
}

export interface Inspected {
  readonly entry: Readonly<PodEntry>;
  /** With its status as last written; undefined when the API does not have it. */
  readonly pod: Stored<Pod> | undefined;
  /** Where work on it has failed and is to be done again. */
  readonly retries: readonly PendingRetry[];
}

export interface PendingRetry {
  readonly queue: string;
  readonly failures: number;
  /** Epoch milliseconds. */
  readonly nextAt: number | undefined;
}

/** Calls of a node's provider: how many are under way, may be, and wait for that. */
export interface Slots {
  readonly taken: number;
  readonly limit: number;
  readonly waiting: number;
}

export interface InspectedNode {
  readonly pods: number;
  readonly calls: Slots;
  readonly deletions: Slots;
  /** Why its back end could not be listed. */
  readonly trouble: string | undefined;
}
