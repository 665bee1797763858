// DaemonSets: one pod on each node that it may be on.
import type { Api } from "../api.ts";
import { isReady, share } from "../disruption.ts";
import { at, type Json, type JsonObject, list, object, put, text, texts } from "../json.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import { isOtherPlace, nodeTerms, refusalBy } from "./fit.ts";
import {
  annotationsOf,
  bornAt,
  generationOf,
  isFinished,
  isGoing,
  keyOf,
  labelsOf,
  nameOf,
  without,
} from "./objects.ts";
import { activePods, availablePods, createPod, deletePod } from "./owned-pods.ts";
import { currentRevision, revisionLabel } from "./revisions.ts";

const key = "daemonsets.apps";
/** What ends sooner is not replaced before. */
const leastLifeMs = 5_000;
const lookMs = 1_000;

const tolerated: Readonly<Record<string, string>> = {
  "not-ready": "NoExecute",
  unreachable: "NoExecute",
  "disk-pressure": "NoSchedule",
  "memory-pressure": "NoSchedule",
  "pid-pressure": "NoSchedule",
  unschedulable: "NoSchedule",
};

export function daemonSets(api: Api): Controller {
  return controllerFor(api, {
    name: "daemonset-controller",
    resource: key,
    owns: ["pods", "controllerrevisions.apps"],
    hears: { nodes: (node, change) => (isOtherPlace(node, change) ? api.store.list(key).map(keyOf) : []) },
    sync(set, client) {
      const hash = text(labelsOf(currentRevision(client, set, revisionLabel)), revisionLabel);
      // Room is not asked for: a pod that does not fit waits, or is refused by its node.
      const mayBeOn = (node: JsonObject): boolean => refusalBy({ spec: specFor(set, node) }, node) === undefined;
      const all = client.store.list("nodes");
      const nodes = all.filter(mayBeOn);
      const wait = takeAway(client, set, new Set(all.filter((node) => mayBeOn(evicting(node))).map(nameOf)));
      const served = new Set(client.controlled("pods", set).map(nodeOf));
      for (const node of nodes) {
        const parts = { metadata: { labels: labelsFor(set, hash) }, spec: specFor(set, node) };
        if (!served.has(nameOf(node))) createPod(client, set, parts);
      }
      update(client, set, hash, nodes.length);
      const next = writeCounts(client, set, hash, new Set(nodes.map(nameOf)));
      return wait ?? next;
    },
  });
}

/** The node by those of its taints that take pods away, too. */
function evicting(node: JsonObject): JsonObject {
  return without(node, ["spec", "taints"], (taint) => text(taint, "effect") !== "NoExecute");
}

function labelsFor(set: JsonObject, hash: string): JsonObject {
  const generation = annotationsOf(set)["deprecated.daemonset.template.generation"];
  return { ...labelsOf(at(set, "spec", "template")), [revisionLabel]: hash, "pod-template-generation": generation };
}

/** The template's, for this node and no other, and for longer than others may be there. */
function specFor(set: JsonObject, node: JsonObject): JsonObject {
  const spec = object(set, "spec", "template", "spec");
  const onHost = spec["hostNetwork"] === true ? { "network-unavailable": "NoSchedule" } : {};
  const added = Object.entries({ ...tolerated, ...onHost }).map(
    ([name, effect]): Json => ({ key: `node.kubernetes.io/${name}`, operator: "Exists", effect }),
  );
  const matchFields = [{ key: "metadata.name", operator: "In", values: [nameOf(node)] }];
  const terms = list(spec, ...nodeTerms);
  const nodeSelectorTerms = (terms.length > 0 ? terms : [{}]).map((term) => ({ ...object(term), matchFields }));
  return put({ ...spec, tolerations: [...list(spec, "tolerations"), ...added] }, nodeTerms, nodeSelectorTerms);
}

/** The node that a pod is on, or is meant for. */
function nodeOf(pod: JsonObject): string {
  const [term] = list(pod, "spec", ...nodeTerms);
  const [meant = ""] = texts(list(term, "matchFields")[0], "values");
  return text(pod, "spec", "nodeName") || meant;
}

/** Pods on other nodes, and those that have ended. Returns when to look again, where some ended too soon. */
function takeAway(client: Client, set: JsonObject, nodes: ReadonlySet<string>): number | undefined {
  const pods = client.controlled("pods", set).filter((pod) => !isGoing(pod));
  const isYoung = (pod: JsonObject): boolean => bornAt(pod) + leastLifeMs > client.now();
  const isDue = (pod: JsonObject): boolean => !nodes.has(nodeOf(pod)) || (isFinished(pod) && !isYoung(pod));
  for (const pod of pods.filter(isDue)) {
    const message = `Found failed daemon pod ${keyOf(pod)} on node ${nodeOf(pod)}, will try to kill it`;
    if (text(pod, "status", "phase") === "Failed") client.tell(set, "Warning", "FailedDaemonPod", message);
    deletePod(client, set, pod);
  }
  return pods.some((pod) => isFinished(pod) && !isDue(pod)) ? lookMs : undefined;
}

/** Pods of an older template go, as many at once as may be missing. */
function update(client: Client, set: JsonObject, hash: string, whole: number): void {
  if (text(set, "spec", "updateStrategy", "type") === "OnDelete") return;
  const pods = client.controlled("pods", set).filter((pod) => !isFinished(pod));
  const old = pods.filter((pod) => labelsOf(pod)[revisionLabel] !== hash && !isGoing(pod));
  const asked = at(set, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable");
  const here = pods.filter((pod) => !isGoing(pod));
  const missing = pods.length - availablePods(client, set, here).available.length;
  const spare = Math.max(0, Math.max(1, share(asked, whole, Math.ceil)) - missing);
  const unready = old.filter((pod) => !isReady(pod));
  for (const pod of [...unready, ...old.filter(isReady).slice(0, spare)]) deletePod(client, set, pod);
}

/** Returns when more pods will be available. */
function writeCounts(client: Client, set: JsonObject, hash: string, nodes: ReadonlySet<string>): number | undefined {
  const pods = activePods(client, set);
  const placed = pods.filter((pod) => nodes.has(text(pod, "spec", "nodeName")));
  const { available, wait } = availablePods(client, set, placed);
  client.writeStatus(set, {
    currentNumberScheduled: placed.length,
    numberMisscheduled: pods.filter((pod) => !nodes.has(nodeOf(pod))).length,
    desiredNumberScheduled: nodes.size,
    numberReady: placed.filter(isReady).length,
    observedGeneration: generationOf(set),
    updatedNumberScheduled: placed.filter((pod) => labelsOf(pod)[revisionLabel] === hash).length || undefined,
    numberAvailable: available.length || undefined,
    numberUnavailable: nodes.size - available.length || undefined,
  });
  return wait;
}
