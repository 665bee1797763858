// What a provider module is handed of the configuration, whether it is to run pods, to be described or to be checked. Pure.
import type { ProviderInit } from "../provider.ts";
import { hasCeiling } from "./budget-config.ts";
import type { Config, NodeConfig } from "./config.ts";

export function providerInit(
  node: NodeConfig,
  config: Config,
  { cluster, log }: Pick<ProviderInit, "cluster" | "log">,
): ProviderInit {
  const { configPath, config: settings } = node.provider;
  return {
    node: node.name,
    operatingSystem: node.operatingSystem,
    cluster,
    clusterDomain: config.clusterDomain,
    internalIP: node.internalIP,
    daemonEndpointPort: node.port,
    configPath,
    config: settings,
    prices: config.budgets?.prices,
    hasCeiling: hasCeiling(node, config.budgets),
    log,
  };
}
