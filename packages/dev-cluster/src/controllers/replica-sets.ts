// ReplicaSets: as many pods as are asked for, no more.
import type { Api } from "../api.ts";
import { isReady } from "../disruption.ts";
import { type JsonObject, text } from "../json.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { annotationsOf, bornAt, generationOf, replicasOf } from "./objects.ts";
import { activePods, availablePods, createPod, deletePod } from "./owned-pods.ts";

/** So that other keys have their turn. */
const burst = 500;

export function replicaSets(api: Api): Controller {
  return controllerFor(api, {
    name: "replicaset-controller",
    resource: "replicasets.apps",
    owns: ["pods"],
    sync(set, client) {
      const active = activePods(client, set);
      const wanted = replicasOf(set);
      for (let missing = Math.min(wanted - active.length, burst); missing > 0; missing--) createPod(client, set);
      const spare = active.length - wanted;
      for (const pod of spare > 0 ? leastWorth(active).slice(0, spare) : []) deletePod(client, set, pod);
      return writeCounts(client, set, wanted);
    },
  });
}

/** Those that are lost least go first: without a node, not ready, of little cost as their annotation says, in company, young. */
function leastWorth(pods: readonly JsonObject[]): readonly JsonObject[] {
  const onNode = Map.groupBy(pods, (pod) => text(pod, "spec", "nodeName"));
  const worth = (pod: JsonObject): readonly number[] => [
    text(pod, "spec", "nodeName") === "" ? 0 : isReady(pod) ? 2 : 1,
    Number(text(annotationsOf(pod), "controller.kubernetes.io/pod-deletion-cost")) || 0,
    -(onNode.get(text(pod, "spec", "nodeName"))?.length ?? 0),
    -bornAt(pod),
  ];
  return pods
    .map((pod) => ({ pod, worth: worth(pod) }))
    .toSorted((a, b) => a.worth.map((each, at) => each - (b.worth[at] ?? 0)).find((each) => each !== 0) ?? 0)
    .map(({ pod }) => pod);
}

/** Returns when a pod that is ready will have been so for as long as is asked for, or when to make the rest. */
function writeCounts(client: Client, set: JsonObject, wanted: number): number | undefined {
  const pods = activePods(client, set);
  const { available, wait } = availablePods(client, set, pods);
  client.writeStatus(set, {
    replicas: pods.length,
    fullyLabeledReplicas: pods.length || undefined,
    readyReplicas: pods.filter(isReady).length || undefined,
    availableReplicas: available.length || undefined,
    observedGeneration: generationOf(set),
  });
  return wait ?? (pods.length < wanted ? 1_000 : undefined);
}
