// Binding of pods to nodes.
import { type Api, subjectOf } from "./api.ts";
import { conflict } from "./api-error.ts";
import { withCondition } from "./conditions.ts";
import { type JsonObject, list, number, put, text } from "./json.ts";

/** Throws Conflict where the pod is bound already, or is going. */
export function bindPod(api: Api, pod: JsonObject, node: string, dryRun = false): void {
  const name = text(pod, "metadata", "name");
  const subject = subjectOf(api.resource("pods"), name);
  if (text(pod, "metadata", "deletionTimestamp") !== "") {
    throw conflict(subject, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  const bound = text(pod, "spec", "nodeName");
  if (bound !== "") throw conflict(subject, `pod ${name} is already assigned to node ${JSON.stringify(bound)}`);
  const scheduled = { type: "PodScheduled", status: "True", lastProbeTime: null };
  const before = list(pod, "status", "conditions").filter((each) => text(each, "type") !== scheduled.type);
  const conditions = withCondition(before, scheduled, api.now());
  const generation = (number(pod, "metadata", "generation") ?? 0) + 1;
  const next = put(put(pod, ["spec", "nodeName"], node), ["status", "conditions"], conditions);
  if (!dryRun) api.store.write("pods", put(next, ["metadata", "generation"], generation));
}
