// StatefulSets: pods by number, one after the other, never two of one name, each with claims of its own.
import type { Api } from "../api.ts";
import { isReady } from "../disruption.ts";
import { type Json, type JsonObject, list, number, object, text } from "../json.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { generationOf, isFinished, isGoing, labelsOf, nameOf, namespaceOf, replicasOf } from "./objects.ts";
import { availablePods, createPod, deletePod } from "./owned-pods.ts";
import { currentRevision, revisionLabel, revisionNamed, templateOf } from "./revisions.ts";

const claimsKey = "persistentvolumeclaims";

export function statefulSets(api: Api): Controller {
  return controllerFor(api, {
    name: "statefulset-controller",
    resource: "statefulsets.apps",
    owns: ["pods", "controllerrevisions.apps"],
    mayTake: (owned, set) => text(owned, "kind") !== "Pod" || nameOf(owned) === `${nameOf(set)}-${ordinalOf(owned)}`,
    sync(set, client) {
      const revision = currentRevision(client, set, "controller.kubernetes.io/hash");
      act(client, set, revision);
      return writeCounts(client, set, nameOf(revision));
    },
  });
}

const ordinalOf = (of: JsonObject): number => Number(nameOf(of).slice(nameOf(of).lastIndexOf("-") + 1));

/** The lowest number, and the first that is too high. */
function boundsOf(set: JsonObject): { readonly start: number; readonly end: number } {
  const start = number(set, "spec", "ordinals", "start") ?? 0;
  return { start, end: start + replicasOf(set) };
}

function isWanted(set: JsonObject, ordinal: number): boolean {
  const { start, end } = boundsOf(set);
  return ordinal >= start && ordinal < end;
}

/** Pods below it stay as they are. */
const partitionOf = (set: JsonObject): number =>
  boundsOf(set).start + (number(set, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0);

/** One thing at a time where order is asked for, from the lowest number up, and from the highest down. */
function act(client: Client, set: JsonObject, revision: JsonObject): void {
  const pods = client.controlled("pods", set).toSorted((a, b) => ordinalOf(b) - ordinalOf(a));
  const healthy = new Set(
    availablePods(
      client,
      set,
      pods.filter((pod) => !isGoing(pod)),
    ).available,
  );
  const isOrdered = text(set, "spec", "podManagementPolicy") !== "Parallel";
  const { start, end } = boundsOf(set);
  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = pods.find((each) => ordinalOf(each) === ordinal);
    if (pod === undefined) create(client, set, revision, ordinal);
    else if (isFinished(pod) && !isGoing(pod)) deletePod(client, set, pod);
    if (isOrdered && (pod === undefined || !healthy.has(pod))) return;
  }
  for (const pod of pods.filter((each) => !isWanted(set, ordinalOf(each)))) {
    if (!isGoing(pod)) deletePod(client, set, pod);
    if (isOrdered) return;
  }
  releaseClaims(client, set, pods);
  update(client, set, nameOf(revision), pods, healthy);
}

