// What is configured about costs. Types only.
import type { PriceTables } from "../provider/billing.ts";

/** At most so much; what is not named is not limited. In UTC days and months. */
export interface Ceiling {
  /** Of a node or namespace; "*": each that has none of its own. */
  readonly name: string;
  /** What its pods cost together while they run. */
  readonly perHour?: number | undefined;
  readonly perDay?: number | undefined;
  readonly perMonth?: number | undefined;
}

export interface BudgetSettings {
  /** A name alone: nothing is converted. */
  readonly currency: string;
  readonly prices: PriceTables;
  readonly ceilings: {
    readonly nodes: readonly Ceiling[];
    /** Over all nodes of the process. */
    readonly namespaces: readonly Ceiling[];
  };
  /** What becomes of a pod for which there is no room now: it waits, or becomes Failed so that its controller makes another. */
  readonly overCeiling: "hold" | "fail";
}

/** Its own, else that of all. */
export function ceilingOf(ceilings: readonly Ceiling[], name: string): Ceiling | undefined {
  return ceilings.find((each) => each.name === name) ?? ceilings.find((each) => each.name === "*");
}
