// The watches of pods: one for each node, or one for all.
import { Informer, type InformerOptions } from "../kube/informer.ts";
import { pods } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodControllerOptions } from "./pod-controller-options.ts";

/** Pods of any node. */
const allBound = "spec.nodeName!=";
/** Each reads the pods of the whole cluster. */
const mostWideWatches = 3;

export interface PodInformers extends Pick<PodControllerOptions, "watchMode" | "mayWatchAll"> {
  readonly common: Omit<InformerOptions<Pod>, "resource" | "fieldSelector" | "accept" | "wide">;
  /** Whose pods are wanted. */
  readonly nodes: ReadonlyMap<string, unknown>;
}

export function podInformers({ common, nodes, watchMode, mayWatchAll }: PodInformers): readonly Informer<Pod>[] {
  const options = { ...common, resource: pods };
  if (watchMode === "shared") {
    const accept = (pod: Pod): boolean => nodes.has(pod.spec?.nodeName ?? "");
    return [new Informer<Pod>({ ...options, fieldSelector: allBound, accept })];
  }
  const mayWiden = mayWatchAll === true && nodes.size <= mostWideWatches;
  return [...nodes.keys()].map((name) => {
    const accept = (pod: Pod): boolean => pod.spec?.nodeName === name;
    const wide = mayWiden ? { fieldSelector: allBound, accept } : undefined;
    return new Informer<Pod>({ ...options, fieldSelector: `spec.nodeName=${name}`, wide });
  });
}
