// What is told of all pods as figures: how many there are in which phase, for how long the oldest ones have been on their way,
// and what they take of their nodes.
import type { Metrics } from "../metrics.ts";
import { quantities } from "../status/pod-resources.ts";
import type { PodNode } from "./action-context.ts";
import type { NodeUsage } from "./node-usage.ts";
import type { PodEntry } from "./pod-entry.ts";

/** When the pod was bound to the node, epoch ms, as far as is known; whole seconds are taken as their end. */
export function boundAt({ pod, seenAt }: Pick<PodEntry, "pod" | "seenAt">): number {
  const bound = pod?.status?.conditions?.find(({ type }) => type === "PodScheduled")?.lastTransitionTime;
  return bound === undefined ? seenAt : Math.min(seenAt, Date.parse(bound) + 999);
}

/** Sets the gauges of pods. `phaseOf` is the phase as last written. */
export function tellPods(
  { pods, podsOldest }: Pick<Metrics, "pods" | "podsOldest">,
  nodes: Iterable<string>,
  entries: Iterable<PodEntry>,
  phaseOf: (entry: PodEntry) => string,
  now: number,
): void {
  const pending = new Map<string, number>();
  const terminating = new Map<string, number>();
  pods.reset();
  for (const node of nodes) {
    pending.set(node, 0);
    terminating.set(node, 0);
  }
  const note = (of: Map<string, number>, node: string, ageMs: number): void => {
    of.set(node, Math.max(of.get(node) ?? 0, ageMs));
  };
  for (const entry of entries) {
    const { inApi, pod, owner } = entry;
    if (!inApi || pod === undefined) continue;
    const phase = phaseOf(entry);
    pods.inc({ node: owner.node, phase });
    const { deletionTimestamp } = pod.metadata;
    // The API writes into it when the grace ends.
    if (deletionTimestamp !== undefined) note(terminating, owner.node, now - Date.parse(deletionTimestamp));
    else if (phase === "Pending") note(pending, owner.node, now - boundAt(entry));
  }
  for (const [node, ageMs] of pending) podsOldest.set({ node, state: "pending" }, ageMs / 1000);
  for (const [node, ageMs] of terminating) podsOldest.set({ node, state: "terminating" }, ageMs / 1000);
}

/** Sets the gauges of what a node has and gives. */
export function tellRoom(
  { nodeAllocatable, nodeRequested }: Pick<Metrics, "nodeAllocatable" | "nodeRequested">,
  { name: node, object }: Pick<PodNode, "name" | "object">,
  usage: Pick<NodeUsage, "total" | "pods">,
): void {
  for (const [resource, amount] of quantities(object()?.status?.allocatable)) {
    const unit = resource === "cpu" ? 1000 : 1;
    const requested = resource === "pods" ? usage.pods : Number(usage.total.get(resource) ?? 0n);
    nodeAllocatable.set({ node, resource }, Number(amount) / unit);
    nodeRequested.set({ node, resource }, requested / unit);
  }
}
