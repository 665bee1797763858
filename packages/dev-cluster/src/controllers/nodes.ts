// The life of nodes: taints by their conditions, silence, and the pods of nodes that are lost or tainted.

import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { conditionOf, isTrue, withCondition } from "../conditions.ts";
import { at, equal, type Json, type JsonObject, list, number, put, text } from "../json.ts";
import type { Controller } from "./controller.ts";
import { tolerates } from "./fit.ts";
import { change, isFinished, isGoing, keyOf, nameOf, remove, tell, writeCondition, writeStatus } from "./objects.ts";

const podGraceMs = 20_000;
const lookMs = 5_000;
const prefix = "node.kubernetes.io/";

const byCondition: Readonly<Record<string, string>> = {
  MemoryPressure: "memory-pressure",
  DiskPressure: "disk-pressure",
  PIDPressure: "pid-pressure",
  NetworkUnavailable: "network-unavailable",
};
const ours = new Set(
  ["not-ready", "unreachable", "unschedulable", ...Object.values(byCondition)].map((each) => prefix + each),
);

/** `graceMs`: as long as a node may say nothing. */
export function nodeLifecycle(api: Api, graceMs: number): Controller {
  const lost = new Map<string, number>();
  const seen = new FirstSeen(api.now);
  // Who was kept from speaking while this cluster was down has been silent only since it is back.
  const begun = api.now();
  return {
    name: "node-lifecycle",
    hears: {
      nodes: (node) => [nameOf(node)],
      pods: (pod) => (text(pod, "spec", "nodeName") === "" ? [] : [text(pod, "spec", "nodeName")]),
    },
    sync(name) {
      const node = api.store.get("nodes", "", name);
      const pods = api.store.list("pods").filter((pod) => text(pod, "spec", "nodeName") === name);
      if (node === undefined) {
        if (pods.length === 0) {
          lost.delete(name);
          return undefined;
        }
        const since = lost.get(name) ?? api.now();
        lost.set(name, since);
        if (api.now() - since < podGraceMs) return 1_000;
        for (const pod of pods) remove(api, "pods", pod, { gracePeriodSeconds: 0 });
        return undefined;
      }
      lost.delete(name);
      const heard = markSilent(api, node, graceMs, begun);
      const tainted = taint(api, heard);
      return Math.min(lookMs, graceMs / 4, evictTainted(api, tainted, pods, seen));
    },
  };
}

/** Conditions become Unknown where neither lease nor status was renewed in time. */
function markSilent(api: Api, node: JsonObject, graceMs: number, begun: number): JsonObject {
  const lease = api.store.get("leases.coordination.k8s.io", "kube-node-lease", nameOf(node));
  const ready = conditionOf(node, "Ready");
  const times = [
    text(lease, "spec", "renewTime"),
    text(ready, "lastHeartbeatTime"),
    text(node, "metadata", "creationTimestamp"),
  ];
  const last = Math.max(begun, ...times.map((each) => Date.parse(each)).filter(Number.isFinite));
  if (api.now() - last < graceMs || text(ready, "status") === "Unknown") return node;
  let conditions = list(node, "status", "conditions");
  for (const type of ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]) {
    const reason = ready === undefined ? "NodeStatusNeverUpdated" : "NodeStatusUnknown";
    const message = ready === undefined ? "Kubelet never posted node status." : "Kubelet stopped posting node status.";
    conditions = withCondition(conditions, { type, status: "Unknown", reason, message }, api.now());
  }
  writeStatus(api, "nodes", node, { conditions });
  markPodsNotReady(api, nameOf(node));
  tell(api, node, {
    type: "Normal",
    reason: "NodeNotReady",
    message: `Node ${nameOf(node)} status is now: NodeNotReady`,
    component: "node-controller",
  });
  return api.store.get("nodes", "", nameOf(node)) ?? node;
}

