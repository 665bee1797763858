// Why a pod is where it is, in one line, and what its user does next. Pure.
import { budgetExceeded, waitsForRoom } from "../budget/room.ts";
import type { Node } from "../kube/types.gen.ts";
import { relative, timeOf } from "./times.ts";
import { containerVerdict } from "./why-containers.ts";
import type { WhyFacts } from "./why-facts.ts";
import { failedVerdict, successor } from "./why-failed.ts";
import { eventTimes } from "./why-timeline.ts";

export interface Verdict {
  /** What it is now, e.g. "waits for a node". */
  readonly state: string;
  readonly cause: string;
  /** What to do, most likely first; empty: nothing. */
  readonly next: readonly string[];
  /** When it is tried again, epoch milliseconds, where that is known. */
  readonly nextAttempt?: number | undefined;
}

export function verdictOf(facts: WhyFacts): Verdict {
  const { pod } = facts;
  const phase = pod.status?.phase;
  const ended = pod.metadata.deletionTimestamp !== undefined;
  if (ended && (phase === "Succeeded" || phase === "Failed")) {
    const held = kept(facts);
    if (held !== undefined) return held;
  }
  if (phase === "Succeeded") return { state: "has succeeded", cause: "its containers ended with 0", next: [] };
  if (phase === "Failed") return failedVerdict(pod);
  if (!pod.spec?.nodeName) return ended ? ending(facts) : unbound(facts);
  const away = nodeVerdict(facts);
  if (ended)
    return away === undefined ? ending(facts) : { ...away, state: "cannot end", next: [...away.next, forced(facts)] };
  return away ?? refused(facts) ?? containerVerdict(facts) ?? unclear(facts);
}

const forced = ({ pod: { metadata } }: WhyFacts): string =>
  `if the node never comes back: kubectl delete pod ${metadata.name} -n ${metadata.namespace} --force (nothing then confirms that its containers ended)`;

/** By somebody's finalizers, though its node has done what it had to. */
function kept({ pod }: WhyFacts): Verdict | undefined {
  const { finalizers = [] } = pod.metadata;
  if (finalizers.length === 0) return undefined;
  return {
    state: "is ended and kept",
    cause: `finalizers hold it: ${finalizers.join(", ")}`,
    next: ["look at the controller that set them"],
  };
}

function ending(facts: WhyFacts): Verdict {
  const { pod, now } = facts;
  const { deletionTimestamp } = pod.metadata;
  const until = timeOf(deletionTimestamp) ?? now;
  if (until > now)
    return {
      state: "is being ended",
      cause: `its containers have until ${relative(until, now)} to end`,
      next: [],
      nextAttempt: until,
    };
  const held = kept(facts);
  if (held !== undefined) return held;
  return {
    state: "should have ended",
    cause: `its time to end was up ${relative(until, now)}, and its node has not confirmed the end`,
    next: [
      "look for ProviderDeleteFailed in the events and at the log of its virtual-kubelet: the back end may not answer",
    ],
  };
}

function unbound({ pod, now }: WhyFacts): Verdict {
  const { spec, status, metadata } = pod;
  const gates = (spec?.schedulingGates ?? []).map(({ name }) => name);
  const state = "waits for a node";
  if (gates.length > 0)
    return {
      state,
      cause: `scheduling gates hold it: ${gates.join(", ")}`,
      next: ["whoever set them has to remove them"],
    };
  const condition = status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (condition === undefined || !condition.message)
    return {
      state,
      cause: `no scheduler (${spec?.schedulerName ?? "default-scheduler"}) has looked at it since ${relative(timeOf(metadata.creationTimestamp) ?? now, now)}`,
      next: ["look whether that scheduler runs, or correct spec.schedulerName"],
    };
  const { message } = condition;
  const advice: readonly [RegExp, string][] = [
    [
      /virtual-kubelet\.io\/budget-exceeded/,
      "a virtual node has reached its ceiling of costs: end pods there, or raise budgets.ceilings in its configuration",
    ],
    [
      /untolerated taint/i,
      "to run on a virtual node, tolerate its taint: tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]",
    ],
    [/Insufficient|Too many pods/i, "lower its requests, end other pods, or give the virtual node more capacity"],
    [
      /affinity|selector/i,
      "compare spec.nodeSelector and spec.affinity with the labels of the nodes (kubectl get nodes --show-labels)",
    ],
    [/unbound|persistentvolumeclaim/i, "look at its claims: kubectl get pvc"],
    [/unschedulable/i, "a node is cordoned: kubectl uncordon NODE"],
  ];
  const next = advice.filter(([pattern]) => pattern.test(message)).map(([, text]) => text);
  return {
    state,
    cause: message,
    next: next.length > 0 ? next : ["compare the pod with the nodes: kubectl describe nodes"],
  };
}

