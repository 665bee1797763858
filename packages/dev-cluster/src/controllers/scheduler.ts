// The scheduler: binds each pod to the best of the nodes that it fits. No preemption.

import type { Api } from "../api.ts";
import { bindPod } from "../binding.ts";
import { conditionOf } from "../conditions.ts";
import { at, type JsonObject, list, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { misfit, score, statesOf, unboundClaim } from "./fit.ts";
import { isFinished, isGoing, keyOf, nameOf, namespaceOf, splitKey, tell, writeCondition } from "./objects.ts";

const component = "default-scheduler";
const retryMs = 5_000;

export function scheduler(api: Api): Controller {
  const waiting = new Set<string>();
  const isOurs = (pod: JsonObject): boolean =>
    text(pod, "spec", "nodeName") === "" &&
    text(pod, "spec", "schedulerName") === component &&
    !isFinished(pod) &&
    !isGoing(pod);
  const all = (): readonly string[] => [...waiting];
  return {
    name: "scheduler",
    hears: {
      pods(pod, { type }) {
        if (type !== "DELETED" && isOurs(pod)) {
          waiting.add(keyOf(pod));
          return [keyOf(pod)];
        }
        waiting.delete(keyOf(pod));
        // Room for others.
        return type === "DELETED" || isFinished(pod) ? all() : [];
      },
      persistentvolumeclaims: all,
      nodes: (node, { previous }) => (previous === undefined || isOtherPlace(node, previous) ? all() : []),
    },
    sync(key) {
      const pod = api.store.get("pods", ...splitKey(key));
      if (pod === undefined || !isOurs(pod)) {
        waiting.delete(key);
        return undefined;
      }
      const gates = list(pod, "spec", "schedulingGates");
      if (gates.length > 0)
        return refuse(api, pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates");
      const claim = unboundClaim(pod, (name) => api.store.get("persistentvolumeclaims", namespaceOf(pod), name));
      const states = statesOf(api.store.list("nodes"), api.store.list("pods"));
      const faults = new Map<string, number>();
      const fitting = states.filter((state) => {
        const fault = misfit(pod, state, states);
        if (fault !== undefined) faults.set(fault, (faults.get(fault) ?? 0) + 1);
        return fault === undefined;
      });
      const [best] = fitting.toSorted((a, b) => score(pod, b) - score(pod, a));
      if (best === undefined || claim !== undefined) {
        const why = claim ?? [...faults].map(([fault, count]) => `${count} ${fault}`).join(", ");
        const message =
          states.length === 0
            ? "no nodes available to schedule pods"
            : `0/${states.length} nodes are available: ${why}.`;
        refuse(api, pod, "Unschedulable", message);
        return retryMs;
      }
      bindPod(api, pod, nameOf(best.node));
      const message = `Successfully assigned ${namespaceOf(pod)}/${nameOf(pod)} to ${nameOf(best.node)}`;
      tell(api, pod, { type: "Normal", reason: "Scheduled", message, component });
      return undefined;
    },
  };
}

/** A heartbeat is no news. */
function isOtherPlace(node: JsonObject, before: JsonObject): boolean {
  const parts = (of: JsonObject): string =>
    JSON.stringify([at(of, "spec"), at(of, "metadata", "labels"), at(of, "status", "allocatable")]);
  return parts(node) !== parts(before);
}

function refuse(api: Api, pod: JsonObject, reason: string, message: string): undefined {
  const known = conditionOf(pod, "PodScheduled");
  if (text(known, "message") === message && text(known, "reason") === reason) return undefined;
  const condition = { type: "PodScheduled", status: "False", reason, message };
  writeCondition(api, "pods", pod, condition);
  if (reason === "Unschedulable") tell(api, pod, { type: "Warning", reason: "FailedScheduling", message, component });
  return undefined;
}