function markPodsNotReady(api: Api, node: string): void {
  for (const pod of api.store.list("pods")) {
    if (text(pod, "spec", "nodeName") !== node || !isTrue(pod, "Ready")) continue;
    writeCondition(api, "pods", pod, { type: "Ready", status: "False" });
  }
}

function wantedTaints(node: JsonObject): readonly { readonly key: string; readonly effect: string }[] {
  const ready = text(conditionOf(node, "Ready"), "status");
  const names = Object.entries(byCondition)
    .filter(([type]) => isTrue(node, type))
    .map(([, key]) => key);
  if (ready === "False" || ready === "") names.push("not-ready");
  if (ready === "Unknown") names.push("unreachable");
  if (at(node, "spec", "unschedulable") === true) names.push("unschedulable");
  const noSchedule = names.map((key) => ({ key: prefix + key, effect: "NoSchedule" }));
  const evicting = names.filter((key) => ["not-ready", "unreachable"].includes(key) && ready !== "");
  return [...noSchedule, ...evicting.map((key) => ({ key: prefix + key, effect: "NoExecute" }))];
}

function taint(api: Api, node: JsonObject): JsonObject {
  const before = list(node, "spec", "taints");
  const others = before.filter((each) => !ours.has(text(each, "key")));
  const mine = wantedTaints(node).map((wanted): Json => {
    const known = before.find((each) => text(each, "key") === wanted.key && text(each, "effect") === wanted.effect);
    return known ?? { ...wanted, timeAdded: timestamp(api.now()) };
  });
  const taints = [...others, ...mine];
  if (equal(taints, before)) return node;
  return change(api, "nodes", node, (now) => put(now, ["spec", "taints"], taints.length > 0 ? taints : undefined));
}

/** Deletes pods that do not tolerate a NoExecute taint, or not for longer. Returns when to look again. */
function evictTainted(api: Api, node: JsonObject, pods: readonly JsonObject[], seen: FirstSeen): number {
  const taints = list(node, "spec", "taints").filter((each) => text(each, "effect") === "NoExecute");
  seen.keep(node, taints);
  let next = lookMs;
  for (const pod of pods) {
    if (taints.length === 0 || isGoing(pod) || isFinished(pod)) continue;
    const due = Math.min(...taints.map((each) => deadline(pod, each, seen.of(node, each))));
    if (due > api.now()) {
      next = Math.min(next, due - api.now());
      continue;
    }
    const message = `Marking for deletion Pod ${keyOf(pod)}`;
    tell(api, pod, { type: "Normal", reason: "TaintManagerEviction", message, component: "taint-eviction-controller" });
    remove(api, "pods", pod);
  }
  return Math.max(next, 100);
}

function deadline(pod: JsonObject, wanted: Json, since: number): number {
  const matching = list(pod, "spec", "tolerations").filter((each) =>
    tolerates({ spec: { tolerations: [each] } }, wanted),
  );
  if (matching.length === 0) return 0;
  const limits = matching.map((each) => number(each, "tolerationSeconds")).filter((each) => each !== undefined);
  if (limits.length === 0) return Number.POSITIVE_INFINITY;
  return since + Math.min(...limits) * 1000;
}

/** When taints were first seen: what they say of it themselves is in whole seconds, if they say it. */
class FirstSeen {
  readonly #now: () => number;
  readonly #byNode = new Map<string, ReadonlyMap<string, number>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  keep(node: JsonObject, taints: readonly Json[]): void {
    const before = this.#byNode.get(nameOf(node));
    const times = taints.map((each): [string, number] => [
      text(each, "key"),
      before?.get(text(each, "key")) ?? this.#now(),
    ]);
    if (times.length === 0) this.#byNode.delete(nameOf(node));
    else this.#byNode.set(nameOf(node), new Map(times));
  }

  of(node: JsonObject, taint: Json): number {
    return this.#byNode.get(nameOf(node))?.get(text(taint, "key")) ?? this.#now();
  }
}
