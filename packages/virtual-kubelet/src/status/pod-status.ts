// The one function that makes a v1.PodStatus: from what is known of a pod's containers on the backend and what the API
// already says. Pure, so that the same facts always lead to the same status, and repeating it changes nothing.
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod, PodSpec, PodStatus, Time } from "../kube/types.gen.ts";
import type { ContainerReport, PodFailure, PodReport } from "../provider/pods.ts";
import type { ReferenceFault } from "../resolved-pod.ts";
import { podConditions } from "./conditions.ts";
import { type ContainerRole, containerStatus, hasRun, settled, unresolvedReason } from "./container-status.ts";
import { isTerminalPhase, type PodPhase, podPhase } from "./phase.ts";
import { distinctIPs, podIPsOf } from "./pod-addresses.ts";
import { isSidecar } from "./restart-policy.ts";
import { cappedText, wholeSeconds } from "./text-and-time.ts";

/** How things stand between the API's pod and the backend. */
export type PodSituation =
  /** Not on the backend yet, or the backend was not asked since the start: what the API says of containers stays. */
  | { readonly type: "accepted" }
  /** Not given to the backend: something that it refers to is not there. */
  | { readonly type: "unresolved"; readonly faults: readonly ReferenceFault[] }
  /** The backend did not take it; it is tried again. */
  | { readonly type: "providerFailed"; readonly message: string }
  | { readonly type: "reported"; readonly report: PodReport }
  /** Refused, but not Failed yet: Pending with the reason, until its owner's turn to be told has come. */
  | { readonly type: "held"; readonly reason: string; readonly message: string }
  /** It will never run here: admission of the node, or an error of the provider that is final. */
  | { readonly type: "refused"; readonly reason: string; readonly message: string }
  /** The backend has positively lost it, without being asked to. */
  | { readonly type: "lost"; readonly report: PodReport | undefined }
  /** The backend was asked to remove it and says that it is gone. `report` is the last one before. */
  | { readonly type: "ended"; readonly report: PodReport | undefined };

export interface StatusInput {
  readonly pod: Stored<Pod>;
  readonly situation: PodSituation;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** InternalIP addresses of the node, primary first. */
  readonly nodeIPs: readonly string[];
  /** When this kubelet first saw the pod; taken when the API has no startTime yet. Default: the report's, then now. */
  readonly startTime?: Time | undefined;
  /** metadata.generation of the spec that was last acted on; default the newest. */
  readonly observedGeneration?: number | undefined;
  /**
   * This node ends the pod, whatever the report says: phase Failed by it as soon as every container is seen terminated or the
   * situation is `ended` (also the one to use for a pod that never got onto the backend).
   */
  readonly failure?: PodFailure | undefined;
  /** The node's runtime can make read-only mounts so with all that is mounted below them; default false. */
  readonly recursiveReadOnly?: boolean | undefined;
}

interface Containers {
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly ephemeral: readonly ContainerStatus[];
  /** The backend says that one of them runs, whatever the API's final states say. */
  readonly running: boolean;
}

interface Outcome {
  readonly phase: PodPhase;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

const longestMessage = 4096;

export function podStatus(input: StatusInput): PodStatus {
  const { pod, situation } = input;
  const now = wholeSeconds(input.now) ?? "";
  const current = pod.status ?? {};
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const report = "report" in situation ? situation.report : undefined;
  const containers = settledContainers(
    pod,
    spec,
    situation,
    containersOf(pod, spec, situation, now, input.recursiveReadOnly),
  );
  const outcome = outcomeOf(input, spec, containers);
  const terminal = isTerminalPhase(outcome.phase);

  const hosts = distinctIPs(report?.hostIPs ?? input.nodeIPs);
  const podIPs = podIPsOf(spec, report, current, hosts);
  const everRan = containers.main.some(hasRun) || containers.init.some(hasRun);
  const sandboxReady = !terminal && (report?.sandboxReady ?? (report !== undefined && (podIPs.length > 0 || everRan)));
  const wasReady = current.conditions?.some((one) => one.type === "PodReadyToStartContainers" && one.status === "True");
  const generation = Math.max(
    input.observedGeneration ?? pod.metadata.generation ?? 0,
    current.observedGeneration ?? 0,
  );
  const conditions = podConditions({
    pod,
    phase: outcome.phase,
    initStatuses: containers.init,
    mainStatuses: containers.main,
    // Before the first report of this process the API's word stands.
    sandboxReady: sandboxReady || (!terminal && report === undefined && wasReady === true),
    report,
    failure: report?.failure ?? input.failure,
    generation,
    now,
  });
  const unbegun = situation.type === "refused" || situation.type === "held";
  return {
    phase: outcome.phase,
    ...(outcome.reason ? { reason: outcome.reason } : {}),
    ...(outcome.message ? { message: cappedText(outcome.message, longestMessage) } : {}),
    ...(generation > 0 ? { observedGeneration: generation } : {}),
    startTime: current.startTime ?? wholeSeconds(input.startTime) ?? wholeSeconds(report?.startTime) ?? now,
    ...(current.qosClass ? { qosClass: current.qosClass } : {}),
    ...(hosts[0] === undefined ? {} : { hostIP: hosts[0], hostIPs: hosts.map((ip) => ({ ip })) }),
    ...(podIPs[0] === undefined ? {} : { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) }),
    conditions: unbegun ? conditions.filter((one) => saidOfRefused(one.type, current)) : conditions,
    ...listed("initContainerStatuses", containers.init),
    ...listed("containerStatuses", containers.main),
    ...listed("ephemeralContainerStatuses", containers.ephemeral),
  };
}

