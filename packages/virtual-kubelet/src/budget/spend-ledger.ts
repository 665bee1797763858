// What was spent on one node this day and this month, in UTC, by namespace as well; kept on the Node, so that it survives the program.
import { costOf } from "./estimate.ts";

/** Annotation of the Node. */
export const spendAnnotation = "virtual-kubelet.io/spend";

/** Namespaces that are remembered apart; those that spent least are dropped first. */
const mostNamespaces = 1000;
/** Of them, in the annotation. */
const mostKept = 200;

export type Period = "day" | "month";

export class SpendLedger {
  /** Since its begin, epoch milliseconds; "": of the whole node, which is no namespace's name. */
  readonly #spent: Record<Period, { begin: number; readonly of: Map<string, number> }> = {
    day: { begin: 0, of: new Map() },
    month: { begin: 0, of: new Map() },
  };

  /** From `from` to `to`, epoch milliseconds, at `perHour`. */
  add(namespace: string, perHour: number, from: number, to: number): void {
    for (const period of ["day", "month"] as const) {
      const spent = this.#at(period, to);
      const amount = costOf(perHour, to - Math.max(from, spent.begin));
      if (amount <= 0) continue;
      for (const name of ["", namespace]) spent.of.set(name, (spent.of.get(name) ?? 0) + amount);
      if (spent.of.size > mostNamespaces + 1) spent.of.delete(least(spent.of));
    }
  }

  /** Of the node, or of a namespace on it. */
  spent(period: Period, now: number, namespace = ""): number {
    return this.#at(period, now).of.get(namespace) ?? 0;
  }

  /** For the annotation; `at` is up to when all is counted. */
  text(at: number): string {
    const kept = (period: Period): Readonly<Record<string, number>> =>
      Object.fromEntries(
        [...this.#at(period, at).of]
          .sort(([one, a], [other, b]) => (one === "" ? -1 : other === "" ? 1 : b - a))
          .slice(0, mostKept + 1)
          .map(([name, amount]) => [name, Number(amount.toPrecision(8))]),
      );
    return JSON.stringify({ at: new Date(at).toISOString(), day: kept("day"), month: kept("month") });
  }

  /** Takes in what the annotation says. Answers up to when that is counted; undefined where it says nothing. */
  restore(text: string | undefined, now: number): number | undefined {
    const kept = parsed(text);
    const at = Date.parse(String(kept?.["at"]));
    // A clock that was ahead then would keep everything uncounted until it is reached again.
    if (kept === undefined || !Number.isFinite(at) || at > now) return undefined;
    for (const period of ["day", "month"] as const) {
      const { begin, of } = this.#at(period, now);
      if (at < begin) continue;
      for (const [name, amount] of Object.entries(Object(kept[period])).slice(0, mostKept + 1))
        if (typeof amount === "number" && Number.isFinite(amount) && amount >= 0) of.set(name, amount);
    }
    return at;
  }

  #at(period: Period, now: number): { begin: number; readonly of: Map<string, number> } {
    const spent = this.#spent[period];
    const begin = beginOf(period, now);
    if (spent.begin < begin) {
      spent.begin = begin;
      spent.of.clear();
    }
    return spent;
  }
}

export function beginOf(period: Period, now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), period === "day" ? date.getUTCDate() : 1);
}

/** When the next one begins. */
export function endOf(period: Period, now: number): number {
  const date = new Date(now);
  return period === "day"
    ? beginOf("day", now) + 86_400_000
    : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

function least(of: ReadonlyMap<string, number>): string {
  let found = "";
  for (const [name, amount] of of) if (name !== "" && (found === "" || amount < (of.get(found) ?? 0))) found = name;
  return found;
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : undefined;
  } catch {
    return undefined;
  }
}
