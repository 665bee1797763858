// How far a Deployment is: its counts, its conditions, and whether it has stood still for too long.
import { timestamp } from "../access.ts";
import { type Condition, conditionOf } from "../conditions.ts";
import { share } from "../disruption.ts";
import { type JsonObject, number, object, text } from "../json.ts";
import type { Client } from "./client.ts";
import { generationOf, nameOf, replicasOf, uidOf } from "./objects.ts";

export const setKey = "replicasets.apps";

export function limits(deployment: JsonObject): { readonly surge: number; readonly unavailable: number } {
  if (text(deployment, "spec", "strategy", "type") === "Recreate") return { surge: 0, unavailable: 0 };
  const whole = replicasOf(deployment);
  const rolling = object(deployment, "spec", "strategy", "rollingUpdate");
  const surge = share(rolling["maxSurge"], whole, Math.ceil);
  const unavailable = share(rolling["maxUnavailable"], whole, Math.floor);
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

interface Progress extends Omit<Condition, "type"> {
  /** Something came nearer to its end. */
  readonly moved?: boolean;
  /** Milliseconds until it is too late. */
  readonly wait?: number;
}

const countOf = (of: JsonObject | undefined, field: string): number => number(of, field) ?? 0;

/** Returns the milliseconds until its deadline. */
export function writeProgress(client: Client, deployment: JsonObject, current?: JsonObject): number | undefined {
  const sets = client.controlled(setKey, deployment);
  const statusOf = (set: JsonObject | undefined): JsonObject => object(set, "status");
  const sum = (field: string): number => sets.reduce((all, set) => all + countOf(statusOf(set), field), 0);
  const set = sets.find((each) => uidOf(each) === uidOf(current));
  const whole = replicasOf(deployment);
  const [replicas, available] = [sum("replicas"), sum("availableReplicas")];
  const counts = {
    observedGeneration: generationOf(deployment),
    replicas: replicas || undefined,
    updatedReplicas: countOf(statusOf(set), "replicas") || undefined,
    readyReplicas: sum("readyReplicas") || undefined,
    availableReplicas: available || undefined,
    unavailableReplicas: Math.max(0, replicas - available, whole - available) || undefined,
  };
  const { wait, moved = false, ...progressing } = progressOf(client.now(), deployment, counts, set);
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
function progressOf(now: number, deployment: JsonObject, counts: JsonObject, current?: JsonObject): Progress {
  const set = `ReplicaSet "${nameOf(current)}"`;
  const whole = replicasOf(deployment);
  const old = (of: JsonObject): number => countOf(of, "replicas") - countOf(of, "updatedReplicas");
  const known = conditionOf(deployment, "Progressing");
  if (object(deployment, "spec")["paused"] === true)
    return { status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" };
  const isThere = ["updatedReplicas", "availableReplicas"].every((field) => countOf(counts, field) >= whole);
  // A rollout that is over is not begun again by more replicas, or by pods that are lost.
  const wasThere = text(known, "reason") === "NewReplicaSetAvailable";
  if ((isThere || wasThere) && old(counts) === 0)
    return { status: "True", reason: "NewReplicaSetAvailable", message: `${set} has successfully progressed.` };
  const before = object(deployment, "status");
  const rising = ["updatedReplicas", "readyReplicas", "availableReplicas"];
  const moved =
    countOf(before, "observedGeneration") !== generationOf(deployment) ||
    rising.some((field) => countOf(counts, field) > countOf(before, field)) ||
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
