// How far a Deployment is: its counts, its conditions, and whether it has stood still for too long.
import { timestamp } from "../access.ts";
import { conditionOf } from "../conditions.ts";
import { share } from "../disruption.ts";
import { type JsonObject, number, object, text } from "../json.ts";
import type { Client } from "./client.ts";
import { generationOf, nameOf, uidOf } from "./objects.ts";

export const setKey = "replicasets.apps";

export function limits(deployment: JsonObject): { readonly surge: number; readonly unavailable: number } {
  if (text(deployment, "spec", "strategy", "type") === "Recreate") return { surge: 0, unavailable: 0 };
  const whole = number(deployment, "spec", "replicas") ?? 1;
  const rolling = object(deployment, "spec", "strategy", "rollingUpdate");
  const surge = share(rolling["maxSurge"], whole, Math.ceil);
  const unavailable = share(rolling["maxUnavailable"], whole, Math.floor);
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
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

/** Returns the milliseconds until its deadline. */
export function writeProgress(
  client: Client,
  deployment: JsonObject,
  current: JsonObject | undefined,
): number | undefined {
  const sets = client.controlled(setKey, deployment);
  const sum = (field: string): number => sets.reduce((all, set) => all + (number(set, "status", field) ?? 0), 0);
  const set = sets.find((each) => uidOf(each) === uidOf(current));
  const whole = number(deployment, "spec", "replicas") ?? 1;
  const updated = number(set, "status", "replicas") ?? 0;
  const available = sum("availableReplicas");
  const counts = {
    observedGeneration: generationOf(deployment),
    replicas: sum("replicas") || undefined,
    updatedReplicas: updated || undefined,
    readyReplicas: sum("readyReplicas") || undefined,
    availableReplicas: available || undefined,
    unavailableReplicas: Math.max(0, sum("replicas") - available, whole - available) || undefined,
  };
  const isDone = updated >= whole && available >= whole && sum("replicas") === updated;
  const { wait, moved = false, ...progressing } = progressOf(client.now(), deployment, counts, set, isDone);
  const has = available >= whole - limits(deployment).unavailable;
  const availability = {
    status: has ? "True" : "False",
    reason: has ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: `Deployment ${has ? "has" : "does not have"} minimum availability.`,
  };
  const conditions = Object.entries({ Progressing: progressing, Available: availability }).map(([type, said]) => {
    const known = conditionOf(deployment, type);
    const isSame = text(known, "status") === said.status && text(known, "reason") === said.reason;
    const isNews = !isSame || (type === "Progressing" && moved);
    return { type, ...said, lastUpdateTime: isNews ? timestamp(client.now()) : text(known, "lastUpdateTime") };
  });
  client.writeStatus(deployment, counts, conditions);
  return wait;
}

/** A rollout that stands still for longer than `progressDeadlineSeconds` has failed, and is not given up for that. */
function progressOf(
  now: number,
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
    number(before, "observedGeneration") !== generationOf(deployment) ||
    ["updatedReplicas", "readyReplicas", "availableReplicas"].some(
      (field) => (number(counts, field) ?? 0) > (number(before, field) ?? 0),
    ) ||
    old(counts) < old(before);
  const limit = number(deployment, "spec", "progressDeadlineSeconds") ?? 600;
  const isLate = text(known, "reason") === "ProgressDeadlineExceeded";
  const isUnderWay = isLate || text(known, "reason") === "ReplicaSetUpdated";
  const since = isUnderWay && !moved ? Date.parse(text(known, "lastUpdateTime")) : now;
  const wait = since + limit * 1000 - now;
  if (wait <= 0 || (isLate && !moved))
    return { status: "False", reason: "ProgressDeadlineExceeded", message: `${set} has timed out progressing.` };
  return { status: "True", reason: "ReplicaSetUpdated", message: `${set} is progressing.`, moved, wait };
}
