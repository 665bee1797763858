// StatefulSets: pods by number, one after the other, never two of one name, each with claims of its own.
import type { Api } from "../api.ts";
import { isReady } from "../disruption.ts";
import { type JsonObject, list, merge, number, object, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import {
  controlledBy,
  isFinished,
  isGoing,
  keyOf,
  labelsOf,
  nameOf,
  namespaceOf,
  ownerReference,
  remove,
  splitKey,
  tell,
  writeStatus,
} from "./objects.ts";
import { keysOfOwner } from "./owned-pods.ts";
import { currentRevision, revisionLabel, revisionNamed, templateOf } from "./revisions.ts";

const key = "statefulsets.apps";
const component = "statefulset-controller";
const claimsKey = "persistentvolumeclaims";

export function statefulSets(api: Api): Controller {
  return {
    name: component,
    hears: { [key]: (each) => [keyOf(each)], pods: (pod) => keysOfOwner(pod, "StatefulSet") },
    sync(which) {
      const set = api.store.get(key, ...splitKey(which));
      if (set === undefined || isGoing(set)) return undefined;
      const revision = currentRevision(api, set, "controller.kubernetes.io/hash");
      act(api, set, revision);
      writeCounts(api, set, nameOf(revision));
      return undefined;
    },
  };
}

const wantedOf = (set: JsonObject): number => number(set, "spec", "replicas") ?? 1;
const ordinalOf = (of: JsonObject): number => Number(nameOf(of).slice(nameOf(of).lastIndexOf("-") + 1));
const isHealthy = (pod: JsonObject): boolean => isReady(pod) && !isGoing(pod);

/** Pods below it stay as they are. */
const partitionOf = (set: JsonObject): number =>
  number(set, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0;

/** One thing at a time where order is asked for, from the lowest number up, and from the highest down. */
function act(api: Api, set: JsonObject, revision: JsonObject): void {
  const pods = controlledBy(api, "pods", set);
  const isOrdered = text(set, "spec", "podManagementPolicy") !== "Parallel";
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(pod), pod]));
  for (let ordinal = 0; ordinal < wantedOf(set); ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) create(api, set, revision, ordinal);
    else if (isFinished(pod) && !isGoing(pod)) removePod(api, set, pod);
    if (isOrdered && (pod === undefined || !isHealthy(pod))) return;
  }
  const surplus = pods.filter((pod) => ordinalOf(pod) >= wantedOf(set)).toSorted((a, b) => ordinalOf(b) - ordinalOf(a));
  for (const pod of surplus) {
    if (!isGoing(pod)) removePod(api, set, pod);
    if (isOrdered) return;
  }
  releaseClaims(api, set, pods);
  update(api, set, nameOf(revision), pods);
}

