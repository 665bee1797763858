// All that decisions about a pod go by: what was asked for, what the backend shows, what is remembered, what is under way.
// Decisions read it and change nothing in it.
import type { PodOwner, PodRequest } from "../provider/pods.ts";
import type { BackoffLimits, BackoffStep } from "./backoff.ts";
import type { ContainerRef, RuntimeContainer, RuntimeSandbox } from "./container-runtime.ts";
import type { PodContainer } from "./pod-container.ts";
import type { PodMemory } from "./pod-memory.ts";
import type { RunResults } from "./probe-results.ts";
import type { ResizeVerdict } from "./resize-room.ts";

export interface PodFacts {
  readonly owner: PodOwner;
  /** Undefined: a pod found on the backend, of which nobody has said yet what it is to be. */
  readonly request: PodRequest | undefined;
  readonly containers: readonly PodContainer[];
  readonly sandbox: RuntimeSandbox | undefined;
  /** Runs on the backend, and those that were there and are lost: as ended. */
  readonly runs: readonly RuntimeContainer[];
  readonly memory: PodMemory;
  /** Keys of tasks under way. */
  readonly underWay: ReadonlySet<string>;
  /** What was found out in the life of this process. */
  readonly found: Findings;
  probes(ref: ContainerRef): RunResults | undefined;
  readonly limits: BackoffLimits;
  /** The runtime has `stopSandbox`. */
  readonly canStopSandbox: boolean;
  /** The runtime has `updateResources`. */
  readonly canResize: boolean;
  /** May it have more of the node than it has? Absent: always. */
  readonly room?: (() => ResizeVerdict) | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** Why a run is not created or started. */
export interface StartError {
  /** The run meant. */
  readonly attempt: number;
  readonly image: string;
  /** As in a waiting state. */
  readonly reason: string;
  readonly message: string;
  readonly at: number;
  /** When to try again, epoch milliseconds. */
  readonly againAt: number;
}

export interface Findings {
  /** By container: an image that is there for this run of it. */
  readonly images: ReadonlyMap<string, { readonly attempt: number; readonly image: string }>;
  /** By container. */
  readonly startErrors: ReadonlyMap<string, StartError>;
  /** By image. */
  readonly pulls: ReadonlyMap<string, BackoffStep>;
  /** Termination messages, by run. */
  readonly messages: ReadonlyMap<string, string>;
  /** Runs that stopContainer has said to have ended. */
  readonly stopped: ReadonlySet<string>;
  /** Runs whose postStart failed. */
  readonly postStartFailed: ReadonlySet<string>;
  /** Changes of resources that were refused, with the reason. */
  readonly unresizable: ReadonlyMap<string, string>;
  /** The last failure of a resize that is tried again, by run. */
  readonly resizeErrors: ReadonlyMap<string, string>;
  /** When the last try to make the sandbox failed. */
  readonly sandboxFailedAt: number | undefined;
  /** It was to be made, and has not been removed since: it may be there although it is not shown. */
  readonly sandboxUncertain: boolean;
}

/** Names a run in maps. */
export function runKey(run: { readonly name: string; readonly attempt: number }): string {
  return `${run.name}/${run.attempt}`;
}
