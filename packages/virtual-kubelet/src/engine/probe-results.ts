// What probes and hooks have to say to the engine, and what they are told: the seam between the machine that runs pods and
// the pieces that look into their containers. Types only.
import type { Container, LifecycleHandler } from "../kube/types.gen.ts";
import type { ProbeMetrics } from "../provider/node.ts";
import type { PodOwner } from "../provider/pods.ts";
import type { ContainerIO, ExecResult } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import type { ContainerRef } from "./container-runtime.ts";

export type ProbeType = "startup" | "liveness" | "readiness";

/** "unknown": has not said anything yet. Changes only when a threshold is reached. */
export type ProbeResult = "unknown" | "success" | "failure";

/** One run of a container, to be looked into or spoken to. */
export interface RunTarget {
  readonly owner: PodOwner;
  readonly ref: ContainerRef;
  /** As in the pod's spec: its probes, its hooks, its named ports. */
  readonly container: Container;
  /** First is the one to dial where a handler names no host; empty while there is none. */
  readonly podIPs: readonly string[];
  /** Runs a command in this very run. */
  exec(command: readonly string[], io: ContainerIO, context: CallContext): Promise<ExecResult>;
}

/** A run that is to be probed. */
export interface ProbedRun extends RunTarget {
  /** When the run started, epoch milliseconds: initialDelaySeconds count from it. */
  readonly startedAt: number;
  /** Which of its probes go on. A pod in deletion keeps readiness alone. */
  readonly types: readonly ProbeType[];
  /** What was known of it before a restart of this program: the results to begin with, where it has been said. */
  readonly known: { readonly started?: boolean | undefined; readonly ready?: boolean | undefined };
}

export interface RunResults {
  /** No startup probe: "success". */
  readonly startup: ProbeResult;
  /** No liveness probe: "success"; with one, "success" until it fails. */
  readonly liveness: ProbeResult;
  /** No readiness probe: "success"; with one, "failure" until it succeeds. */
  readonly readiness: ProbeResult;
}

/** All probes of one node's pods. */
export interface ProbeManager {
  /**
   * All runs of a pod that are to be probed now, in place of those said before: runs not named are probed no more and
   * forgotten. Cheap when nothing changed. Never throws.
   */
  sync(podUid: string, runs: readonly ProbedRun[]): void;
  /** Undefined for a run that is not probed. */
  results(ref: ContainerRef): RunResults | undefined;
  /** For /metrics/probes. */
  metrics(): ProbeMetrics;
  /** Ends all probes. */
  stop(): void;
}

/** What a ProbeManager calls; neither may throw. */
export interface ProbeListener {
  /** A result of this pod changed: ask for the results. */
  changed(podUid: string): void;
  /** Unhealthy and ProbeWarning, by run. */
  event(run: ProbedRun, type: "Normal" | "Warning", reason: string, message: string): void;
}

/** How a lifecycle hook ended. */
export type HookOutcome =
  /** `warning`: an event of the pod's about how it was done. */
  | { readonly type: "succeeded"; readonly warning?: { readonly reason: string; readonly message: string } | undefined }
  /** `message` for logs alone; the events have fixed texts, see hookFailedEvents. */
  | { readonly type: "failed"; readonly message: string };

/** Runs a handler to its end. Never throws but Aborted, when the signal aborts. */
export type RunHook = (handler: LifecycleHandler, target: RunTarget, context: CallContext) => Promise<HookOutcome>;
