// What several back ends are together: their abilities, their node, their figures. Pure.
import { addQuantity } from "../kube/quantity.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { NodeReport, ProbeMetrics } from "../provider/node.ts";
import type { CPUStats, StatsSummary } from "../stats-summary.ts";

/** What at least one of them can; a pod goes to one that can all that it asks for. */
export function combinedCapabilities(all: readonly Capabilities[]): Capabilities {
  const union = <T>(of: (each: Capabilities) => readonly T[] | undefined): readonly T[] | undefined =>
    all.some((each) => of(each) === undefined) ? undefined : [...new Set(all.flatMap((each) => of(each) ?? []))];
  const features = union(({ features: list }) => list);
  const volumes = union(({ volumes: list }) => list);
  const [first, ...others] = all.map(({ declaredFeatures = [] }) => declaredFeatures);
  const declaredFeatures = (first ?? []).filter((name) => others.every((list) => list.includes(name)));
  return {
    ...(features === undefined ? {} : { features }),
    ...(volumes === undefined ? {} : { volumes }),
    resolve: all.some(({ resolve }) => resolve === true),
    // Each is told by its own rules what it must have.
    resolvePartly: all.every(({ resolvePartly }) => resolvePartly === true),
    envFiles: all.some(({ envFiles }) => envFiles === true),
    consistencyDelaySeconds: Math.max(0, ...all.map(({ consistencyDelaySeconds = 0 }) => consistencyDelaySeconds)),
    ...(declaredFeatures.length === 0 ? {} : { declaredFeatures }),
  };
}

export interface MemberNode {
  readonly name: string;
  readonly report: NodeReport | undefined;
  /** Why nothing new goes there now; undefined: it does. */
  readonly barred: string | undefined;
}

/** Room is the sum; of all else the first that says it. One condition for each member. */
export function combinedNode(members: readonly MemberNode[]): NodeReport {
  const reports = members.flatMap(({ report }) => (report === undefined ? [] : [report]));
  const first = <K extends keyof NodeReport>(key: K): Pick<NodeReport, K> | undefined =>
    reports.find((report) => report[key] !== undefined);
  const capacity = sum(reports.map((report) => report.capacity));
  const allocatable = sum(reports.map((report) => report.allocatable ?? report.capacity));
  const addresses = first("addresses")?.addresses;
  const nodeInfo = first("nodeInfo")?.nodeInfo;
  return {
    ...(capacity === undefined ? {} : { capacity }),
    ...(allocatable === undefined ? {} : { allocatable }),
    ...(addresses === undefined ? {} : { addresses }),
    ...(nodeInfo === undefined ? {} : { nodeInfo }),
    labels: Object.assign({}, ...reports.toReversed().map(({ labels }) => labels)),
    conditions: members.map(({ name, barred }) => ({
      type: `members.virtual-kubelet.io/${name}`,
      status: barred === undefined ? "True" : "False",
      reason: barred === undefined ? "CircuitClosed" : "CircuitOpen",
      message: barred === undefined ? `${name} takes pods` : `${name} takes no new pods for now: ${barred}`,
    })),
  };
}

function sum(lists: readonly NodeReport["capacity"][]): NodeReport["capacity"] {
  let total: Record<string, string> | undefined;
  for (const list of lists)
    for (const [name, amount] of Object.entries(list ?? {})) {
      total ??= {};
      const before = total[name];
      total[name] = before === undefined ? amount : addQuantity(before, amount);
    }
  return total;
}

/** Of one moment; the node's figures are the sums of what each says. */
export function combinedStats(
  node: { readonly nodeName: string; readonly startTime: string },
  all: readonly StatsSummary[],
): StatsSummary {
  const time = all.map(({ node: { cpu, memory } }) => cpu?.time ?? memory?.time).find((each) => each !== undefined);
  const add = (figure: (stats: StatsSummary["node"]) => number | undefined): number =>
    all.reduce((total, summary) => total + (figure(summary.node) ?? 0), 0);
  const cpu: CPUStats | undefined =
    time === undefined ? undefined : { time, usageNanoCores: add((each) => each.cpu?.usageNanoCores) };
  return {
    node: {
      ...node,
      ...(cpu === undefined ? {} : { cpu }),
      ...(time === undefined ? {} : { memory: { time, workingSetBytes: add((each) => each.memory?.workingSetBytes) } }),
    },
    pods: all.flatMap(({ pods }) => pods),
  };
}

export function combinedProbes(all: readonly ProbeMetrics[]): ProbeMetrics {
  return { results: all.flatMap(({ results }) => results), durations: all.flatMap(({ durations }) => durations) };
}
