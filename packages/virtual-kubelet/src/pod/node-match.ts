// Does a pod want this node, and does it bear the node's taints? Node selector, required node affinity and tolerations
// by the scheduler's rules. Pure.
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration } from "../kube/types.gen.ts";

/** nodeSelector and the required node affinity, both. */
export function matchesNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata?.labels ?? {};
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) {
    if (labels[key] !== value) return false;
  }
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  // A term that asks for nothing matches nothing.
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields: Readonly<Record<string, string>> = { "metadata.name": node.metadata?.name ?? "" };
  return (
    matchExpressions.every((requirement) => matches(requirement, node.metadata?.labels ?? {})) &&
    matchFields.every((requirement) => matches(requirement, fields))
  );
}

function matches(requirement: NodeSelectorRequirement, values: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(values, requirement.key) ? values[requirement.key] : undefined;
  const listed = value !== undefined && (requirement.values?.includes(value) ?? false);
  switch (requirement.operator) {
    case "In":
      return listed;
    case "NotIn":
      return !listed;
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return inOrder(requirement.values?.[0], value);
    case "Lt":
      return inOrder(value, requirement.values?.[0]);
    default:
      return false;
  }
}

/** Are both whole numbers, the first less than the second? */
function inOrder(less: string | undefined, more: string | undefined): boolean {
  const number = /^[+-]?\d+$/;
  if (less === undefined || more === undefined || !number.test(less) || !number.test(more)) return false;
  return BigInt(less.replace("+", "")) < BigInt(more.replace("+", ""));
}

export function tolerates(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return tolerations?.some((toleration) => toleratesTaint(toleration, taint)) ?? false;
}

function toleratesTaint({ key = "", operator = "", value = "", effect = "" }: Toleration, taint: Taint): boolean {
  if (effect !== "" && effect !== taint.effect) return false;
  if (key !== "" && key !== taint.key) return false;
  switch (operator) {
    case "":
    case "Equal":
      return value === (taint.value ?? "");
    case "Exists":
      return true;
    case "Lt":
      return inOrder(taint.value, value);
    case "Gt":
      return inOrder(value, taint.value);
    default:
      return false;
  }
}
