// Disruption budgets say how many of their pods may go.
import type { Api } from "../api.ts";
import { budgetStatus } from "../disruption.ts";
import { at, isObject, number, text } from "../json.ts";
import { selects } from "../selectors.ts";
import type { Controller } from "./controller.ts";
import { controllerOf, isFinished, keyOf, labelsOf, namespaceOf, splitKey, writeStatus } from "./objects.ts";

const key = "poddisruptionbudgets.policy";

export function budgets(api: Api): Controller {
  return {
    name: "disruption-controller",
    hears: {
      [key]: (each) => [keyOf(each)],
      pods: (pod) => api.store.list(key, namespaceOf(pod)).map(keyOf),
    },
    sync(which) {
      const budget = api.store.get(key, ...splitKey(which));
      if (budget === undefined) return undefined;
      const selector = at(budget, "spec", "selector");
      const pods = api.store
        .list("pods", namespaceOf(budget))
        .filter((pod) => isObject(selector) && selects(selector, labelsOf(pod)) && !isFinished(pod));
      // What their controllers ask for counts, not what happens to be there.
      const owners = new Map(pods.map((pod) => [text(controllerOf(pod), "uid") || text(pod, "metadata", "uid"), pod]));
      const expected = [...owners.values()].reduce((sum, pod) => sum + wantedOf(api, pod), 0);
      writeStatus(api, key, budget, budgetStatus(budget, pods, expected));
      return undefined;
    },
  };
}

const scalable: Readonly<Record<string, string>> = {
  ReplicaSet: "replicasets.apps",
  StatefulSet: "statefulsets.apps",
  ReplicationController: "replicationcontrollers",
};

function wantedOf(api: Api, pod: Parameters<typeof namespaceOf>[0]): number {
  const owner = pod === undefined ? undefined : controllerOf(pod);
  const resource = scalable[text(owner, "kind")];
  if (resource === undefined) return 1;
  const found = api.store.get(resource, namespaceOf(pod), text(owner, "name"));
  return number(found, "spec", "replicas") ?? 1;
}
