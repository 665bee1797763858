// ReplicaSets: as many pods as are asked for, no more.

import type { Api } from "../api.ts";
import { conditionOf } from "../conditions.ts";
import { isReady } from "../disruption.ts";
import { type JsonObject, number, object, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { controlledBy, isFinished, isGoing, keyOf, splitKey, writeStatus } from "./objects.ts";
import { createPod, deletePod, keysOfOwner } from "./owned-pods.ts";

const key = "replicasets.apps";
const component = "replicaset-controller";
/** So that other keys have their turn. */
const burst = 500;

export function replicaSets(api: Api): Controller {
  return {
    name: component,
    hears: { [key]: (each) => [keyOf(each)], pods: (pod) => keysOfOwner(pod, "ReplicaSet") },
    sync(at) {
      const set = api.store.get(key, ...splitKey(at));
      if (set === undefined) return undefined;
      const pods = controlledBy(api, "pods", set);
      const active = pods.filter((pod) => !isGoing(pod) && !isFinished(pod));
      const wanted = number(set, "spec", "replicas") ?? 1;
      if (!isGoing(set)) {
        for (let missing = Math.min(wanted - active.length, burst); missing > 0; missing--)
          createPod(api, set, component);
        const surplus = Math.max(0, active.length - wanted);
        for (const pod of leastWorth(active).slice(0, surplus)) deletePod(api, set, pod, component);
      }
      return writeCounts(api, set, wanted);
    },
  };
}

/** Those that are lost least go first: without a node, not ready, of little cost as their annotation says, in company, young. */
function leastWorth(pods: readonly JsonObject[]): readonly JsonObject[] {
  const onNode = Map.groupBy(pods, (pod) => text(pod, "spec", "nodeName"));
  const worth = (pod: JsonObject): readonly number[] => [
    text(pod, "spec", "nodeName") === "" ? 0 : isReady(pod) ? 2 : 1,
    Number(text(object(pod, "metadata", "annotations"), "controller.kubernetes.io/pod-deletion-cost")) || 0,
    -(onNode.get(text(pod, "spec", "nodeName"))?.length ?? 0),
    -Date.parse(text(pod, "metadata", "creationTimestamp")),
  ];
  return pods
    .map((pod) => ({ pod, worth: worth(pod) }))
    .toSorted((a, b) => a.worth.map((each, at) => each - (b.worth[at] ?? 0)).find((each) => each !== 0) ?? 0)
    .map(({ pod }) => pod);
}

/** Whether it was ready for as long as is asked for, and how long is missing otherwise. */
function untilAvailable(pod: JsonObject, minReadySeconds: number, now: number): number {
  if (!isReady(pod)) return Number.POSITIVE_INFINITY;
  const since = Date.parse(text(conditionOf(pod, "Ready"), "lastTransitionTime"));
  return minReadySeconds === 0 ? 0 : Math.max(0, since + minReadySeconds * 1000 - now);
}

function writeCounts(api: Api, set: JsonObject, wanted: number): number | undefined {
  const pods = controlledBy(api, "pods", set).filter((pod) => !isGoing(pod) && !isFinished(pod));
  const minimum = number(set, "spec", "minReadySeconds") ?? 0;
  const left = pods.map((pod) => untilAvailable(pod, minimum, api.now()));
  const ready = pods.filter(isReady).length;
  const available = left.filter((each) => each === 0).length;
  writeStatus(api, key, set, {
    replicas: pods.length,
    fullyLabeledReplicas: pods.length || undefined,
    readyReplicas: ready || undefined,
    availableReplicas: available || undefined,
    observedGeneration: number(set, "metadata", "generation") ?? 0,
  });
  const soon = Math.min(...left.filter((each) => each > 0));
  if (Number.isFinite(soon)) return soon;
  return pods.length < wanted && !isGoing(set) ? 1_000 : undefined;
}
