// One node as the pod controller keeps it: its provider's room for calls, what its pods use, and what is in motion there.
import type { ContainerReport } from "../provider/pods.ts";
import type { ActionContext, PodNode } from "./action-context.ts";
import { CallSlots } from "./call-slots.ts";
import { NodeUsage } from "./node-usage.ts";
import type { PodAction, Rules } from "./plan.ts";
import { podBudget, usageAccount } from "./pod-budget.ts";
import { defaultCallTimeoutMs, type PodControllerOptions } from "./pod-controller-options.ts";
import type { PodEntry } from "./pod-entry.ts";
import { takesPartial } from "./resolution.ts";

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

/** What the nodes of a controller have in common. */
export interface NodeParts
  extends Pick<ActionContext, "records" | "pacer" | "tally" | "clock" | "isShuttingDown" | "onStatus"> {
  readonly options: PodControllerOptions;
  /** A pod may have something to do. */
  readonly onWork: (uid: string) => void;
}

export function nodeState(node: PodNode, { options, onWork, ...parts }: NodeParts): NodeState {
  const { provider } = node;
  const { client, recorder, log, callTimeoutMs = defaultCallTimeoutMs, workers = 10 } = options;
  const resolution = provider.capabilities?.resolve === true ? options.resolution : undefined;
  const consistencyDelayMs = (provider.capabilities?.consistencyDelaySeconds ?? 0) * 1000;
  const rules: Rules = {
    canUpdate: provider.updatePod !== undefined,
    canUpdateVolumes: resolution !== undefined && provider.updateVolumes !== undefined,
    canFollow: resolution !== undefined && takesPartial(provider),
    consistencyDelayMs,
    lostAfterMs: options.lostAfterMs ?? 30_000,
    orphanGraceMs: options.orphanGraceMs ?? 60_000,
    deleteAgainMs: 10_000,
  };
  const budget = podBudget(node.name, options.budgets, parts.records, onWork);
  const usage = new NodeUsage(budget && usageAccount(budget));
  const context: ActionContext = {
    ...parts,
    ...{ node, usage, budget, resolution, client, recorder, callTimeoutMs, consistencyDelayMs },
    log: log.child({ node: node.name }),
  };
  return {
    ...{ node, usage, rules, context, slots: new CallSlots(workers), deleteSlots: new CallSlots(workers) },
    listed: false,
    firstListing: Promise.withResolvers(),
    trouble: undefined,
  };
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
