// The scheduler: binds each pod to the best of the nodes that it fits. No preemption.
import type { Api } from "../api.ts";
import { bindPod } from "../binding.ts";
import { conditionOf } from "../conditions.ts";
import { type JsonObject, list, text } from "../json.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { isOtherPlace, misfit, score, statesOf, unboundClaim } from "./fit.ts";
import { isActive, isFinished, keyOf, nameOf, namespaceOf, nodeNameOf } from "./objects.ts";

const component = "default-scheduler";
const retryMs = 5_000;

const isOurs = (pod: JsonObject): boolean =>
  nodeNameOf(pod) === "" && text(pod, "spec", "schedulerName") === component && isActive(pod);

export function scheduler(api: Api): Controller {
  const waiting = (): readonly string[] => api.store.list("pods").filter(isOurs).map(keyOf);
  return controllerFor(api, {
    name: component,
    resource: "pods",
    hears: {
      pods(pod, { type, previous }) {
        // Its room is free from now on.
        const hasEnded = previous !== undefined && isFinished(pod) && !isFinished(previous);
        if (type === "DELETED" || hasEnded) return waiting();
        return isOurs(pod) ? [keyOf(pod)] : [];
      },
      persistentvolumeclaims: waiting,
      nodes: (node, change) => (isOtherPlace(node, change) ? waiting() : []),
    },
    sync(pod, client) {
      if (!isOurs(pod)) return undefined;
      if (list(pod, "spec", "schedulingGates").length > 0)
        return refuse(client, pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates");
      const claim = unboundClaim(pod, (name) => client.store.get("persistentvolumeclaims", namespaceOf(pod), name));
      const states = statesOf(client.store.list("nodes"), client.store.list("pods"));
      const faults = Map.groupBy(states, (state) => misfit(pod, state, states));
      const [best] = (faults.get(undefined) ?? []).toSorted((a, b) => score(pod, b) - score(pod, a));
      if (best === undefined || claim !== undefined) {
        const counts = [...faults].flatMap(([fault, { length }]) => (fault === undefined ? [] : `${length} ${fault}`));
        const why = `0/${states.length} nodes are available: ${claim ?? counts.join(", ")}.`;
        refuse(client, pod, "Unschedulable", states.length === 0 ? "no nodes available to schedule pods" : why);
        return retryMs;
      }
      bindPod(api, pod, nameOf(best.node));
      const message = `Successfully assigned ${keyOf(pod)} to ${nameOf(best.node)}`;
      client.tell(pod, "Normal", "Scheduled", message);
      return undefined;
    },
  });
}

function refuse(client: Client, pod: JsonObject, reason: string, message: string): undefined {
  const known = conditionOf(pod, "PodScheduled");
  if (text(known, "message") === message && text(known, "reason") === reason) return;
  client.writeStatus(pod, {}, [{ type: "PodScheduled", status: "False", reason, message }]);
  if (reason === "Unschedulable") client.tell(pod, "Warning", "FailedScheduling", message);
}