/** Claims of numbers that are no more wanted go where the set says so. */
function releaseClaims(api: Api, set: JsonObject, pods: readonly JsonObject[]): void {
  if (text(set, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled") !== "Delete") return;
  const templates = list(set, "spec", "volumeClaimTemplates").map(nameOf);
  for (const claim of api.store.list(claimsKey, namespaceOf(set))) {
    const ordinal = ordinalOf(claim);
    const isOurs = templates.some((name) => nameOf(claim) === `${name}-${nameOf(set)}-${ordinal}`);
    const isUsed = ordinal < wantedOf(set) || pods.some((pod) => ordinalOf(pod) === ordinal);
    if (isOurs && !isUsed && !isGoing(claim)) remove(api, claimsKey, claim);
  }
}

function update(api: Api, set: JsonObject, revision: string, pods: readonly JsonObject[]): void {
  if (text(set, "spec", "updateStrategy", "type") === "OnDelete") return;
  const current = pods.filter((pod) => ordinalOf(pod) < wantedOf(set)).toSorted((a, b) => ordinalOf(b) - ordinalOf(a));
  for (const pod of current) {
    if (ordinalOf(pod) < partitionOf(set)) return;
    if (labelsOf(pod)[revisionLabel] !== revision) {
      if (!isGoing(pod)) removePod(api, set, pod);
      return;
    }
    // The next one waits for this one.
    if (!isHealthy(pod)) return;
  }
}

function create(api: Api, set: JsonObject, newest: JsonObject, ordinal: number): void {
  const before = text(set, "status", "currentRevision");
  const kept = ordinal < partitionOf(set) ? revisionNamed(api, set, before) : undefined;
  const revision = kept ?? newest;
  const template = templateOf(revision);
  const name = `${nameOf(set)}-${ordinal}`;
  const labels = {
    ...labelsOf(template),
    "apps.kubernetes.io/pod-index": `${ordinal}`,
    [revisionLabel]: nameOf(revision),
    "statefulset.kubernetes.io/pod-name": name,
  };
  const subdomain = text(set, "spec", "serviceName") || undefined;
  const claims = list(set, "spec", "volumeClaimTemplates");
  for (const claim of claims) ensureClaim(api, set, object(claim), name);
  const claimed = claims.map((each) => ({
    name: nameOf(each),
    persistentVolumeClaim: { claimName: `${nameOf(each)}-${name}` },
  }));
  const own = list(template, "spec", "volumes").filter(
    (each) => !claimed.some((claim) => claim.name === text(each, "name")),
  );
  const volumes = [...claimed, ...own];
  api.create(api.resource("pods"), namespaceOf(set), {
    metadata: { ...object(template, "metadata"), name, labels, ownerReferences: [ownerReference(set)] },
    spec: merge(object(template, "spec"), [], {
      hostname: name,
      subdomain,
      volumes: volumes.length === 0 ? undefined : volumes,
    }),
  });
  const message = `Create Pod ${name} in StatefulSet ${nameOf(set)} successful`;
  tell(api, set, { type: "Normal", reason: "SuccessfulCreate", message, component });
}

/** Claims outlive their pods, and sets that do not say otherwise. */
function ensureClaim(api: Api, set: JsonObject, template: JsonObject, pod: string): void {
  const name = `${nameOf(template)}-${pod}`;
  if (api.store.get(claimsKey, namespaceOf(set), name) !== undefined) return;
  const goes = text(set, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") === "Delete";
  const metadata = merge(object(template, "metadata"), [], {
    name,
    labels: { ...labelsOf(template), ...object(set, "spec", "selector", "matchLabels") },
    ownerReferences: goes ? [ownerReference(set)] : undefined,
  });
  api.create(api.resource(claimsKey), namespaceOf(set), { metadata, spec: object(template, "spec") });
  const message = `Create Claim ${name} Pod ${pod} in StatefulSet ${nameOf(set)} success`;
  tell(api, set, { type: "Normal", reason: "SuccessfulCreate", message, component });
}

function removePod(api: Api, set: JsonObject, pod: JsonObject): void {
  remove(api, "pods", pod);
  const message = `Delete Pod ${nameOf(pod)} in StatefulSet ${nameOf(set)} successful`;
  tell(api, set, { type: "Normal", reason: "SuccessfulDelete", message, component });
}

function writeCounts(api: Api, set: JsonObject, revision: string): void {
  const pods = controlledBy(api, "pods", set).filter((pod) => !isFinished(pod));
  const ready = pods.filter(isHealthy).length;
  const countOf = (name: string): number =>
    pods.filter((pod) => labelsOf(pod)[revisionLabel] === name && !isGoing(pod)).length;
  const updated = countOf(revision);
  const isDone = updated === wantedOf(set) && ready === wantedOf(set) && pods.length === updated;
  const current = isDone ? revision : text(set, "status", "currentRevision") || revision;
  writeStatus(api, key, set, {
    observedGeneration: number(set, "metadata", "generation") ?? 0,
    replicas: pods.length,
    readyReplicas: ready || undefined,
    availableReplicas: ready,
    currentReplicas: countOf(current) || undefined,
    updatedReplicas: updated || undefined,
    currentRevision: current,
    updateRevision: revision,
    collisionCount: 0,
  });
}
