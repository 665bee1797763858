// Disruption budgets say how many of their pods may go.
import type { Api } from "../api.ts";
import { budgetStatus } from "../disruption.ts";
import { object } from "../json.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { controllerOf, isFinished, keyOf, namespaceOf, replicasOf, uidOf } from "./objects.ts";

const key = "poddisruptionbudgets.policy";

export function budgets(api: Api): Controller {
  return controllerFor(api, {
    name: "disruption-controller",
    resource: key,
    hears: { pods: (pod) => api.store.list(key, namespaceOf(pod)).map(keyOf) },
    sync(budget, client) {
      const { selector } = object(budget, "spec");
      const pods = client.selected(selector, namespaceOf(budget)).filter((pod) => !isFinished(pod));
      // What their controllers ask for counts, not what happens to be there.
      const expected = new Map(
        pods.map((pod) => {
          const owner = client.scalable(controllerOf(pod), namespaceOf(pod));
          return [uidOf(owner ?? pod), replicasOf(owner)];
        }),
      );
      const sum = expected.values().reduce((all, each) => all + each, 0);
      client.writeStatus(budget, budgetStatus(budget, pods, sum));
      return undefined;
    },
  });
}
