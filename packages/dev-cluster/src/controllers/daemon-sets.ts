// DaemonSets: one pod on each node that it may be on.
import type { Api } from "../api.ts";
import { isReady, share } from "../disruption.ts";
import { at, type Json, type JsonObject, list, merge, number, object, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { misfit } from "./fit.ts";
import {
  controlledBy,
  isFinished,
  isGoing,
  keyOf,
  labelsOf,
  nameOf,
  namespaceOf,
  splitKey,
  tell,
  writeStatus,
} from "./objects.ts";
import { createPod, deletePod, keysOfOwner } from "./owned-pods.ts";
import { currentRevision, revisionLabel } from "./revisions.ts";

const key = "daemonsets.apps";
const component = "daemonset-controller";
const firstBackOffMs = 1_000;
const lastBackOffMs = 900_000;

const tolerated: readonly (readonly [name: string, effect: string])[] = [
  ["not-ready", "NoExecute"],
  ["unreachable", "NoExecute"],
  ["disk-pressure", "NoSchedule"],
  ["memory-pressure", "NoSchedule"],
  ["pid-pressure", "NoSchedule"],
  ["unschedulable", "NoSchedule"],
];

interface Failures {
  count: number;
  /** Epoch milliseconds. */
  until: number;
}

export function daemonSets(api: Api): Controller {
  const failures = new Map<string, Failures>();
  const all = (): readonly string[] => api.store.list(key).map(keyOf);
  return {
    name: component,
    hears: {
      [key]: (each) => [keyOf(each)],
      pods: (pod) => keysOfOwner(pod, "DaemonSet"),
      nodes: (node, { previous }) => (previous === undefined || isOther(node, previous) ? all() : []),
    },
    sync(which) {
      const set = api.store.get(key, ...splitKey(which));
      if (set === undefined || isGoing(set)) return undefined;
      const hash = text(labelsOf(currentRevision(api, set, revisionLabel)), revisionLabel);
      const nodes = api.store.list("nodes").filter((node) => mayBeOn(set, node));
      const wait = manage(api, set, hash, nodes, failures);
      writeCounts(api, set, hash, nodes);
      return wait;
    },
  };
}

function isOther(node: JsonObject, before: JsonObject): boolean {
  const parts = (of: JsonObject): string => JSON.stringify([at(of, "spec"), at(of, "metadata", "labels")]);
  return parts(node) !== parts(before);
}

function labelsFor(set: JsonObject, hash: string): JsonObject {
  const generation = object(set, "metadata", "annotations")["deprecated.daemonset.template.generation"];
  return { ...labelsOf(at(set, "spec", "template")), [revisionLabel]: hash, "pod-template-generation": generation };
}

function specFor(set: JsonObject, node: JsonObject): JsonObject {
  const template = object(set, "spec", "template");
  const added = tolerated.map(
    ([name, effect]): Json => ({ key: `node.kubernetes.io/${name}`, operator: "Exists", effect }),
  );
  const network = { key: "node.kubernetes.io/network-unavailable", operator: "Exists", effect: "NoSchedule" };
  const isOfHost = at(template, "spec", "hostNetwork") === true;
  const field = { key: "metadata.name", operator: "In", values: [nameOf(node)] };
  const path = "requiredDuringSchedulingIgnoredDuringExecution";
  const terms = list(template, "spec", "affinity", "nodeAffinity", path, "nodeSelectorTerms");
  const nodeSelectorTerms = (terms.length > 0 ? terms : [{}]).map((term) => ({
    ...object(term),
    matchFields: [field],
  }));
  const affinity = merge(object(template, "spec", "affinity"), ["nodeAffinity"], { [path]: { nodeSelectorTerms } });
  return merge(object(template, "spec"), [], {
    affinity,
    tolerations: [...list(template, "spec", "tolerations"), ...added, ...(isOfHost ? [network] : [])],
  });
}

/** Room is not asked for: a pod that does not fit waits, or is refused by its node. */
function mayBeOn(set: JsonObject, node: JsonObject): boolean {
  const metadata = { namespace: namespaceOf(set), labels: labelsOf(at(set, "spec", "template")) };
  const sizeless = { metadata, spec: { ...specFor(set, node), containers: [], initContainers: [] } };
  const roomy = merge(node, ["status"], { allocatable: { pods: "1000000" } });
  return misfit(sizeless, { node: roomy, pods: [] }, []) === undefined;
}

/** The node that a pod is on, or is meant for. */
function nodeOf(pod: JsonObject): string {
  const [term] = list(
    pod,
    "spec",
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "nodeSelectorTerms",
  );
  const [field] = list(term, "matchFields");
  const [meant] = list(field, "values");
  return text(pod, "spec", "nodeName") || (typeof meant === "string" ? meant : "");
}

function manage(
  api: Api,
  set: JsonObject,
  hash: string,
  nodes: readonly JsonObject[],
  failures: Map<string, Failures>,
): number | undefined {
  const pods = controlledBy(api, "pods", set);
  const names = new Set(nodes.map(nameOf));
  let wait = Number.POSITIVE_INFINITY;
  for (const pod of pods) if (!names.has(nodeOf(pod)) && !isGoing(pod)) deletePod(api, set, pod, component);
  for (const node of nodes) {
    const own = pods.filter((pod) => nodeOf(pod) === nameOf(node));
    const failed = own.find((pod) => text(pod, "status", "phase") === "Failed" && !isGoing(pod));
    const id = `${text(set, "metadata", "uid")}/${nameOf(node)}`;
    if (failed !== undefined) {
      const before = failures.get(id);
      if (before !== undefined && before.until > api.now()) {
        wait = Math.min(wait, before.until - api.now());
        continue;
      }
      const count = (before?.count ?? 0) + 1;
      failures.set(id, {
        count,
        until: api.now() + Math.min(lastBackOffMs, firstBackOffMs * 2 ** Math.min(count, 20)),
      });
      tell(api, set, {
        type: "Warning",
        reason: "FailedDaemonPod",
        message: `Found failed daemon pod ${keyOf(failed)} on node ${nameOf(node)}, will try to kill it`,
        component,
      });
      deletePod(api, set, failed, component);
    }
    const alive = own.filter((pod) => pod !== failed && !isFinished(pod));
    if (alive.length > 0) continue;
    createPod(api, set, component, { labels: labelsFor(set, hash) }, specFor(set, node));
  }
  update(api, set, hash, nodes.length);
  return Number.isFinite(wait) ? wait : undefined;
}

/** Pods of an older template go, as many at once as may be missing. */
function update(api: Api, set: JsonObject, hash: string, whole: number): void {
  if (text(set, "spec", "updateStrategy", "type") === "OnDelete") return;
  const pods = controlledBy(api, "pods", set).filter((pod) => !isFinished(pod));
  const old = pods.filter((pod) => labelsOf(pod)[revisionLabel] !== hash && !isGoing(pod));
  const most = Math.max(
    1,
    share(at(set, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), whole, Math.ceil),
  );
  let spare = most - pods.filter((pod) => !isReady(pod) || isGoing(pod)).length;
  for (const pod of old) {
    if (isReady(pod) && spare-- <= 0) continue;
    deletePod(api, set, pod, component);
  }
}

function writeCounts(api: Api, set: JsonObject, hash: string, nodes: readonly JsonObject[]): void {
  const names = new Set(nodes.map(nameOf));
  const pods = controlledBy(api, "pods", set).filter((pod) => !isGoing(pod) && !isFinished(pod));
  const placed = pods.filter((pod) => names.has(text(pod, "spec", "nodeName")));
  const ready = placed.filter(isReady).length;
  writeStatus(api, key, set, {
    currentNumberScheduled: placed.length,
    numberMisscheduled: pods.length - pods.filter((pod) => names.has(nodeOf(pod))).length,
    desiredNumberScheduled: nodes.length,
    numberReady: ready,
    observedGeneration: number(set, "metadata", "generation") ?? 0,
    updatedNumberScheduled: placed.filter((pod) => labelsOf(pod)[revisionLabel] === hash).length || undefined,
    numberAvailable: ready || undefined,
    numberUnavailable: nodes.length - ready || undefined,
  });
}
