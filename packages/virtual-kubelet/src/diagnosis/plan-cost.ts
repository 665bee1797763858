// What a pod of a plan would cost on a node, and whether that alone is more than a ceiling. Pure.
import { type BudgetSettings, ceilingOf } from "../budget/budget-settings.ts";
import { moneyText } from "../budget/estimate.ts";
import { podEstimate } from "../budget/node-budget.ts";
import { noRoom } from "../budget/room.ts";
import type { Pod } from "../kube/types.gen.ts";
import { priceTableOf } from "../program/budget-config.ts";
import type { NodeConfig } from "../program/config.ts";
import type { ProviderDescription } from "../provider.ts";

export interface PlannedCost {
  readonly currency: string;
  readonly perHour: number;
  readonly basis: string;
}

export interface CostVerdict {
  readonly cost: PlannedCost;
  /** The ceiling below which it would never be let in. */
  readonly tooMuch: string | undefined;
}

export function plannedCosts(
  { prices, currency, ceilings }: BudgetSettings,
  node: NodeConfig,
  description: ProviderDescription,
): (pod: Pod) => CostVerdict {
  const { name, architecture = "amd64", operatingSystem } = node;
  const of = { prices: priceTableOf(node), architecture, operatingSystem, billedSize: description.billedSize };
  return (pod) => {
    const { perHour, basis } = podEstimate(pod, of, prices);
    const namespace = pod.metadata?.namespace ?? "";
    const accounts = (
      [
        { kind: "node", name, ceiling: ceilingOf(ceilings.nodes, name) },
        { kind: "namespace", name: namespace, ceiling: ceilingOf(ceilings.namespaces, namespace) },
      ] as const
    ).flatMap(({ ceiling, ...account }) =>
      ceiling === undefined ? [] : [{ ...account, ceiling, perHour: 0, today: 0, thisMonth: 0 }],
    );
    const tooMuch = noRoom(accounts, perHour, currency)?.message;
    return { cost: { currency, perHour, basis }, tooMuch };
  };
}

/** For people. */
export function costText({ currency, perHour, basis }: PlannedCost): string {
  return `about ${moneyText(perHour, currency)} per hour by the configured prices: ${basis}`;
}
