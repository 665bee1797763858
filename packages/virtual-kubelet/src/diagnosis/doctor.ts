// `virtual-kubelet doctor`: checks what the program needs of the cluster, in order, each with the fix. Changes nothing in the cluster.
import { errorText, isErrorKind } from "../errors.ts";
import { daemonSets, leases, nodes, type Stored } from "../kube/resource.ts";
import type { DaemonSet } from "../kube/types.gen.ts";
import { leaseNamespace } from "../node/lease-controller.ts";
import type { Config, NodeConfig } from "../program/config.ts";
import { flagText } from "../program/load-config.ts";
import { withNodeIPs } from "../program/node-ip.ts";
import type { ProviderDescription } from "../provider.ts";
import { configOf, orOfTrial } from "./cluster.ts";
import { checkAccess } from "./doctor-access.ts";
import { checkApproval, checkBootstrap } from "./doctor-approval.ts";
import { type ClusterContext, callMs, type Finding, fail, type NodeContext, skip } from "./doctor-check.ts";
import { checkClock } from "./doctor-clock.ts";
import { type Cluster, findCluster } from "./doctor-cluster.ts";
import { futureCertificate, futureReach } from "./doctor-endpoint.ts";
import { checkCertificate, checkReach } from "./doctor-kubelet.ts";
import { checkMetrics, metricsServerFault } from "./doctor-metrics.ts";
import {
  checkDaemonSets,
  checkName,
  checkTaintsAndLabels,
  foreignCredentials,
  isAlive,
  isForeign,
  placedHere,
} from "./doctor-node.ts";
import { checkProvider, describe } from "./doctor-provider.ts";
import { findingText, type NamedFinding, type NodeFinding, nodesText, shared, summary } from "./doctor-report.ts";
import { withoutName } from "./node-names.ts";
import type { Invocation } from "./run.ts";

/** Nodes that are looked at side by side. */
const atOnce = 16;

