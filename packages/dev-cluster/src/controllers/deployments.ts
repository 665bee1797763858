// Deployments: one ReplicaSet for each template, and the way from one to the next.
import type { Api } from "../api.ts";
import { equal, type JsonObject, merge, number, object, put, text } from "../json.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { limits, setKey, writeProgress } from "./deployment-progress.ts";
import { annotationsOf, hashOf, isFinished, isGoing, labelsOf, nameOf, replicasOf, surplus } from "./objects.ts";

const hashLabel = "pod-template-hash";
const revisionAnnotation = "deployment.kubernetes.io/revision";
const lookMs = 500;

export function deployments(api: Api): Controller {
  return controllerFor(api, {
    name: "deployment-controller",
    resource: "deployments.apps",
    owns: [setKey],
    sync(deployment, client) {
      const sets = client.controlled(setKey, deployment);
      const isPaused = object(deployment, "spec")["paused"] === true;
      const template = bareTemplate(deployment);
      const known = sets.find((set) => equal(bareTemplate(set), template));
      const current = known ?? (isPaused ? undefined : createSet(client, deployment, template));
      const others = sets.filter((set) => set !== current);
      let isHeld = false;
      if (current !== undefined) keepUp(client, deployment, current, others);
      if (isPaused) scalePaused(client, deployment, sets);
      else if (current !== undefined && text(deployment, "spec", "strategy", "type") === "Recreate")
        isHeld = recreate(client, deployment, current, others);
      else if (current !== undefined) roll(client, deployment, current, others);
      cleanUp(client, deployment, others);
      const wait = writeProgress(client, deployment, current);
      return isHeld ? lookMs : wait;
    },
  });
}

function bareTemplate(of: JsonObject): JsonObject {
  return put(object(of, "spec", "template"), ["metadata", "labels", hashLabel], undefined);
}

const availableOf = (set: JsonObject): number => number(set, "status", "availableReplicas") ?? 0;
const revisionOf = (of: JsonObject): number => Number(annotationsOf(of)[revisionAnnotation] ?? 0);
const total = (sets: readonly JsonObject[], countOf: (set: JsonObject) => number): number =>
  sets.reduce((sum, set) => sum + countOf(set), 0);

/** Without pods at first. */
function createSet(client: Client, deployment: JsonObject, template: JsonObject): JsonObject {
  const hash = hashOf(template);
  const labels = { ...labelsOf(template), [hashLabel]: hash };
  return client.createFor(deployment, setKey, {
    metadata: { name: `${nameOf(deployment)}-${hash}`, labels },
    spec: {
      replicas: 0,
      selector: merge(object(deployment, "spec", "selector"), ["matchLabels"], { [hashLabel]: hash }),
      template: put(template, ["metadata", "labels"], labels),
    },
  });
}

function scaleTo(client: Client, deployment: JsonObject, set: JsonObject, replicas: number): void {
  const before = replicasOf(set);
  if (before === replicas) return;
  client.change(set, (now) => put(now, ["spec", "replicas"], replicas));
  const way = replicas > before ? "up" : "down";
  const message = `Scaled ${way} replica set ${nameOf(set)} from ${before} to ${replicas}`;
  client.tell(deployment, "Normal", "ScalingReplicaSet", message);
}

/** Of a rollout that is held up in the middle each set stays as large as it is. */
function scalePaused(client: Client, deployment: JsonObject, sets: readonly JsonObject[]): void {
  const [newest, ...older] = sets.toSorted((a, b) => replicasOf(b) - replicasOf(a) || revisionOf(b) - revisionOf(a));
  if (newest !== undefined && total(older, replicasOf) === 0)
    scaleTo(client, deployment, newest, replicasOf(deployment));
}

/** Whether it waits for the last old pod to be gone. */
function recreate(client: Client, deployment: JsonObject, set: JsonObject, others: readonly JsonObject[]): boolean {
  for (const each of others) scaleTo(client, deployment, each, 0);
  const isHeld = others.some((each) => client.controlled("pods", each).some((pod) => !isFinished(pod)));
  if (!isHeld) scaleTo(client, deployment, set, replicasOf(deployment));
  return isHeld;
}

/** Up as far as the surge lets, then down as far as enough are available. */
function roll(client: Client, deployment: JsonObject, current: JsonObject, others: readonly JsonObject[]): void {
  const whole = replicasOf(deployment);
  const { surge, unavailable } = limits(deployment);
  const room = whole + surge - total(others, replicasOf);
  const wanted = Math.min(whole, Math.max(replicasOf(current), room));
  scaleTo(client, deployment, current, wanted);
  const minimum = whole - unavailable;
  const waiting = Math.max(0, wanted - availableOf(current));
  let dispensable = wanted + total(others, replicasOf) - minimum - waiting;
  let spare = Math.max(0, total([current, ...others], availableOf) - minimum);
  if (dispensable <= 0) return;
  // What is not available anyhow goes first; the rest only as far as enough stay available.
  for (const set of others.toSorted((a, b) => revisionOf(a) - revisionOf(b))) {
    const dead = Math.min(dispensable, Math.max(0, replicasOf(set) - availableOf(set)));
    dispensable -= dead;
    const living = Math.min(spare, replicasOf(set) - dead);
    spare -= living;
    scaleTo(client, deployment, set, replicasOf(set) - dead - living);
  }
}

/** The current set says what the Deployment says of itself, and has the highest revision, which the Deployment says, too. */
function keepUp(client: Client, deployment: JsonObject, set: JsonObject, others: readonly JsonObject[]): void {
  const revision = `${Math.max(1, revisionOf(set), ...others.map((each) => revisionOf(each) + 1))}`;
  const { "kubectl.kubernetes.io/last-applied-configuration": _, ...said } = annotationsOf(deployment);
  const annotations = { ...said, [revisionAnnotation]: revision };
  const minReadySeconds = number(deployment, "spec", "minReadySeconds");
  client.change(set, (now) =>
    put(merge(now, ["metadata", "annotations"], annotations), ["spec", "minReadySeconds"], minReadySeconds),
  );
  client.change(deployment, (now) => put(now, ["metadata", "annotations", revisionAnnotation], revision));
}

function cleanUp(client: Client, deployment: JsonObject, others: readonly JsonObject[]): void {
  const isEmpty = (set: JsonObject): boolean => replicasOf(set) === 0 && number(set, "status", "replicas") === 0;
  const empty = others.filter((set) => isEmpty(set) && !isGoing(set));
  const limit = number(deployment, "spec", "revisionHistoryLimit") ?? 10;
  for (const set of surplus(empty, limit, revisionOf)) client.remove(set);
}
