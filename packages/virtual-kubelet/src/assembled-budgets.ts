// The budgets of an assembly: over its nodes and their providers, and told on the nodes.
import { Budgets } from "./budget/budgets.ts";
import type { Clock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";
import type { NodeController } from "./node/node-controller.ts";
import type { VirtualKubeletOptions } from "./virtual-kubelet-options.ts";

/** Undefined where none are configured. */
export function assembledBudgets(
  { budgets: settings, nodes }: VirtualKubeletOptions,
  controller: Pick<NodeController, "current" | "setAddition">,
  common: { readonly clock: Clock; readonly metrics: Metrics },
): Budgets | undefined {
  if (settings === undefined) return undefined;
  return new Budgets({
    ...common,
    settings,
    nodes: nodes.map(({ node, provider, prices = node.provider.name }) => ({
      ...{ name: node.name, prices },
      ...{ architecture: node.architecture ?? "amd64", operatingSystem: node.operatingSystem ?? "linux" },
      billedSize: (pod) => provider.billedSize?.(pod),
      object: () => controller.current(node.name),
    })),
    changed: (node, told) => controller.setAddition(node, told),
  });
}