/** 0: nothing failed; 1: something did; 2: wrong usage. */
export async function doctor(asked: Invocation): Promise<number> {
  const { operands, stdout, usage, json, cwd } = asked;
  if (operands.length > 0) return usage(`doctor: unexpected "${operands[0]}"`);
  const input = orOfTrial(asked);
  const { line } = input;
  const { config: given } = await configOf(input);
  const config = withNodeIPs(given);
  const placed = new Set(given.nodes.filter((node) => placedHere(node, given)).map(({ name }) => name));
  const isNamed = flagText(line, "provider") !== undefined || flagText(line, "config") !== undefined;
  const found: NamedFinding[] = [];
  const add = (check: string, finding: Finding): void => {
    found.push({ check, ...finding });
    if (!json) stdout.write(findingText({ check, ...finding }));
  };

  const cluster = await findCluster(config, input.env);
  const { context } = cluster;
  add("kubeconfig", cluster.kubeconfig);
  add("API server", cluster.server);
  const looked: NodeFinding[] = [];
  try {
    const providers = new Providers(config, cwd, isNamed);
    const common =
      context === undefined ? undefined : { ...(await inCommon(context, cluster, providers, add)), placed };
    if (cluster.cluster !== undefined) {
      const { cluster: where } = cluster;
      add("clock", await guarded(() => checkClock(where, Date.now)));
    }
    const left = config.nodes.values();
    const worker = async (): Promise<void> => {
      for (const node of left) looked.push(...(await nodeFindings(node, context, common, providers)));
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  } finally {
    await context?.client.close();
  }
  const names = config.nodes.map(({ name }) => name);
  looked.sort((a, b) => names.indexOf(a.node) - names.indexOf(b.node));
  const ofNodes = shared(looked);
  const all = [...found, ...ofNodes];
  const well = all.every(({ status }) => status !== "fail");
  if (json) stdout.write(`${JSON.stringify({ ok: well, nodes: names, findings: all }, undefined, 2)}\n`);
  else stdout.write(nodesText(ofNodes, names) + summary(all));
  return well ? 0 : 1;
}

/** What is asked once for all nodes. */
interface Common {
  /** Nothing but certificates may be asked for. */
  readonly bootstraps: boolean;
  readonly metricsServer: Finding | undefined;
  /** Why they cannot be seen, or those that there are. */
  readonly daemonSets: Finding | readonly Stored<DaemonSet>[];
  /** Nodes for which the configuration names an address of this machine. */
  readonly placed: ReadonlySet<string>;
}

async function inCommon(
  context: ClusterContext,
  { bootstraps }: Cluster,
  providers: Providers,
  add: (check: string, finding: Finding) => void,
): Promise<Omit<Common, "placed">> {
  const resolves = await providers.anyResolves();
  add("permissions", await guarded(() => checkAccess(context, { resolves, bootstraps })));
  if (bootstraps) return { bootstraps, metricsServer: undefined, daemonSets: [] };
  const metricsServer = context.config.kubelet.serve
    ? await guarded(() => metricsServerFault(context.client))
    : undefined;
  if (metricsServer !== undefined) add("metrics-server", metricsServer);
  const sets = await guarded(async () => (await context.client.list(daemonSets, { timeoutMs: callMs })).items);
  return { bootstraps, metricsServer, daemonSets: sets };
}

async function nodeFindings(
  node: NodeConfig,
  cluster: ClusterContext | undefined,
  common: Common | undefined,
  providers: Providers,
): Promise<readonly NodeFinding[]> {
  const found: NodeFinding[] = [];
  const add = (check: string, findings: Finding | readonly Finding[]): void => {
    for (const finding of [findings].flat()) found.push({ node: node.name, check, ...finding });
  };
  if (cluster === undefined || common === undefined) {
    add("provider", await providers.check(node, false));
    return found;
  }
  if (common.bootstraps) {
    add("reachability", await guarded(() => futureReach(cluster.config, node, cluster.ports)));
    add("certificate", await guarded(() => futureCertificate(cluster.config, node, cluster.now())));
    add("approval", await guarded(() => checkBootstrap(cluster, node.name)));
    add("provider", await providers.check(node, false));
    add("node name", skip("the node has no credentials of its own yet", "start it, and see approval"));
    return found;
  }
  const context = await guarded(() => seen(cluster, node, providers, common));
  if ("status" in context) {
    add("provider", await providers.check(node, false));
    add("node name", foreignCredentials(cluster.user, node.name) ?? context);
    return found;
  }
  if (isForeign(context)) {
    // What its kubelet shows and announces is not this program's.
    add("provider", await providers.check(node, false));
    add("node name", checkName(context));
    return found;
  }
  add("reachability", await guarded(() => checkReach(context)));
  add("certificate", await guarded(() => checkCertificate(context)));
  add("approval", await guarded(() => checkApproval(context)));
  if (common.metricsServer === undefined) add("metrics-server", await guarded(() => checkMetrics(context)));
  add("provider", await providers.check(node, isAlive(context)));
  add("node name", await guarded(() => checkName(context)));
  // Which taint is wanted follows from the provider.
  if (providers.isNamed) add("taints, labels", await guarded(() => checkTaintsAndLabels(context)));
  const sets = common.daemonSets;
  add("DaemonSets", "status" in sets ? sets : checkDaemonSets(context, sets));
  return found;
}

async function seen(
  cluster: ClusterContext,
  node: NodeConfig,
  providers: Providers,
  { placed }: Common,
): Promise<NodeContext> {
  const read = async <T>(asked: Promise<T>): Promise<T | undefined> => {
    try {
      return await asked;
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  };
  const { client } = cluster;
  const { name } = node;
  const [registered, lease, description] = await Promise.all([
    read(client.get(nodes, { name }, { timeoutMs: callMs })),
    read(client.get(leases, { namespace: leaseNamespace, name }, { timeoutMs: callMs })),
    providers.describe(node),
  ]);
  return { ...cluster, node, isPlacedHere: placed.has(name), registered, lease, description };
}

/** Providers of the nodes; those that are configured alike are checked once. */
class Providers {
  readonly #config: Config;
  readonly #cwd: string;
  /** One was named; else nothing is known of it. */
  readonly isNamed: boolean;
  readonly #checked: Map<string, { readonly by: string; readonly findings: Promise<readonly Finding[]> }> = new Map();

  constructor(config: Config, cwd: string, isNamed: boolean) {
    this.#config = config;
    this.#cwd = cwd;
    this.isNamed = isNamed;
  }

  async describe(node: NodeConfig): Promise<ProviderDescription | undefined> {
    return this.isNamed ? describe(this.#config, node, this.#cwd) : undefined;
  }

  /** Whether one of them wants pods resolved; also where one does not say what it wants. */
  async anyResolves(): Promise<boolean> {
    for (const node of new Map(this.#config.nodes.map((one) => [one.provider.name, one])).values()) {
      const description = await this.describe(node);
      if (description === undefined || description.capabilities.resolve === true) return true;
    }
    return false;
  }

  async check(node: NodeConfig, runs: boolean): Promise<readonly Finding[]> {
    if (!this.isNamed) return [skip("no provider is named", "doctor --provider NAME, or --config FILE")];
    const key = JSON.stringify([node.provider, node.operatingSystem, runs]);
    const known = this.#checked.get(key) ?? {
      by: node.name,
      findings: checkProvider(this.#config, node, this.#cwd, runs),
    };
    this.#checked.set(key, known);
    const renamed = (text: string): string => withoutName(text, known.by).replaceAll("NODE", node.name);
    return (await known.findings).map(({ status, message, fix }) => ({
      ...{ status, message: renamed(message) },
      fix: fix === undefined ? undefined : renamed(fix),
    }));
  }
}

/** A check that cannot be done has found nothing out; what keeps it from it is told. */
async function guarded<T>(check: () => Promise<T> | T): Promise<T | Finding> {
  try {
    return await check();
  } catch (error) {
    if (isErrorKind(error, "Forbidden")) {
      const text = errorText(error);
      const [, verb, what] = /cannot (\w+) resource "([\w/-]+)"/.exec(text) ?? [];
      const lacking = verb === undefined ? `look: ${text}` : `${verb} ${what}`;
      return skip(`these credentials may not ${lacking}`, "run doctor as administrator too (--kubeconfig)");
    }
    return fail(errorText(error));
  }
}
