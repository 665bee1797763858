// StatefulSets: pods by number, one after the other, never two of one name. No claims of volumes are made.
import type { Api } from "../api.ts";
import { isReady } from "../disruption.ts";
import { type JsonObject, merge, number, object, text } from "../json.ts";
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
  splitKey,
  tell,
  templateHash,
  writeStatus,
} from "./objects.ts";
import { keysOfOwner } from "./owned-pods.ts";

const key = "statefulsets.apps";
const component = "statefulset-controller";
const hashLabel = "controller-revision-hash";

export function statefulSets(api: Api): Controller {
  return {
    name: component,
    hears: { [key]: (each) => [keyOf(each)], pods: (pod) => keysOfOwner(pod, "StatefulSet") },
    sync(which) {
      const set = api.store.get(key, ...splitKey(which));
      if (set === undefined) return undefined;
      if (!isGoing(set)) act(api, set);
      writeCounts(api, set);
      return undefined;
    },
  };
}

const wantedOf = (set: JsonObject): number => number(set, "spec", "replicas") ?? 1;
const ordinalOf = (pod: JsonObject): number => Number(nameOf(pod).slice(nameOf(pod).lastIndexOf("-") + 1));
const isHealthy = (pod: JsonObject): boolean => isReady(pod) && !isGoing(pod);

const revisionOf = (set: JsonObject): string => `${nameOf(set)}-${templateHash(set)}`;

/** One thing at a time where order is asked for, from the lowest number up, and from the highest down. */
function act(api: Api, set: JsonObject): void {
  const pods = controlledBy(api, "pods", set);
  const isOrdered = text(set, "spec", "podManagementPolicy") !== "Parallel";
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(pod), pod]));
  for (let ordinal = 0; ordinal < wantedOf(set); ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) create(api, set, ordinal);
    else if (isFinished(pod) && !isGoing(pod)) remove(api, set, pod);
    if (isOrdered && (pod === undefined || !isHealthy(pod))) return;
  }
  const surplus = pods.filter((pod) => ordinalOf(pod) >= wantedOf(set)).toSorted((a, b) => ordinalOf(b) - ordinalOf(a));
  for (const pod of surplus) {
    if (!isGoing(pod)) remove(api, set, pod);
    if (isOrdered) return;
  }
  update(api, set, pods);
}

function update(api: Api, set: JsonObject, pods: readonly JsonObject[]): void {
  if (text(set, "spec", "updateStrategy", "type") === "OnDelete") return;
  const partition = number(set, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0;
  const current = pods.filter((pod) => ordinalOf(pod) < wantedOf(set)).toSorted((a, b) => ordinalOf(b) - ordinalOf(a));
  for (const pod of current) {
    if (ordinalOf(pod) < partition) return;
    if (labelsOf(pod)[hashLabel] !== revisionOf(set)) {
      if (!isGoing(pod)) remove(api, set, pod);
      return;
    }
    // The next one waits for this one.
    if (!isHealthy(pod)) return;
  }
}

function create(api: Api, set: JsonObject, ordinal: number): void {
  const name = `${nameOf(set)}-${ordinal}`;
  const template = object(set, "spec", "template");
  const labels = {
    ...labelsOf(template),
    "apps.kubernetes.io/pod-index": `${ordinal}`,
    [hashLabel]: revisionOf(set),
    "statefulset.kubernetes.io/pod-name": name,
  };
  const subdomain = text(set, "spec", "serviceName") || undefined;
  api.create(api.resource("pods"), namespaceOf(set), {
    metadata: { ...object(template, "metadata"), name, labels, ownerReferences: [ownerReference(set)] },
    spec: merge(object(template, "spec"), [], { hostname: name, subdomain }),
  });
  const message = `create Pod ${name} in StatefulSet ${nameOf(set)} successful`;
  tell(api, set, { type: "Normal", reason: "SuccessfulCreate", message, component });
}

function remove(api: Api, set: JsonObject, pod: JsonObject): void {
  api.delete(api.resource("pods"), namespaceOf(pod), nameOf(pod), { uid: text(pod, "metadata", "uid") });
  const message = `delete Pod ${nameOf(pod)} in StatefulSet ${nameOf(set)} successful`;
  tell(api, set, { type: "Normal", reason: "SuccessfulDelete", message, component });
}

function writeCounts(api: Api, set: JsonObject): void {
  const pods = controlledBy(api, "pods", set).filter((pod) => !isFinished(pod));
  const ready = pods.filter(isHealthy).length;
  const revision = revisionOf(set);
  const updated = pods.filter((pod) => labelsOf(pod)[hashLabel] === revision && !isGoing(pod)).length;
  const isDone = updated === wantedOf(set) && ready === wantedOf(set) && pods.length === updated;
  const before = text(set, "status", "currentRevision");
  const status = merge(object(set, "status"), [], {
    observedGeneration: number(set, "metadata", "generation") ?? 0,
    replicas: pods.length,
    readyReplicas: ready || undefined,
    availableReplicas: ready,
    currentReplicas: (isDone ? updated : pods.length - updated) || undefined,
    updatedReplicas: updated || undefined,
    currentRevision: isDone || before === "" ? revision : before,
    updateRevision: revision,
    collisionCount: 0,
  });
  writeStatus(api, key, set, status);
}
