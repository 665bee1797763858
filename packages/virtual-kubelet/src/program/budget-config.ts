// Costs in the configuration: defaults, and what has to hold between prices, ceilings and nodes.
import type { BudgetSettings } from "../budget/budget-settings.ts";
import type { Config, NodeConfig } from "./config.ts";
import type { GivenBudgets } from "./config-settings.ts";
import type { Fault } from "./fault.ts";

export function resolvedBudgets(given: GivenBudgets | undefined): { readonly budgets?: BudgetSettings } {
  if (given === undefined) return {};
  const { currency = "", prices = {}, ceilings = {}, overCeiling = "hold" } = given;
  const { nodes = [], namespaces = [] } = ceilings;
  return { budgets: { currency, prices, ceilings: { nodes, namespaces }, overCeiling } };
}

/** Name of the price table that holds for the node. */
export function priceTableOf({ prices, provider }: Pick<NodeConfig, "prices" | "provider">): string {
  return prices ?? provider.name;
}

/** Whether a ceiling holds for pods of the node. */
export function hasCeiling({ name }: Pick<NodeConfig, "name">, budgets: BudgetSettings | undefined): boolean {
  if (budgets === undefined) return false;
  const { nodes, namespaces } = budgets.ceilings;
  return namespaces.length > 0 || nodes.some((ceiling) => ceiling.name === "*" || ceiling.name === name);
}

/** A ceiling that could not hold what it promises, and prices that nobody has. */
export function budgetFaults({ budgets, nodes }: Config, sourceOf: (path: string) => string | undefined): Fault[] {
  const fault = (path: string, message: string): Fault => ({ source: sourceOf(path) ?? "the file", path, message });
  const known = Object.keys(budgets?.prices ?? {});
  const isKnown = (name: string): boolean => known.includes(name);
  const tables = known.length === 0 ? "there is no price table" : `price tables: ${known.join(", ")}`;
  const chosen = nodes.flatMap(({ name, prices }) =>
    prices === undefined || isKnown(prices)
      ? []
      : [fault("nodes", `node ${name}: prices: there is no "${prices}" in budgets.prices (${tables})`)],
  );
  if (budgets === undefined) return chosen;
  const { ceilings } = budgets;
  const names = new Set(nodes.map(({ name }) => name));
  const strangers = ceilings.nodes.flatMap(({ name }, index) =>
    name === "*" || names.has(name)
      ? []
      : [fault(`budgets.ceilings.nodes[${index}].name`, `"${name}" is no configured node`)],
  );
  // A composite's members have tables of their own, and it looks for them itself.
  const unpriced = new Set(
    nodes
      .filter(
        (node) =>
          hasCeiling(node, budgets) &&
          node.prices === undefined &&
          !isKnown(node.provider.name) &&
          node.provider.name !== "composite",
      )
      .map(priceTableOf),
  );
  const missing = [...unpriced].map((name) =>
    fault(
      "budgets.prices",
      `lacks "${name}", a provider of nodes under a ceiling: its pods would cost nothing (${name}: {} if that is so)`,
    ),
  );
  return [...chosen, ...strangers, ...missing];
}
