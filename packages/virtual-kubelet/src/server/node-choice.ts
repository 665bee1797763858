// Which node a request is for, on an address that serves one node or several. Pure.
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { ServedNode } from "./served-node.ts";

/** The nodes of one listener. */
export interface NodesServed {
  readonly nodes: readonly ServedNode[];
  /** By name, lower case. */
  readonly byName: ReadonlyMap<string, ServedNode>;
}

/** What a request shows of the node it means. */
export interface NodeHint {
  /** The Host header or `:authority`. */
  readonly host?: string | undefined;
  /** Server name of the TLS handshake. */
  readonly serverName?: string | undefined;
  /** The pod that the path names. */
  readonly pod?: { readonly namespace: string; readonly name: string } | undefined;
}

export type NodeChoice =
  | { readonly type: "node"; readonly node: ServedNode }
  /** A pod that is on none of several nodes, and no node was named. */
  | { readonly type: "unknown-pod" }
  /** Several nodes, and nothing says which one is meant. */
  | { readonly type: "misdirected" };

/**
 * A node that is named has the last word, a pod's own node comes next. So a caller who names a node learns nothing of
 * the pods of another one.
 */
export function chooseNode({ nodes, byName }: NodesServed, hint: NodeHint): NodeChoice {
  const [only] = nodes;
  if (nodes.length === 1 && only !== undefined) return { type: "node", node: only };
  const named = byName.get(hostName(hint.host)) ?? byName.get((hint.serverName ?? "").toLowerCase());
  if (named !== undefined) return { type: "node", node: named };
  const { pod } = hint;
  if (pod === undefined) return { type: "misdirected" };
  const owner = nodes.find((node) => node.find(pod.namespace, pod.name) !== undefined);
  return owner === undefined ? { type: "unknown-pod" } : { type: "node", node: owner };
}

function hostName(host: string | undefined): string {
  const [, name = ""] = /^([^:[\]]+)(?::\d+)?$/.exec(host ?? "") ?? [];
  return name.toLowerCase().replace(/\.$/, "");
}

/** The pod of a path, by the parameters of its route; with a uid in it, only that very pod. */
export function podOf(
  node: ServedNode,
  params: Readonly<Record<string, string>>,
): Stored<Pod> | "unknown" | "other-uid" {
  const { namespace = "", pod = "", uid } = params;
  const found = node.find(namespace, pod);
  if (found === undefined) return "unknown";
  return uid === undefined || uid === found.metadata.uid ? found : "other-uid";
}
