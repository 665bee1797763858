// Deployments: one ReplicaSet for each template, and the way from one to the next.
import type { Api } from "../api.ts";
import { equal, type JsonObject, merge, number, object, put, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { deploymentKey as key, limits, setKey, writeProgress } from "./deployment-progress.ts";
import {
  change,
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
  templateHash,
} from "./objects.ts";
import { keysOfOwner } from "./owned-pods.ts";

const hashLabel = "pod-template-hash";
const revisionAnnotation = "deployment.kubernetes.io/revision";
const component = "deployment-controller";

export function deployments(api: Api): Controller {
  return {
    name: component,
    hears: {
      [key]: (each) => [keyOf(each)],
      [setKey]: (set) => keysOfOwner(set, "Deployment"),
      // A Recreate waits for the last pod to be gone.
      pods: (pod, { type }) => (type === "DELETED" ? ownerOfSet(api, pod) : []),
    },
    sync(at) {
      const deployment = api.store.get(key, ...splitKey(at));
      if (deployment === undefined || isGoing(deployment)) return undefined;
      const sets = controlledBy(api, setKey, deployment);
      const isPaused = object(deployment, "spec")["paused"] === true;
      const current = currentSet(deployment, sets) ?? (isPaused ? undefined : createSet(api, deployment, sets));
      const others = sets.filter((set) => set !== current);
      if (current !== undefined) {
        keepRevision(api, deployment, current, others);
        const isRecreate = text(deployment, "spec", "strategy", "type") === "Recreate";
        if (isPaused) scaleTo(api, deployment, current, number(deployment, "spec", "replicas") ?? 1);
        else if (isRecreate) recreate(api, deployment, current, others);
        else roll(api, deployment, current, others);
      }
      cleanUp(api, deployment, others);
      return writeProgress(api, deployment, current);
    },
  };
}

function ownerOfSet(api: Api, pod: JsonObject): readonly string[] {
  return keysOfOwner(pod, "ReplicaSet").flatMap((each) => {
    const set = api.store.get(setKey, ...splitKey(each));
    return set === undefined ? [] : keysOfOwner(set, "Deployment");
  });
}

function bareTemplate(of: JsonObject): JsonObject {
  return put(object(of, "spec", "template"), ["metadata", "labels", hashLabel], undefined);
}

function currentSet(deployment: JsonObject, sets: readonly JsonObject[]): JsonObject | undefined {
  const wanted = bareTemplate(deployment);
  return sets.find((set) => equal(bareTemplate(set), wanted));
}

const replicasOf = (set: JsonObject): number => number(set, "spec", "replicas") ?? 0;
const availableOf = (set: JsonObject): number => number(set, "status", "availableReplicas") ?? 0;
const revisionOf = (of: JsonObject): number => Number(object(of, "metadata", "annotations")[revisionAnnotation] ?? 0);

function createSet(api: Api, deployment: JsonObject, sets: readonly JsonObject[]): JsonObject {
  const hash = templateHash(bareTemplate(deployment));
  const template = object(deployment, "spec", "template");
  const labels = { ...labelsOf(template), [hashLabel]: hash };
  const selector = merge(object(deployment, "spec", "selector"), ["matchLabels"], { [hashLabel]: hash });
  const revision = Math.max(0, ...sets.map(revisionOf)) + 1;
  const isFirst = sets.length === 0;
  const isRecreate = text(deployment, "spec", "strategy", "type") === "Recreate";
  const whole = number(deployment, "spec", "replicas") ?? 1;
  const { "kubectl.kubernetes.io/last-applied-configuration": _, ...annotations } = object(
    deployment,
    "metadata",
    "annotations",
  );
  const replicas = isFirst
    ? whole
    : isRecreate
      ? 0
      : Math.max(0, Math.min(whole, whole + limits(deployment).surge - total(sets)));
  const made = api.create(api.resource(setKey), namespaceOf(deployment), {
    metadata: {
      name: `${nameOf(deployment)}-${hash}`,
      labels,
      annotations: {
        ...annotations,
        [revisionAnnotation]: `${revision}`,
        "deployment.kubernetes.io/desired-replicas": `${whole}`,
        "deployment.kubernetes.io/max-replicas": `${whole + limits(deployment).surge}`,
      },
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas,
      selector,
      template: put(template, ["metadata", "labels"], labels),
      minReadySeconds: number(deployment, "spec", "minReadySeconds"),
    },
  });
  if (replicas > 0) tellScaled(api, deployment, made, 0, replicas);
  return made;
}

function tellScaled(api: Api, deployment: JsonObject, set: JsonObject, from: number, to: number): void {
  const message = `Scaled ${to > from ? "up" : "down"} replica set ${nameOf(set)} from ${from} to ${to}`;
  tell(api, deployment, { type: "Normal", reason: "ScalingReplicaSet", message, component });
}

function total(sets: readonly JsonObject[]): number {
  return sets.reduce((sum, set) => sum + replicasOf(set), 0);
}

function scaleTo(api: Api, deployment: JsonObject, set: JsonObject, replicas: number): void {
  const now = api.store.get(setKey, namespaceOf(set), nameOf(set));
  if (now === undefined || replicasOf(now) === replicas) return;
  change(api, setKey, set, (each) => put(each, ["spec", "replicas"], replicas));
  tellScaled(api, deployment, set, replicasOf(now), replicas);
}

function recreate(api: Api, deployment: JsonObject, current: JsonObject, others: readonly JsonObject[]): void {
  for (const set of others) scaleTo(api, deployment, set, 0);
  const isLeft = others.some((set) => controlledBy(api, "pods", set).some((pod) => !isFinished(pod)));
  if (!isLeft) scaleTo(api, deployment, current, number(deployment, "spec", "replicas") ?? 1);
}

/** Up as far as the surge lets, then down as far as enough are available. */
function roll(api: Api, deployment: JsonObject, current: JsonObject, others: readonly JsonObject[]): void {
  const whole = number(deployment, "spec", "replicas") ?? 1;
  const { surge, unavailable } = limits(deployment);
  const room = whole + surge - total(others);
  const wanted = replicasOf(current) > whole ? whole : Math.max(replicasOf(current), Math.min(whole, room));
  scaleTo(api, deployment, current, wanted);
  const available = availableOf(current) + others.reduce((sum, set) => sum + availableOf(set), 0);
  const minimum = whole - unavailable;
  const waiting = wanted - Math.min(wanted, availableOf(current));
  let dispensable = wanted + total(others) - minimum - waiting;
  let spare = Math.max(0, available - minimum);
  if (dispensable <= 0) return;
  // What is not available anyhow goes first; the rest only as far as enough stay available.
  for (const set of others.toSorted((a, b) => revisionOf(a) - revisionOf(b))) {
    const dead = Math.min(dispensable, Math.max(0, replicasOf(set) - availableOf(set)));
    dispensable -= dead;
    const living = Math.min(spare, replicasOf(set) - dead);
    spare -= living;
    if (dead + living > 0) scaleTo(api, deployment, set, replicasOf(set) - dead - living);
  }
}

/** The newest set has the highest revision, and the Deployment says it. */
function keepRevision(api: Api, deployment: JsonObject, current: JsonObject, others: readonly JsonObject[]): void {
  const highest = Math.max(0, ...others.map(revisionOf));
  const revision = revisionOf(current) > highest ? revisionOf(current) : highest + 1;
  const path = ["metadata", "annotations", revisionAnnotation];
  for (const [resource, each] of [
    [setKey, current],
    [key, deployment],
  ] as const) {
    if (revisionOf(each) === revision) continue;
    change(api, resource, each, (now) => put(now, path, `${revision}`));
  }
}

function cleanUp(api: Api, deployment: JsonObject, others: readonly JsonObject[]): void {
  const limit = number(deployment, "spec", "revisionHistoryLimit") ?? 10;
  const empty = others.filter(
    (set) => replicasOf(set) === 0 && (number(set, "status", "replicas") ?? 0) === 0 && !isGoing(set),
  );
  const old = empty.toSorted((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, empty.length - limit));
  for (const set of old) remove(api, setKey, set);
}
