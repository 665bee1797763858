// Which parts of a Node are ours: what we set once and no longer want is removed, what others set is left alone. Kept on the Node
// itself, as keys without values, so that a restart with another configuration cleans up after the one before.
import type { Node, Taint } from "../kube/types.gen.ts";
import { kubeletConditions } from "./node-conditions.ts";
import { type DesiredNode, defaultCapacity, taintId } from "./node-object.ts";

export const oursAnnotation = "virtual-kubelet.io/managed";

/** Keys of labels, annotations, resources; types of conditions; `key:effect` of taints. */
export interface Ours {
  readonly labels: readonly string[];
  readonly annotations: readonly string[];
  readonly taints: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: readonly string[];
}

export const nothingOurs: Ours = { labels: [], annotations: [], taints: [], resources: [], conditions: [] };

/** What programs leave to those that come after them, however they are configured. */
const bequeathed: readonly string[] = ["virtual-kubelet.io/spend"];

/** Every node of ours has these, or may keep them, so none of them is ever to be removed. */
const constant: ReadonlySet<string> = new Set([
  ...bequeathed,
  ...Object.keys(defaultCapacity),
  ...kubeletConditions,
  ...["hostname", "os", "arch", "role"].map((label) => `kubernetes.io/${label}`),
  ...["os", "arch"].map((label) => `beta.kubernetes.io/${label}`),
  "type",
]);

export function oursOf(desired: DesiredNode): Ours {
  const keep = (keys: readonly string[]): readonly string[] => keys.filter((key) => !constant.has(key)).sort();
  return {
    labels: keep(Object.keys(desired.metadata.labels)),
    annotations: keep(Object.keys(desired.metadata.annotations)),
    taints: keep((desired.spec?.taints ?? []).map(taintId)),
    resources: keep(Object.keys(desired.status?.capacity ?? {})),
    conditions: keep((desired.status?.conditions ?? []).map(({ type }) => type)),
  };
}

export function joinOurs(a: Ours, b: Ours): Ours {
  const join = (left: readonly string[], right: readonly string[]): readonly string[] =>
    right.length === 0 ? left : [...new Set([...left, ...right])].sort();
  return {
    labels: join(a.labels, b.labels),
    annotations: join(a.annotations, b.annotations),
    taints: join(a.taints, b.taints),
    resources: join(a.resources, b.resources),
    conditions: join(a.conditions, b.conditions),
  };
}

/** What the Node says of itself; an annotation that somebody spoiled says nothing. */
export function readOurs(node: Node): Ours {
  const text = node.metadata?.annotations?.[oursAnnotation];
  if (text === undefined) return nothingOurs;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return nothingOurs;
  }
  const strings = (key: string): readonly string[] => {
    const list: unknown =
      typeof value === "object" && value !== null
        ? Object.entries(value).find(([name]) => name === key)?.[1]
        : undefined;
    return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
  };
  return {
    labels: strings("labels"),
    annotations: strings("annotations"),
    taints: strings("taints"),
    resources: strings("resources"),
    conditions: strings("conditions"),
  };
}

/** The annotation's value; undefined when nothing but the constant parts is ours. */
export function writeOurs(ours: Ours): string | undefined {
  const lists = Object.entries(ours).filter(([, list]: [string, readonly string[]]) => list.length > 0);
  return lists.length === 0 ? undefined : JSON.stringify(Object.fromEntries(lists));
}

/** Taints that were ours, are wanted no more, and are still there. */
export function leftoverTaints(observed: Node, desired: DesiredNode, before: Ours): readonly Taint[] {
  const wanted = new Set((desired.spec?.taints ?? []).map(taintId));
  return (observed.spec?.taints ?? []).filter(
    (taint) => before.taints.includes(taintId(taint)) && !wanted.has(taintId(taint)),
  );
}