/** Succeeded or Failed: such a pod never runs again. */
export function isTerminal(status: PodStatus | undefined): boolean {
  return isTerminalPhase(status?.phase);
}

/** Nothing of the report may still run, and nothing will start again: by the policies, or because the pod is being deleted. */
export function allTerminated(pod: Pod, report: PodReport): boolean {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  return isOver(pod, spec, report, containersOf(pod, spec, { type: "reported", report }, ""));
}

function isOver(pod: Pod, spec: PodSpec, report: PodReport, containers: Containers): boolean {
  if (containers.running) return false;
  return (
    report.failure !== undefined ||
    isTerminalPhase(podPhase(spec, containers.init, containers.main, stops(pod, containers)))
  );
}

/** A pod in deletion is over as soon as its main containers are; one that waits may still be started by the backend. */
function stops(pod: Pod, containers: Containers): boolean {
  return Boolean(pod.metadata?.deletionTimestamp) && allStopped(containers);
}

function allStopped(containers: Containers): boolean {
  return containers.main.length > 0 && containers.main.every((status) => status.state?.terminated);
}

function containersOf(
  pod: Pod,
  spec: PodSpec,
  situation: PodSituation,
  now: Time,
  recursiveReadOnly = false,
): Containers {
  const current = pod.status ?? {};
  const report = "report" in situation ? situation.report : undefined;
  const reports = new Map((report?.containers ?? unresolvedContainers(spec, situation)).map((one) => [one.name, one]));
  const asked = report !== undefined;
  const over = isPast(situation);
  const mainRan = report?.containers.some(
    (one) =>
      (one.state.running ?? one.state.terminated ?? one.lastState?.terminated) &&
      spec.containers.some((container) => container.name === one.name),
  );
  const make = (
    list: readonly ContainerStatus[] | undefined,
    role: ContainerRole,
    container: PodSpec["containers"][number] | NonNullable<PodSpec["ephemeralContainers"]>[number],
  ): ContainerStatus =>
    containerStatus({
      role,
      container,
      report: reports.get(container.name),
      current: list?.find((status) => status.name === container.name),
      spec,
      now,
      ...{ over, recursiveReadOnly },
      absent: !asked ? "keep" : role === "init" && mainRan === true ? "completed" : "unknown",
    });
  return {
    init: (spec.initContainers ?? []).map((container) =>
      make(current.initContainerStatuses, isSidecar(container) ? "sidecar" : "init", container),
    ),
    main: spec.containers.map((container) => make(current.containerStatuses, "main", container)).sort(byName),
    ephemeral: (spec.ephemeralContainers ?? [])
      .map((container) => make(current.ephemeralContainerStatuses, "ephemeral", container))
      .sort(byName),
    running: report?.containers.some((one) => one.state.running) ?? false,
  };
}

/** As a kubelet shows them: none is made without volumes and sandbox, and then those that lack nothing of their own wait for the others. */
function unresolvedContainers(spec: PodSpec, situation: PodSituation): readonly ContainerReport[] {
  if (situation.type !== "unresolved") return [];
  const { faults } = situation;
  const none = faults.some(({ container }) => container === undefined);
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])].map(({ name }) => {
    const fault = none ? undefined : faults.find(({ container }) => container === name);
    const waiting = fault === undefined ? {} : { reason: unresolvedReason, message: fault.message };
    return { name, state: { waiting } };
  });
}

/** Can nothing of the pod run any more, whatever its report says? */
function isPast(situation: PodSituation): boolean {
  if (situation.type !== "reported") return situation.type === "lost" || situation.type === "ended";
  const { failure, containers } = situation.report;
  return failure !== undefined && !containers.some((one) => one.state.running);
}