/** What is wrong with its node; undefined when nothing is. */
function nodeVerdict({ pod, node, lease, now }: WhyFacts): Verdict | undefined {
  const name = pod.spec?.nodeName ?? "";
  if (node === undefined || !("value" in node)) return undefined;
  if (node.value === undefined)
    return {
      state: "is bound to a node that does not exist",
      cause: `there is no node ${name}`,
      next: [`start the virtual-kubelet of ${name} (--nodename), or delete the pod: ${successor(pod)}`],
    };
  const ready = conditionOf(node.value, "Ready");
  const renewed = lease !== undefined && "value" in lease ? lease.value?.spec : undefined;
  const heartbeat = timeOf(renewed?.renewTime);
  const patience = (renewed?.leaseDurationSeconds ?? 40) * 1000;
  const start = `start the program of node ${name} again, or look at its log`;
  if (heartbeat !== undefined && now - heartbeat > patience)
    return {
      state: "is on a node that is not heard of",
      cause: `node ${name} has last renewed its lease ${relative(heartbeat, now)}`,
      next: [start],
    };
  if (ready?.status === "Unknown")
    return { state: "is on a node that is not heard of", cause: ready.message ?? "", next: [start] };
  if (ready?.status === "False")
    return {
      state: "is on a node that is not ready",
      cause: `${ready.reason}: ${ready.message}`,
      next: ["see whether the provider's back end can be reached: virtual-kubelet doctor"],
    };
  return undefined;
}

export const conditionOf = (
  { status }: Node,
  type: string,
): { status: string; reason?: string; message?: string } | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

/** Told so by the node, in the status of a pod that is not Failed (yet). */
function refused({ pod, events }: WhyFacts): Verdict | undefined {
  const { reason = "", message = "" } = pod.status ?? {};
  if (reason === "" || pod.status?.phase !== "Pending") return undefined;
  if (reason === "ProviderFailed") {
    const tries = ("value" in events ? events.value : []).find((event) => event.reason === "ProviderCreateFailed");
    const { last, count } = tries === undefined ? { last: undefined, count: 1 } : eventTimes(tries);
    const at = timeOf(last);
    // Its pause doubles from half a second to five minutes.
    const pause = Math.min(300_000, 500 * 2 ** Math.min(count, 20));
    return {
      state: "waits: the back end did not take it",
      cause: message,
      next: ["correct what the message says; it is tried again by itself, at most 5 minutes after the last failure"],
      ...(at === undefined ? {} : { nextAttempt: at + pause }),
    };
  }
  const failed = failedVerdict(pod);
  if (reason === budgetExceeded && message.startsWith(waitsForRoom))
    return { ...failed, state: "waits for room below a ceiling of costs", cause: message.slice(waitsForRoom.length) };
  return {
    ...failed,
    state: "is refused, and Failed soon",
    cause: `${failed.cause} (its controller is told later each time, so that it does not make pods without end)`,
  };
}

function unclear({ pod, events }: WhyFacts): Verdict {
  const warnings = ("value" in events ? events.value : []).filter(({ type }) => type === "Warning");
  const latest = warnings.sort((a, b) => (eventTimes(a).last ?? "").localeCompare(eventTimes(b).last ?? "")).at(-1);
  const status = pod.status ?? {};
  if (latest !== undefined)
    return {
      state: `is ${status.phase}`,
      cause: `${latest.reason}: ${latest.message}`,
      next: ["correct what the event says; it is tried again by itself"],
    };
  return {
    state: `is ${status.phase ?? "new"}`,
    cause: "its node has not said anything about its containers yet",
    next: ["wait a few seconds and ask again; else look at the log of its virtual-kubelet"],
  };
}
