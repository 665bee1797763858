// The report of `doctor`: what was found of the cluster, then of the nodes, each thing once for all nodes that have it. Pure.
import type { Finding, Outcome } from "./doctor-check.ts";
import { namesText, withoutName } from "./node-names.ts";

export interface NamedFinding extends Finding {
  readonly check: string;
}

export interface NodeFinding extends NamedFinding {
  readonly node: string;
}

/** Of one or several nodes; where there are several, NODE stands for the name of each. */
export interface SharedFinding extends NamedFinding {
  readonly nodes: readonly string[];
}

/** What is the same of several nodes becomes one. In the order of the checks. */
export function shared(findings: readonly NodeFinding[]): readonly SharedFinding[] {
  const groups = new Map<string, NodeFinding[]>();
  for (const finding of findings) {
    const { check, status, message, fix, node } = finding;
    const key = JSON.stringify([check, status, withoutName(message, node), withoutName(fix ?? "", node)]);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  const order = [...new Set(findings.map(({ check }) => check))];
  return [...groups.values()]
    .flatMap(([first, ...more]): SharedFinding[] => {
      if (first === undefined) return [];
      const { node, check, status, message, fix } = first;
      const nodes = [node, ...more.map((other) => other.node)];
      if (more.length === 0) return [{ check, status, message, fix, nodes }];
      const common = {
        message: withoutName(message, node),
        fix: fix === undefined ? undefined : withoutName(fix, node),
      };
      return [{ check, status, ...common, nodes }];
    })
    .sort((a, b) => order.indexOf(a.check) - order.indexOf(b.check));
}

const marks: Readonly<Record<Outcome, string>> = { ok: "ok  ", warn: "WARN", fail: "FAIL", skip: "-   " };
const width = 14;

export function findingText({ check, status, message, fix }: NamedFinding): string {
  const below = `\n${" ".repeat(width + 8)}`;
  const remedy = fix === undefined ? "" : `${below}fix: ${fix}`;
  return `${marks[status]}  ${check.padEnd(width)}  ${message.replaceAll("\n", `${below}- `)}${remedy}\n`;
}

/** Nodes that have findings of their own are told up to this many; more of them say as much. */
const mostSections = 20;

/** A section for each set of nodes; of one configured node there are no sections. */
export function nodesText(findings: readonly SharedFinding[], configured: readonly string[]): string {
  if (configured.length === 1) return findings.map(findingText).join("");
  const sections = [...Map.groupBy(findings, ({ nodes }) => nodes.join(" "))]
    .map(([, list]) => ({ nodes: list[0]?.nodes ?? [], list }))
    .sort((a, b) => b.nodes.length - a.nodes.length);
  const left = sections.length - mostSections;
  return [
    ...sections
      .slice(0, mostSections)
      .map(({ nodes, list }) => `\n${title(nodes, configured.length)}:\n${list.map(findingText).join("")}`),
    ...(left > 0 ? [`\n${left} more parts of the report are left out: ask for one node with --nodename NAME\n`] : []),
  ].join("");
}

function title(nodes: readonly string[], configured: number): string {
  const names = namesText(nodes);
  if (nodes.length === 1) return `node ${names}`;
  return nodes.length === configured ? `all ${configured} nodes (${names})` : `${nodes.length} nodes (${names})`;
}

export function summary(findings: readonly Finding[]): string {
  const count = (status: Outcome): number => findings.filter((finding) => finding.status === status).length;
  const [failed, warned, skipped] = [count("fail"), count("warn"), count("skip")];
  if (failed + warned === 0) return `\nall is well${skipped === 0 ? "" : `; ${skipped} not looked at`}\n`;
  return `\n${failed} failed, ${warned} with a warning, ${skipped} not looked at, of ${findings.length}\n`;
}
