// What pods cost, as their work sees it: who is let in, since when it is billed, and how one waits until there is room.
import type { Budgets } from "../budget/budgets.ts";
import type { BilledPod } from "../budget/node-budget.ts";
import { budgetExceeded, type NoRoom, waitsForRoom } from "../budget/room.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import { type ActionContext, event, fields, type PodBudget } from "./action-context.ts";
import type { UsageAccount } from "./node-usage.ts";
import type { PodEntry } from "./pod-entry.ts";
import type { PodRecords } from "./pod-records.ts";

export function podBudget(
  node: string,
  all: Budgets | undefined,
  records: Pick<PodRecords, "get">,
  onWork: (uid: string) => void,
): PodBudget | undefined {
  const own = all?.of(node);
  if (all === undefined || own === undefined) return undefined;
  all.retryWith(onWork);
  own.follow((uid) => billedPod(records.get(uid)));
  return { all, own };
}

export function usageAccount({ all, own }: PodBudget): UsageAccount {
  return { opened: (uid, pod) => all.opened(own, uid, pod), closed: (uid) => all.closed(own, uid) };
}

/** Billed from when the back end took it, by its own word where it has one. */
function billedPod(entry: PodEntry | undefined): BilledPod | undefined {
  if (entry?.pod === undefined) return undefined;
  const { pod, report, create, createdAt } = entry;
  const told = Date.parse(report?.startTime ?? "");
  const known = Date.parse(pod.status?.startTime ?? "");
  const taken = createdAt > 0 && create === "accepted" ? createdAt : Number.isFinite(known) ? known : entry.seenAt;
  const isTaken = report !== undefined || create === "accepted";
  return { pod, since: !isTaken ? undefined : Number.isFinite(told) ? told : taken };
}

/** Why the pod is refused for good, or made Failed for want of room; undefined: it is let in, or waits. */
export function refusedByBudget(
  pod: Stored<Pod>,
  { budget }: ActionContext,
): { reason: string; message: string } | undefined {
  const why = budget?.all.noRoom(budget.own, pod);
  if (why === undefined || (why.lasts !== "never" && budget?.all.fails === false)) return undefined;
  return { reason: budgetExceeded, message: why.message };
}

/** In how many milliseconds to look again at one for which there is no room; undefined: there is. */
export function waitsForBudget(entry: PodEntry, pod: Stored<Pod>, context: ActionContext): number | undefined {
  const { budget } = context;
  const why = budget?.all.noRoom(budget.own, pod);
  if (budget === undefined || why === undefined) {
    entry.overBudget = undefined;
    return undefined;
  }
  tellOnce(entry, why, context);
  return budget.all.waits(budget.own, entry.owner.uid, why);
}

/** The figures change all the time: those of the first look stay. */
function tellOnce(entry: PodEntry, { message }: NoRoom, context: ActionContext): void {
  if (entry.overBudget !== undefined) return;
  const text = `${waitsForRoom}${message}`;
  entry.overBudget = { reason: budgetExceeded, message: text };
  context.log.warn({ ...fields(entry), reason: budgetExceeded }, `pod waits: ${message}`);
  event(entry, context, "Warning", budgetExceeded, text);
  context.onStatus(entry.owner.uid);
}
