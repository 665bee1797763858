// What the actions on a pod work with: its node, the process's parts, and how they tell what they do.
import type { Budgets } from "../budget/budgets.ts";
import type { NodeBudget } from "../budget/node-budget.ts";
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder, EventTarget } from "../kube/event-recorder.ts";
import type { Stored } from "../kube/resource.ts";
import type { Node, Pod } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import type { Provider } from "../provider.ts";
import type { NodeUsage } from "./node-usage.ts";
import type { PodEntry } from "./pod-entry.ts";
import type { PodRecords } from "./pod-records.ts";
import type { RefusalPacer } from "./refusal-pacer.ts";
import type { PodResolution } from "./resolution.ts";

/** One node as the pod side sees it. */
export interface PodNode {
  readonly name: string;
  readonly provider: Provider;
  /** The Node object as last seen; undefined before its registration. */
  object(): Stored<Node> | undefined;
  /** IPs of the node, primary first: hostIPs of its pods. */
  addresses(): readonly string[];
}

/** The budget of a node among those of the process. */
export interface PodBudget {
  readonly all: Budgets;
  readonly own: NodeBudget;
}

/** Counts what becomes of pods. */
export interface ActionTally {
  orphanRemoved(node: string): void;
  lost(node: string): void;
  refused(node: string, reason: string): void;
}

export interface ActionContext {
  readonly node: PodNode;
  readonly usage: NodeUsage;
  readonly records: PodRecords;
  readonly pacer: RefusalPacer;
  /** What pods may cost, where that is configured. */
  readonly budget: PodBudget | undefined;
  /** Where the provider wants pods resolved. */
  readonly resolution: PodResolution | undefined;
  readonly client: KubeClient;
  readonly recorder: Pick<EventRecorder, "record">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly callTimeoutMs: number;
  readonly consistencyDelayMs: number;
  /** The node takes no more pods. */
  readonly isShuttingDown: () => boolean;
  readonly onStatus: (uid: string, afterMs?: number) => void;
  readonly tally: ActionTally;
}

/** Records an event about the pod, or about one of its containers. */
export function event(
  entry: PodEntry,
  context: Pick<ActionContext, "recorder">,
  type: "Normal" | "Warning",
  reason: string,
  message: string,
  container?: string | undefined,
): void {
  const { namespace, name, uid, node } = entry.owner;
  const resourceVersion = entry.pod?.metadata.resourceVersion;
  const fieldPath = container === undefined ? undefined : fieldPathOf(entry.pod, container);
  const target: EventTarget = { apiVersion: "v1", kind: "Pod", namespace, name, uid, resourceVersion, fieldPath };
  context.recorder.record(target, type, reason, message, { host: node });
}

function fieldPathOf(pod: Stored<Pod> | undefined, container: string): string {
  const has = (list: readonly { readonly name: string }[] | undefined): boolean =>
    list?.some((one) => one.name === container) ?? false;
  if (has(pod?.spec?.initContainers)) return `spec.initContainers{${container}}`;
  if (has(pod?.spec?.ephemeralContainers)) return `spec.ephemeralContainers{${container}}`;
  return `spec.containers{${container}}`;
}

/** The pod, for log lines. */
export function fields(entry: PodEntry): { readonly pod: string; readonly uid: string } {
  return { pod: `${entry.owner.namespace}/${entry.owner.name}`, uid: entry.owner.uid };
}