/** Claims of numbers that are no more wanted go where the set says so. */
function releaseClaims(client: Client, set: JsonObject, pods: readonly JsonObject[]): void {
  if (text(set, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled") !== "Delete") return;
  const templates = list(set, "spec", "volumeClaimTemplates").map(nameOf);
  for (const claim of client.store.list(claimsKey, namespaceOf(set))) {
    const ordinal = ordinalOf(claim);
    const isOurs = templates.some((name) => nameOf(claim) === `${name}-${nameOf(set)}-${ordinal}`);
    const isUsed = isWanted(set, ordinal) || pods.some((pod) => ordinalOf(pod) === ordinal);
    if (isOurs && !isUsed && !isGoing(claim)) client.remove(claim);
  }
}

/** From the highest number down; the next one waits for this one. */
function update(
  client: Client,
  set: JsonObject,
  revision: string,
  pods: readonly JsonObject[],
  healthy: ReadonlySet<JsonObject>,
): void {
  if (text(set, "spec", "updateStrategy", "type") === "OnDelete") return;
  const isDone = (pod: JsonObject): boolean => labelsOf(pod)[revisionLabel] === revision && healthy.has(pod);
  const next = pods.find((pod) => ordinalOf(pod) >= partitionOf(set) && isWanted(set, ordinalOf(pod)) && !isDone(pod));
  if (next === undefined || labelsOf(next)[revisionLabel] === revision || isGoing(next)) return;
  deletePod(client, set, next);
}

function create(client: Client, set: JsonObject, newest: JsonObject, ordinal: number): void {
  const before = text(set, "status", "currentRevision");
  const kept = ordinal < partitionOf(set) ? revisionNamed(client, set, before) : undefined;
  const revision = kept ?? newest;
  const template = templateOf(revision);
  const name = `${nameOf(set)}-${ordinal}`;
  const labels = {
    ...labelsOf(template),
    "apps.kubernetes.io/pod-index": `${ordinal}`,
    [revisionLabel]: nameOf(revision),
    "statefulset.kubernetes.io/pod-name": name,
  };
  const claimed = list(set, "spec", "volumeClaimTemplates").map((claim): Json => {
    const claimName = ensureClaim(client, set, object(claim), name);
    return { name: nameOf(claim), persistentVolumeClaim: { claimName } };
  });
  const isClaimed = (volume: Json): boolean => claimed.some((claim) => text(claim, "name") === text(volume, "name"));
  const volumes = [...claimed, ...list(template, "spec", "volumes").filter((each) => !isClaimed(each))];
  createPod(client, set, {
    metadata: { ...object(template, "metadata"), name, labels },
    spec: {
      ...object(template, "spec"),
      hostname: name,
      subdomain: text(set, "spec", "serviceName") || undefined,
      volumes: volumes.length > 0 ? volumes : undefined,
    },
  });
}

/** Claims outlive their pods, and sets that do not say otherwise. Returns its name. */
function ensureClaim(client: Client, set: JsonObject, template: JsonObject, pod: string): string {
  const name = `${nameOf(template)}-${pod}`;
  if (client.store.get(claimsKey, namespaceOf(set), name) !== undefined) return name;
  const labels = { ...labelsOf(template), ...object(set, "spec", "selector", "matchLabels") };
  const document = { metadata: { ...object(template, "metadata"), name, labels }, spec: object(template, "spec") };
  const goes = text(set, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") === "Delete";
  if (goes) client.createFor(set, claimsKey, document);
  else client.create(claimsKey, namespaceOf(set), document);
  const message = `Create Claim ${name} Pod ${pod} in StatefulSet ${nameOf(set)} success`;
  client.tell(set, "Normal", "SuccessfulCreate", message);
  return name;
}

/** Returns when more pods will be available. */
function writeCounts(client: Client, set: JsonObject, revision: string): number | undefined {
  const pods = client.controlled("pods", set).filter((pod) => !isFinished(pod));
  const here = pods.filter((pod) => !isGoing(pod));
  const ready = here.filter(isReady).length;
  const { available, wait } = availablePods(client, set, here);
  const countOf = (name: string): number => here.filter((pod) => labelsOf(pod)[revisionLabel] === name).length;
  const updated = countOf(revision);
  const isDone = updated === replicasOf(set) && ready === replicasOf(set) && pods.length === updated;
  const current = isDone ? revision : text(set, "status", "currentRevision") || revision;
  client.writeStatus(set, {
    observedGeneration: generationOf(set),
    replicas: pods.length,
    readyReplicas: ready || undefined,
    availableReplicas: available.length,
    currentReplicas: countOf(current) || undefined,
    updatedReplicas: updated || undefined,
    currentRevision: current,
    updateRevision: revision,
    collisionCount: 0,
  });
  return wait;
}
