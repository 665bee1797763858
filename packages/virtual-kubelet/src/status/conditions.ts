// The conditions of a pod that the kubelet owns, from its phase and containers. Conditions of others are never touched.
import type { ContainerStatus, Pod, PodCondition, PodSpec, Time } from "../kube/types.gen.ts";
import type { PodFailure, PodReport } from "../provider/pods.ts";
import { hasRun } from "./container-status.ts";
import { isTerminalPhase, type PodPhase } from "./phase.ts";
import { isSidecar, mayRestartAll } from "./restart-policy.ts";

/** Types that a status from here may hold; all other conditions belong to others. */
export const ownConditions: ReadonlySet<string> = new Set([
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
  "PodResizePending",
  "PodResizeInProgress",
  "AllContainersRestarting",
]);

export interface ConditionFacts {
  readonly pod: Pod;
  readonly phase: PodPhase;
  readonly initStatuses: readonly ContainerStatus[];
  readonly mainStatuses: readonly ContainerStatus[];
  readonly sandboxReady: boolean;
  readonly report: PodReport | undefined;
  /** Why the pod is ended as a whole. */
  readonly failure: PodFailure | undefined;
  /** metadata.generation of the spec that was last acted on. */
  readonly generation: number;
  /** Whole seconds. */
  readonly now: Time;
}

interface Verdict {
  readonly status: "True" | "False";
  readonly reason?: string;
  readonly message?: string;
}

const yes: Verdict = { status: "True" };

/** lastTransitionTime moves only with the status; observedGeneration never goes back. */
export function podConditions(facts: ConditionFacts): readonly PodCondition[] {
  const containersReady = containersReadyVerdict(facts);
  return [
    condition(facts, "PodReadyToStartContainers", facts.sandboxReady ? yes : { status: "False" }),
    condition(facts, "Initialized", initializedVerdict(facts)),
    condition(facts, "Ready", readyVerdict(facts, containersReady)),
    condition(facts, "ContainersReady", containersReady),
    condition(facts, "PodScheduled", yes),
    ...passing(facts).map(([type, verdict]) => condition(facts, type, verdict)),
  ];
}

/** Those that are there only while, or once, the backend says so. */
function passing({ pod, report, failure, phase }: ConditionFacts): readonly (readonly [string, Verdict])[] {
  const conditions: (readonly [string, Verdict])[] = [];
  const { resize, restartingAll } = report ?? {};
  if (failure?.disruption !== undefined)
    conditions.push(["DisruptionTarget", { status: "True", reason: failure.disruption, message: failure.message }]);
  if (pod.spec !== undefined && mayRestartAll(pod.spec))
    conditions.push(["AllContainersRestarting", restartingVerdict(phase, restartingAll === true)]);
  if (isTerminalPhase(phase)) return conditions;
  if (resize !== undefined) {
    const { state, message = "" } = resize;
    const more = message === "" ? {} : { message };
    if (state === "infeasible" || state === "deferred") {
      const reason = state === "infeasible" ? "Infeasible" : "Deferred";
      conditions.push(["PodResizePending", { status: "True", reason, ...more }]);
    } else {
      const reason = state === "failed" ? { reason: "Error" } : {};
      conditions.push(["PodResizeInProgress", { status: "True", ...reason, ...more }]);
    }
  }
  return conditions;
}

function restartingVerdict(phase: PodPhase, restarting: boolean): Verdict {
  if (isTerminalPhase(phase)) return { status: "False", reason: phase === "Failed" ? "PodFailed" : "PodCompleted" };
  if (!restarting) return { status: "False" };
  const message = "container exited with restart policy rule";
  return { status: "True", reason: "RestartAllContainersStarted", message };
}

function condition({ pod, generation: acted, now }: ConditionFacts, type: string, verdict: Verdict): PodCondition {
  const current = pod.status?.conditions?.find((one) => one.type === type);
  const generation = Math.max(acted, current?.observedGeneration ?? 0);
  return {
    type,
    ...verdict,
    lastTransitionTime: (current?.status === verdict.status ? current.lastTransitionTime : undefined) ?? now,
    ...(generation > 0 ? { observedGeneration: generation } : {}),
  };
}

function initializedVerdict({ pod, phase, initStatuses, mainStatuses }: ConditionFacts): Verdict {
  if (phase === "Succeeded") return { status: "True", reason: "PodCompleted" };
  if (mainStatuses.some(hasRun)) return yes;
  // Containers that start over do not take it back.
  if (pod.status?.conditions?.some((one) => one.type === "Initialized" && one.status === "True")) return yes;
  const containers = pod.spec?.initContainers ?? [];
  const known = containers.filter((container) => find(initStatuses, container.name) !== undefined);
  const incomplete = known.filter((container) => {
    const status = find(initStatuses, container.name);
    return !(isSidecar(container) ? status?.started : status?.ready);
  });
  const message = unmet(containers, known, incomplete, "incomplete");
  return message === "" ? yes : { status: "False", reason: "ContainersNotInitialized", message };
}

function containersReadyVerdict({ pod, phase, initStatuses, mainStatuses }: ConditionFacts): Verdict {
  if (isTerminalPhase(phase)) return { status: "False", reason: phase === "Failed" ? "PodFailed" : "PodCompleted" };
  const containers = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])];
  const status = (name: string): ContainerStatus | undefined => find(initStatuses, name) ?? find(mainStatuses, name);
  const known = containers.filter((container) => status(container.name) !== undefined);
  const unready = known.filter((container) => !status(container.name)?.ready);
  const message = unmet(containers, known, unready, "unready");
  return message === "" ? yes : { status: "False", reason: "ContainersNotReady", message };
}

function readyVerdict({ pod, report }: ConditionFacts, containersReady: Verdict): Verdict {
  if (containersReady.status === "False") return containersReady;
  const messages: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const gate = pod.status?.conditions?.find((one) => one.type === conditionType);
    if (gate === undefined) {
      messages.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    } else if (gate.status !== "True") {
      messages.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`);
    }
  }
  if (messages.length > 0) return { status: "False", reason: "ReadinessGatesNotReady", message: messages.join(", ") };
  if (report?.ready !== false) return yes;
  return { status: "False", reason: "ProviderNotReady", message: "the backend does not report the pod as ready" };
}

type Named = PodSpec["containers"][number];

function unmet(all: readonly Named[], known: readonly Named[], failing: readonly Named[], word: string): string {
  const names = (containers: readonly Named[]): string => containers.map((container) => container.name).join(" ");
  const messages: string[] = [];
  const unknown = all.filter((container) => !known.includes(container));
  if (unknown.length > 0) messages.push(`containers with unknown status: [${names(unknown)}]`);
  if (failing.length > 0) messages.push(`containers with ${word} status: [${names(failing)}]`);
  return messages.join(", ");
}

function find(statuses: readonly ContainerStatus[], name: string): ContainerStatus | undefined {
  return statuses.find((status) => status.name === name);
}
