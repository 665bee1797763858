// How far a Deployment is: its counts, its conditions, and whether it has stood still for too long.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { conditionOf, withCondition } from "../conditions.ts";
import { share } from "../disruption.ts";
import { type Json, type JsonObject, list, number, object, text } from "../json.ts";
import { controlledBy, nameOf, namespaceOf, writeStatus } from "./objects.ts";

export const deploymentKey = "deployments.apps";
export const setKey = "replicasets.apps";

export function limits(deployment: JsonObject): { readonly surge: number; readonly unavailable: number } {
  if (text(deployment, "spec", "strategy", "type") === "Recreate") return { surge: 0, unavailable: 0 };
  const whole = number(deployment, "spec", "replicas") ?? 1;
  const rolling = object(deployment, "spec", "strategy", "rollingUpdate");
  const surge = share(rolling["maxSurge"], whole, Math.ceil);
  const unavailable = share(rolling["maxUnavailable"], whole, Math.floor);
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** Returns the milliseconds until its deadline. */
export function writeProgress(api: Api, before: JsonObject, current: JsonObject | undefined): number | undefined {
  const deployment = api.store.get(deploymentKey, namespaceOf(before), nameOf(before));
  if (deployment === undefined) return undefined;
  const sets = controlledBy(api, setKey, deployment);
  const sum = (field: string): number => sets.reduce((all, set) => all + (number(set, "status", field) ?? 0), 0);
  const now = current === undefined ? undefined : api.store.get(setKey, namespaceOf(current), nameOf(current));
  const whole = number(deployment, "spec", "replicas") ?? 1;
  const updated = number(now, "status", "replicas") ?? 0;
  const available = sum("availableReplicas");
  const counts = {
    observedGeneration: number(deployment, "metadata", "generation") ?? 0,
    replicas: sum("replicas") || undefined,
    updatedReplicas: updated || undefined,
    readyReplicas: sum("readyReplicas") || undefined,
    availableReplicas: available || undefined,
    unavailableReplicas: Math.max(0, sum("replicas") - available, whole - available) || undefined,
  };
  const progress = progressOf(
    api,
    deployment,
    counts,
    now,
    updated >= whole && available >= whole && sum("replicas") === updated,
  );
  const isAvailable = available >= whole - limits(deployment).unavailable;
  const availability = isAvailable
    ? { status: "True", reason: "MinimumReplicasAvailable", message: "Deployment has minimum availability." }
    : {
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
  const { wait, ...progressing } = progress;
  const conditions = [
    { type: "Progressing", ...progressing },
    { type: "Available", ...availability },
  ].reduce<readonly Json[]>(
    (all, wanted) => {
      const known = conditionOf(deployment, wanted.type);
      const isSame = text(known, "status") === wanted.status && text(known, "reason") === wanted.reason;
      const isNews = !isSame || ("moved" in wanted && wanted.moved);
      const lastUpdateTime = isNews ? timestamp(api.now()) : text(known, "lastUpdateTime");
      const { type, status, reason, message } = wanted;
      return withCondition(all, { type, status, reason, message }, api.now(), { lastUpdateTime });
    },
    list(deployment, "status", "conditions"),
  );
  writeStatus(api, deploymentKey, deployment, { ...counts, conditions });
  return wait;
}

interface Progress {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** Something came nearer to its end. */
  readonly moved?: boolean;
  /** Milliseconds until it is too late. */
  readonly wait?: number;
}

/** A rollout that stands still for longer than `progressDeadlineSeconds` has failed, and is not given up for that. */
function progressOf(
  api: Api,
  deployment: JsonObject,
  counts: JsonObject,
  current: JsonObject | undefined,
  isDone: boolean,
): Progress {
  const set = `ReplicaSet "${nameOf(current)}"`;
  if (isDone)
    return { status: "True", reason: "NewReplicaSetAvailable", message: `${set} has successfully progressed.` };
  if (object(deployment, "spec")["paused"] === true)
    return { status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" };
  const known = conditionOf(deployment, "Progressing");
  const before = object(deployment, "status");
  const old = (of: JsonObject): number => (number(of, "replicas") ?? 0) - (number(of, "updatedReplicas") ?? 0);
  const moved =
    !isCurrent(deployment) ||
    ["updatedReplicas", "readyReplicas", "availableReplicas"].some(
      (field) => (number(counts, field) ?? 0) > (number(before, field) ?? 0),
    ) ||
    old(counts) < old(before);
  const limit = number(deployment, "spec", "progressDeadlineSeconds") ?? 600;
  const isUnderWay = ["ReplicaSetUpdated", "ProgressDeadlineExceeded"].includes(text(known, "reason"));
  const since = isUnderWay && !moved ? Date.parse(text(known, "lastUpdateTime")) : api.now();
  const wait = since + limit * 1000 - api.now();
  if (wait <= 0 || (text(known, "reason") === "ProgressDeadlineExceeded" && !moved))
    return { status: "False", reason: "ProgressDeadlineExceeded", message: `${set} has timed out progressing.` };
  return { status: "True", reason: "ReplicaSetUpdated", message: `${set} is progressing.`, moved, wait };
}

/** Whether its status is about its spec as it is. */
function isCurrent(deployment: JsonObject): boolean {
  return number(deployment, "status", "observedGeneration") === number(deployment, "metadata", "generation");
}