function byName(a: ContainerStatus, b: ContainerStatus): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Where nothing can run any more, no container is left running or waiting that had run or was to have run by then. */
function settledContainers(pod: Pod, spec: PodSpec, situation: PodSituation, containers: Containers): Containers {
  const { type } = situation;
  if ((type === "refused" || type === "held") && !pod.status?.containerStatuses?.length) {
    return { init: [], main: [], ephemeral: [], running: false };
  }
  const over = type === "reported" && isOver(pod, spec, situation.report, containers);
  if (type !== "refused" && !isPast(situation) && !over) return containers;
  // All that the pod had got to counts as ended; whether it ran is no longer to be found out.
  const reached = type === "ended" || over;
  const lastStarted = reached ? Math.max(0, containers.init.findLastIndex(hasRun)) : -1;
  const initialized =
    reached &&
    (!spec.initContainers?.length ||
      containers.main.some(hasRun) ||
      containers.init.every((status) => status.ready || status.started === true));
  return {
    init: containers.init.map((status, index) => {
      const container = spec.initContainers?.[index];
      return settled(status, index <= lastStarted, container !== undefined && !isSidecar(container));
    }),
    main: containers.main.map((status) => settled(status, initialized)),
    ephemeral: containers.ephemeral.map((status) => settled(status, false)),
    running: false,
  };
}

function outcomeOf(input: StatusInput, spec: PodSpec, containers: Containers): Outcome {
  const { pod, situation } = input;
  const current = pod.status ?? {};
  if (isTerminalPhase(current.phase)) return { phase: current.phase, reason: current.reason, message: current.message };
  switch (situation.type) {
    case "refused":
      return { phase: "Failed", reason: situation.reason, message: situation.message };
    case "accepted":
    case "unresolved":
      return { phase: ongoing(spec, containers) };
    case "held":
      return { phase: ongoing(spec, containers), reason: situation.reason, message: situation.message };
    case "providerFailed":
      return { phase: ongoing(spec, containers), reason: "ProviderFailed", message: situation.message };
    case "reported": {
      const { failure } = situation.report;
      if (containers.running) return { phase: ongoing(spec, containers) };
      if (failure !== undefined) return failedBy(failure);
      if (input.failure !== undefined && allStopped(containers)) return failedBy(input.failure);
      return { phase: podPhase(spec, containers.init, containers.main, stops(pod, containers)) };
    }
    case "lost": {
      const failure = situation.report?.failure ?? input.failure;
      if (failure !== undefined) return failedBy(failure);
      const phase = lastPhase(input, spec);
      if (phase !== undefined) return { phase };
      return { phase: "Failed", reason: "ProviderLostPod", message: "The backend no longer has the pod" };
    }
    case "ended": {
      const failure = situation.report?.failure ?? input.failure;
      if (failure !== undefined) return failedBy(failure);
      const phase = podPhase(spec, containers.init, containers.main, true);
      return { phase: phase === "Succeeded" ? phase : "Failed" };
    }
  }
}

function failedBy({ reason, message }: { readonly reason: string; readonly message: string }): Outcome {
  return { phase: "Failed", reason, message };
}

/** The final phase that a lost pod had reached before, by its last report. */
function lastPhase({ pod, situation }: StatusInput, spec: PodSpec): PodPhase | undefined {
  const containers = containersOf(pod, spec, situation, "");
  const phase = containers.running
    ? undefined
    : podPhase(spec, containers.init, containers.main, stops(pod, containers));
  return isTerminalPhase(phase) ? phase : undefined;
}

/** The phase by the rules, held back from a final one: a container may still run. */
function ongoing(spec: PodSpec, containers: Containers): PodPhase {
  const phase = podPhase(spec, containers.init, containers.main, false);
  if (!isTerminalPhase(phase)) return phase;
  return containers.main.some(hasRun) ? "Running" : "Pending";
}

const needBegin: readonly string[] = ["Initialized", "PodReadyToStartContainers", "AllContainersRestarting"];

/** Of a refused pod nothing is told that its containers would have to have begun for. */
function saidOfRefused(type: string, current: PodStatus): boolean {
  if (!needBegin.includes(type)) return true;
  return current.conditions?.some((one) => one.type === type) ?? false;
}

function listed<Key extends string>(
  key: Key,
  statuses: readonly ContainerStatus[],
): Partial<Record<Key, readonly ContainerStatus[]>> {
  const out: Partial<Record<Key, readonly ContainerStatus[]>> = {};
  if (statuses.length > 0) out[key] = statuses;
  return out;
}
