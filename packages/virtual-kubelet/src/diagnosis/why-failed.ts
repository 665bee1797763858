// Why a pod failed for good, and what its user does about it. Pure.
import type { Stored } from "../kube/resource.ts";
import type { ContainerStateTerminated, Pod } from "../kube/types.gen.ts";
import type { Verdict } from "./why-verdict.ts";

/** Where another pod in its place comes from. */
export function successor({ metadata }: Stored<Pod>): string {
  const isControlled = metadata.ownerReferences?.some(({ controller }) => controller === true) === true;
  return isControlled ? "its controller makes another pod" : "it has no controller: nobody but you makes it again";
}

/** By the reason in its status; what the node said is the cause. */
const remedies: readonly [reason: RegExp, next: string | ((successor: string) => string)][] = [
  [/^OutOf/, (another) => `lower its requests, or make room on the node; ${another}`],
  [/^NodeAffinity$|^NodeName$/, "correct spec.nodeSelector, spec.affinity or spec.nodeName: the node has other labels"],
  [/^NodePorts$/, "two pods want one port of the host: change hostPort"],
  [/^TaintToleration$/, "tolerate the taint of the node, or choose another"],
  [/^PodOS/, "choose a node of its operating system"],
  [
    /^(PodFeatureUnsupported|SupplementalGroupsPolicyNotSupported)$/,
    "take the field out, or choose a node of another provider; try it with: virtual-kubelet plan -f FILE",
  ],
  [/^Evicted$|^Preempting$/, "the node was short of a resource: set requests to what it uses, or make room"],
  [/^DeadlineExceeded$/, "raise spec.activeDeadlineSeconds, or make it quicker"],
  [/^(NodeShutdown|Terminated|Shutdown)$/, (another) => `its node went down; ${another}`],
  [/^ProviderLostPod$/, (another) => `the back end removed it by itself: look there; ${another}`],
  [
    /^BudgetExceeded$/,
    "end other pods, lower its requests, or raise budgets.ceilings in the configuration of virtual-kubelet",
  ],
  [/^ProviderFailed$/, "the back end refuses it for good: change what the message says"],
];

export function failedVerdict(pod: Stored<Pod>): Verdict {
  const { reason = "", message = "" } = pod.status ?? {};
  const state = "has failed";
  if (reason !== "" || message !== "") {
    const remedy = remedies.find(([pattern]) => pattern.test(reason))?.[1];
    return {
      state,
      cause: [reason, message].filter((part) => part !== "").join(": "),
      next: remedy === undefined ? [] : [typeof remedy === "string" ? remedy : remedy(successor(pod))],
    };
  }
  for (const { name, state: now } of [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ]) {
    const { terminated } = now ?? {};
    if (terminated && terminated.exitCode !== 0)
      return { state, cause: `container ${name} ${endText(terminated)}`, next: endAdvice(terminated, pod, name) };
  }
  return {
    state,
    cause: "its containers ended",
    next: [`kubectl logs ${pod.metadata.name} -n ${pod.metadata.namespace}`],
  };
}

export function endText({ exitCode, reason, message, signal }: ContainerStateTerminated): string {
  const why = reason && reason !== "Error" ? ` (${reason})` : "";
  const by = signal ? `, signal ${signal}` : "";
  return `ended with ${exitCode}${why}${by}${message ? `: ${message}` : ""}`;
}

export function endAdvice(
  { exitCode, reason }: ContainerStateTerminated,
  { metadata }: Stored<Pod>,
  container: string,
  previous = false,
): string[] {
  const logs = `kubectl logs ${metadata.name} -n ${metadata.namespace} -c ${container}${previous ? " --previous" : ""}`;
  if (reason === "OOMKilled")
    return ["it used more memory than its limit: raise resources.limits.memory, or use less", logs];
  if (reason === "ContainerCannotRun" || reason === "StartError" || exitCode === 126 || exitCode === 127)
    return ["its command cannot be run: compare command and args with what is in the image", logs];
  if (exitCode === 137)
    return ["it was killed: by a failed liveness probe, a node that ended it, or from outside; see the events", logs];
  if (exitCode === 0)
    return ["it ends by itself: a container that is to stay must not end; for work that ends, use a Job", logs];
  return [logs];
}
