// What the program itself adds to a node, beside what its provider reports.
import type { NodeReport } from "../provider/node.ts";

export type NodeAddition = Pick<NodeReport, "conditions" | "taints" | "annotations">;

/** The report with it. `mayTaint`: a node's own credentials may not change its taints, and would be refused each time. */
export function withAddition(
  report: NodeReport | undefined,
  { conditions = [], taints = [], annotations }: NodeAddition,
  mayTaint: boolean,
): NodeReport {
  return {
    ...report,
    conditions: [...(report?.conditions ?? []), ...conditions],
    taints: [...(report?.taints ?? []), ...(mayTaint ? taints : [])],
    annotations: { ...report?.annotations, ...annotations },
  };
}
