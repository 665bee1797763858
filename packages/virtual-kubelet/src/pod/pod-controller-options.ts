// What a pod controller is made of, and how it can be tuned.
import type { Budgets } from "../budget/budgets.ts";
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { PodNode } from "./action-context.ts";
import type { PodObserver } from "./pod-inspection.ts";
import type { PodResolution } from "./resolution.ts";
import type { StatusForm } from "./status-manager.ts";

export interface PodControllerOptions {
  readonly client: KubeClient;
  readonly recorder: Pick<EventRecorder, "record">;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly nodes: readonly PodNode[];
  readonly budgets?: Budgets | undefined;
  /** Resolves pods for the providers that want it. */
  readonly resolution?: PodResolution | undefined;
  /** UID of the cluster, written with every pod on a backend. */
  readonly cluster: string;
  /** "per-node": one watch for each node; "shared": one for all, foreign pods dropped before they are kept. */
  readonly watchMode: "per-node" | "shared";
  /** The credentials may watch all pods: with a watch per node that is done for minutes while the server cannot keep up. Default false. */
  readonly mayWatchAll?: boolean | undefined;
  /** Concurrent provider calls of each node, and as many deletions beside them; default 10. */
  readonly workers?: number | undefined;
  /** Concurrent status writes; default 128. */
  readonly statusWorkers?: number | undefined;
  /** Default "put". */
  readonly statusForm?: StatusForm | undefined;
  /** Every pod is looked at again so often even if nothing happened; default 1 min. */
  readonly resyncMs?: number | undefined;
  /** Defaults 1 s and 30 s. */
  readonly pollMinMs?: number | undefined;
  readonly pollMaxMs?: number | undefined;
  /** How long an orphan on the backend is left alone; default 60 s. */
  readonly orphanGraceMs?: number | undefined;
  /** Time between the two answers that make a pod lost; default 30 s. */
  readonly lostAfterMs?: number | undefined;
  /** Longest time of one provider call; default 2 min. */
  readonly callTimeoutMs?: number | undefined;
  readonly observer?: PodObserver | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

export const defaultCallTimeoutMs = 120_000;
