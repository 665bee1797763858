// What a virtual kubelet is made of, and whether its nodes can be.
import type { BudgetSettings } from "./budget/budget-settings.ts";
import type { Clock } from "./clock.ts";
import { VirtualKubeletError } from "./errors.ts";
import type { Identity } from "./identity.ts";
import { nodeOfUser } from "./identity.ts";
import type { KubeClient } from "./kube/client.ts";
import { parseQuantity } from "./kube/quantity.ts";
import type { Quantity } from "./kube/types.gen.ts";
import type { KubeletApiOptions } from "./kubelet-api.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { NodeSpec } from "./node/node-entry.ts";
import type { PodControllerOptions } from "./pod/pod-controller-options.ts";
import type { PodObserver } from "./pod/pod-inspection.ts";
import type { Provider } from "./provider.ts";
import type { ResolveSettings } from "./resolve/resolve-pod.ts";
import type { ProcessObserver } from "./view/observer.ts";

/** One virtual node and the provider that runs its pods. */
export interface VirtualNode {
  readonly node: Omit<NodeSpec, "ping" | "watchNode" | "configureNode">;
  readonly provider: Provider;
  /** Wins over what the provider reports, resource by resource. */
  readonly capacity?: Readonly<Record<string, Quantity>> | undefined;
  /** Name of its price table, with `budgets`; default the provider's name. */
  readonly prices?: string | undefined;
  /** IP address on which its kubelet API listens, at `node.port` (0: a free one); default all of the machine's. */
  readonly listenAddress?: string | undefined;
}

/** Tunables of the pod side; see PodControllerOptions for meanings and defaults. */
export type PodTunables = Pick<
  PodControllerOptions,
  | "workers"
  | "statusWorkers"
  | "statusForm"
  | "resyncMs"
  | "pollMinMs"
  | "pollMaxMs"
  | "orphanGraceMs"
  | "lostAfterMs"
  | "callTimeoutMs"
>;

export interface VirtualKubeletOptions {
  readonly client: KubeClient;
  /** Of `client`: see `identify`. */
  readonly identity: Identity;
  /** At least one; with a node's own credentials exactly that node. */
  readonly nodes: readonly VirtualNode[];
  readonly pods?: PodTunables | undefined;
  /** For providers that want pods resolved; default: domain cluster.local, the cluster's own DNS Service. */
  readonly resolve?: Partial<ResolveSettings> | undefined;
  /** Prices of pods and ceilings of what they may cost. Absent: nothing is estimated or refused. */
  readonly budgets?: BudgetSettings | undefined;
  /** Absent: the kubelet API is not served. */
  readonly kubeletApi?: KubeletApiOptions | undefined;
  /** With a ServiceAccount: up to so many nodes have watches of their own, more share one; default 10. */
  readonly perNodeWatchLimit?: number | undefined;
  /** What becomes of the Node objects at the end; default "leave". */
  readonly shutdownNode?: "leave" | "not-ready" | "delete" | undefined;
  /** Default 40 s. */
  readonly leaseDurationSeconds?: number | undefined;
  /** The node status is written at least so often; default 5 min. */
  readonly statusReportMs?: number | undefined;
  /** Told of what is done about pods; costs nothing when absent. */
  readonly observer?: (ProcessObserver & PodObserver) | undefined;
  readonly metrics?: Metrics | undefined;
  readonly log?: Logger | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

/** A limit that is no quantity would refuse every pod, one by one: it is a fault of the provider, told at once. */
function checkCapabilities(node: string, { capabilities }: Provider): void {
  for (const [name, quantity] of Object.entries(capabilities?.limits?.requests ?? {})) {
    try {
      parseQuantity(quantity);
    } catch (cause) {
      const field = `capabilities.limits.requests[${name}]`;
      throw new VirtualKubeletError("Invalid", `the provider of node ${node}: ${field}`, { cause, field });
    }
  }
}

/** Throws Invalid when the nodes do not fit one another, or the credentials. */
export function checkNodes({ nodes, identity }: VirtualKubeletOptions): void {
  for (const { node, provider } of nodes) checkCapabilities(node.name, provider);
  const names = nodes.map(({ node }) => node.name);
  if (names.length === 0) throw new VirtualKubeletError("Invalid", "nodes: none is configured", { field: "nodes" });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new VirtualKubeletError("Invalid", `nodes: two are named ${twice}; names must differ`, { field: "nodes" });
  if (identity.credentials !== "node-user") return;
  const own = nodeOfUser(identity.user) ?? "";
  if (names.length === 1 && names[0] === own) return;
  throw new VirtualKubeletError(
    "Invalid",
    `nodes: ${names.join(", ")}: the credentials are those of the node ${own} and good for no other; use them for a node of that name alone, or a ServiceAccount`,
    { field: "nodes" },
  );
}
