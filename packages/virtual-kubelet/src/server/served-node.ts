// What the server knows of a node it serves: its pods and its provider. Types only.
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodOwner } from "../provider/pods.ts";
import type { Provider } from "../provider.ts";

export interface ServedNode {
  readonly name: string;
  readonly provider: Provider;
  /** Pods bound to the node, as the API has them or as we last computed their status. */
  pods(): readonly Stored<Pod>[];
  /** What one of its pods costs; absent, or undefined: nothing is known of that. */
  costOf?(pod: Stored<Pod>): object | undefined;
  /** Undefined when no such pod is bound to this node. */
  find(namespace: string, name: string): Stored<Pod> | undefined;
  ownerOf(pod: Stored<Pod>): PodOwner;
}
