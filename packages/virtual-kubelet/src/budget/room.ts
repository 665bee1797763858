// Whether a ceiling leaves room for one more pod, and if not, in what words. Pure.
import type { Ceiling } from "./budget-settings.ts";
import { moneyText } from "./estimate.ts";

/** Of the pod's status, and of its event. */
export const budgetExceeded = "BudgetExceeded";

/** How the message of one begins that is Pending for want of room. */
export const waitsForRoom = "Pod waits: ";

/** One node or namespace, as it stands. */
export interface Account {
  readonly kind: "node" | "namespace";
  readonly name: string;
  readonly ceiling: Ceiling;
  /** Of its pods now, those that are on their way among them. */
  readonly perHour: number;
  readonly today: number;
  readonly thisMonth: number;
}

export interface NoRoom {
  /** Never: the pod alone is more than the ceiling. */
  readonly lasts: "never" | "hour" | "day" | "month";
  readonly of: Pick<Account, "kind" | "name">;
  readonly message: string;
}

/** Figures of a ceiling: what of it is used, of how much. */
export function usedOf({ ceiling, perHour, today, thisMonth }: Account): readonly {
  readonly per: "hour" | "day" | "month";
  readonly used: number;
  readonly limit: number;
}[] {
  const all = [
    { per: "hour", used: perHour, limit: ceiling.perHour },
    { per: "day", used: today, limit: ceiling.perDay },
    { per: "month", used: thisMonth, limit: ceiling.perMonth },
  ] as const;
  return all.flatMap(({ per, used, limit }) => (limit === undefined ? [] : [{ per, used, limit }]));
}

/** The first of the accounts that has no room for a pod of this cost; undefined: all have. */
export function noRoom(accounts: readonly Account[], perHour: number, currency: string): NoRoom | undefined {
  // What costs nothing takes nothing of any budget.
  if (perHour <= 0) return undefined;
  const money = (amount: number): string => moneyText(amount, currency);
  let first: NoRoom | undefined;
  for (const account of accounts) {
    const { kind, name } = account;
    for (const { per, used, limit } of usedOf(account)) {
      const ceiling = `the ceiling of ${kind} ${name} is ${money(limit)} per ${per}`;
      if (per === "hour" && isMore(perHour, limit))
        return { lasts: "never", of: account, message: `${ceiling}, and this pod alone costs ${money(perHour)}` };
      const isFull = per === "hour" ? isMore(used + perHour, limit) : used >= limit;
      if (!isFull) continue;
      const now =
        per === "hour"
          ? `its pods cost ${money(used)}, and this one ${money(perHour)} more`
          : `${money(used)} are spent`;
      first ??= { lasts: per, of: { kind, name }, message: `${ceiling}: ${now}` };
    }
  }
  return first;
}

/** Sums of fractions are not exact. */
function isMore(amount: number, limit: number): boolean {
  return amount > limit * (1 + 1e-9);
}
