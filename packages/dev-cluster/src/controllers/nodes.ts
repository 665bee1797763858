// The life of nodes: taints by their conditions, silence, and the pods of nodes that are lost or tainted.
import { timestamp } from "../access.ts";
import type { Api } from "../api.ts";
import { conditionOf, isTrue } from "../conditions.ts";
import { at, type Json, type JsonObject, list, number, put, text } from "../json.ts";
import { Client } from "./client.ts";
import type { Controller } from "./controller.ts";
import { isAbout } from "./fit.ts";
import { bornAt, isActive, keyOf, latest, nameOf, nodeNameOf } from "./objects.ts";

const podGraceMs = 20_000;
const lookMs = 5_000;
const prefix = "node.kubernetes.io/";

const byCondition: Readonly<Record<string, string>> = {
  MemoryPressure: "memory-pressure",
  DiskPressure: "disk-pressure",
  PIDPressure: "pid-pressure",
  NetworkUnavailable: "network-unavailable",
};
const ours = ["not-ready", "unreachable", "unschedulable", ...Object.values(byCondition)].map((each) => prefix + each);

/** Times, by what was seen. */
type FirstSeen = ReadonlyMap<string, number>;

/** `graceMs`: as long as a node may say nothing. */
export function nodeLifecycle(api: Api, graceMs: number): Controller {
  const client = new Client(api, "node-controller");
  // Who was kept from speaking while this cluster was down has been silent only since it is back.
  const begun = api.now();
  // When things were first seen. What taints say of it themselves is in whole seconds, if they say it.
  const seen = new Map<string, FirstSeen>();
  const firstSeen = (node: string, things: readonly string[]): FirstSeen => {
    const before = seen.get(node);
    const times = new Map(things.map((each) => [each, before?.get(each) ?? api.now()]));
    if (times.size > 0) seen.set(node, times);
    else seen.delete(node);
    return times;
  };
  return {
    name: "node-lifecycle",
    hears: {
      nodes: (node) => [nameOf(node)],
      pods: (pod) => (nodeNameOf(pod) === "" ? [] : [nodeNameOf(pod)]),
    },
    sync(name) {
      const node = api.store.get("nodes", "", name);
      const pods = api.store.list("pods").filter((pod) => nodeNameOf(pod) === name);
      if (node === undefined) {
        const lost = firstSeen(name, pods.length === 0 ? [] : ["lost"]).get("lost") ?? api.now();
        // One that is bound to it later has its time, too: its owner would make the next one at once.
        const isDue = (pod: JsonObject): boolean => api.now() - Math.max(lost, bornAt(pod)) >= podGraceMs;
        for (const pod of pods.filter(isDue)) client.remove(pod, { gracePeriodSeconds: 0 });
        return pods.every(isDue) ? undefined : 1_000;
      }
      const tainted = taint(client, markSilent(client, node, Math.max(begun, lastHeard(api, node)) + graceMs));
      const taints = list(tainted, "spec", "taints").filter((each) => text(each, "effect") === "NoExecute");
      const times = firstSeen(name, taints.map(idOf));
      const due = taints.length === 0 ? Number.POSITIVE_INFINITY : evict(client, pods, taints, times);
      return Math.min(lookMs, graceMs / 4, Math.max(100, due - api.now()));
    },
  };
}

const idOf = (taint: Json): string => text(taint, "key");

function lastHeard(api: Api, node: JsonObject): number {
  const lease = api.store.get("leases.coordination.k8s.io", "kube-node-lease", nameOf(node));
  const heartbeat = text(conditionOf(node, "Ready"), "lastHeartbeatTime");
  return latest(text(node, "metadata", "creationTimestamp"), text(lease, "spec", "renewTime"), heartbeat);
}

/** Conditions become Unknown where neither lease nor status was renewed in time. */
function markSilent(client: Client, node: JsonObject, deadline: number): JsonObject {
  const ready = conditionOf(node, "Ready");
  if (client.now() < deadline || text(ready, "status") === "Unknown") return node;
  const unknown =
    ready === undefined
      ? { status: "Unknown", reason: "NodeStatusNeverUpdated", message: "Kubelet never posted node status." }
      : { status: "Unknown", reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." };
  const types = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
  const conditions = types.map((type) => ({ type, ...unknown }));
  for (const pod of client.store.list("pods"))
    if (nodeNameOf(pod) === nameOf(node) && isTrue(pod, "Ready"))
      client.writeStatus(pod, {}, [{ type: "Ready", status: "False" }]);
  client.tell(node, "Normal", "NodeNotReady", `Node ${nameOf(node)} status is now: NodeNotReady`);
  return client.writeStatus(node, {}, conditions);
}

function wantedTaints(node: JsonObject): readonly { readonly key: string; readonly effect: string }[] {
  const ready = text(conditionOf(node, "Ready"), "status");
  const names = Object.entries(byCondition).flatMap(([type, name]) => (isTrue(node, type) ? [name] : []));
  if (at(node, "spec", "unschedulable") === true) names.push("unschedulable");
  const unready = ready === "Unknown" ? ["unreachable"] : ready === "True" ? [] : ["not-ready"];
  const evicting = ready === "" ? [] : unready;
  return [
    ...[...names, ...unready].map((name) => ({ key: prefix + name, effect: "NoSchedule" })),
    ...evicting.map((name) => ({ key: prefix + name, effect: "NoExecute" })),
  ];
}

function taint(client: Client, node: JsonObject): JsonObject {
  const before = list(node, "spec", "taints");
  const others = before.filter((each) => !ours.includes(idOf(each)));
  const mine = wantedTaints(node).map((wanted): Json => {
    const known = before.find((each) => idOf(each) === wanted.key && text(each, "effect") === wanted.effect);
    return known ?? { ...wanted, timeAdded: timestamp(client.now()) };
  });
  const taints = [...others, ...mine];
  return client.change(node, (now) => put(now, ["spec", "taints"], taints.length > 0 ? taints : undefined));
}

/** Deletes pods that do not tolerate the taints, or not for longer. Returns the time of the next one. */
function evict(client: Client, pods: readonly JsonObject[], taints: readonly Json[], since: FirstSeen): number {
  const dues = pods.filter(isActive).map((pod) => {
    const due = Math.min(...taints.map((each) => deadline(pod, each, since.get(idOf(each)) ?? client.now())));
    if (due > client.now()) return due;
    client.tell(pod, "Normal", "TaintManagerEviction", `Marking for deletion Pod ${keyOf(pod)}`);
    client.remove(pod);
    return Number.POSITIVE_INFINITY;
  });
  return Math.min(...dues);
}

function deadline(pod: JsonObject, taint: Json, since: number): number {
  const matching = list(pod, "spec", "tolerations").filter((each) => isAbout(each, taint));
  if (matching.length === 0) return 0;
  const limits = matching.map((each) => number(each, "tolerationSeconds")).filter((each) => each !== undefined);
  return since + Math.min(...limits) * 1000;
}
