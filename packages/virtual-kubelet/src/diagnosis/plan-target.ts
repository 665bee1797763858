// The node that a plan is for: as configured, with what its provider says of itself without a pod being made.
import { silentLogger } from "../log.ts";
import { desiredNode, nodeFromTemplate, withCapacity } from "../node/node-object.ts";
import { nodeSpecOf } from "../program/assemble.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import { loadDescription, loadProvider, makeProvider } from "../program/load-provider.ts";
import { providerInit } from "../program/provider-init.ts";
import type { NodeReport } from "../provider/node.ts";
import type { CallContext, Provider, ProviderDescription, ProviderInit } from "../provider.ts";
import { plannedCosts } from "./plan-cost.ts";
import type { PlanTarget } from "./plan-pod.ts";

const patienceMs = 15_000;

/** Throws what the provider throws about its configuration. */
export async function planTarget(config: Config, node: NodeConfig, cwd: string): Promise<PlanTarget> {
  const { name } = node.provider;
  const init = providerInit(node, config, { cluster: "plan", log: silentLogger });
  const describe = await loadDescription(name, cwd);
  const description = describe === undefined ? await asked(name, cwd, init) : await describe(init);
  const report = description.node === undefined ? {} : withCapacity(description.node, node.capacity);
  const { nodeInfo: _nodeInfo, ...rest } = report;
  const desired = desiredNode(nodeFromTemplate(nodeSpecOf(node, config)), rest, undefined);
  return {
    node: { ...desired, metadata: { ...desired.metadata, uid: "", resourceVersion: "0" } },
    provider: name,
    description,
    clusterDomain: config.clusterDomain,
    ...(config.budgets === undefined ? {} : { costs: plannedCosts(config.budgets, node, description) }),
  };
}

/** Of a provider that says nothing beforehand. */
async function asked(name: string, cwd: string, init: ProviderInit): Promise<ProviderDescription> {
  const context: CallContext = { signal: AbortSignal.timeout(patienceMs), log: silentLogger };
  const provider = await makeProvider(await loadProvider(name, cwd), name, init, context);
  try {
    return {
      capabilities: provider.capabilities ?? {},
      node: await firstReport(provider, context),
      billedSize: (pod) => provider.billedSize?.(pod),
    };
  } finally {
    await provider[Symbol.asyncDispose]?.();
  }
}

async function firstReport(provider: Provider, context: CallContext): Promise<NodeReport | undefined> {
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  try {
    for await (const report of provider.watchNode?.({ ...context, signal }) ?? []) return report;
    return undefined;
  } finally {
    end.abort();
  }
}
