// One node as the pod controller keeps it: its provider's room for calls, what its pods use, and what is in motion there.
import type { ContainerReport } from "../provider/pods.ts";
import type { ActionContext, PodNode } from "./action-context.ts";
import type { CallSlots } from "./call-slots.ts";
import type { NodeUsage } from "./node-usage.ts";
import type { PodAction, Rules } from "./plan.ts";
import type { PodEntry } from "./pod-entry.ts";

export interface NodeState {
  readonly node: PodNode;
  readonly usage: NodeUsage;
  readonly rules: Rules;
  readonly context: ActionContext;
  /** Deletions have slots of their own: creates that hang must not hold them up. */
  readonly slots: CallSlots;
  readonly deleteSlots: CallSlots;
  /** The backend was listed once. */
  listed: boolean;
  readonly firstListing: PromiseWithResolvers<void>;
  trouble: string | undefined;
}

/** Which of the node's slots the action's call takes; undefined: it calls nobody. */
export function slotsOf(state: NodeState, action: PodAction): CallSlots | undefined {
  if (action.type === "delete" || action.type === "stop") return state.deleteSlots;
  const { type } = action;
  const calls = type === "create" || type === "update" || type === "updateVolumes" || type === "observe";
  return calls ? state.slots : undefined;
}

/** Is any of these pods starting, stopping or expected? */
export function isInMotion(entries: Iterable<PodEntry>): boolean {
  for (const entry of entries) {
    if (entry.backend.type === "awaited") return true;
    if (entry.backend.type !== "present") continue;
    const { containers, failure } = entry.backend.report;
    // What never began of a pod that was stopped waits for nothing.
    if (failure !== undefined && !containers.some(({ state }) => state.running !== undefined)) continue;
    const settled = ({ state }: ContainerReport): boolean =>
      entry.deletion === undefined ? state.waiting === undefined : state.terminated !== undefined;
    if (!containers.every(settled) || (entry.deletion !== undefined && containers.length === 0)) return true;
  }
  return false;
}
