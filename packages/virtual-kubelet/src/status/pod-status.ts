// The one function that makes a v1.PodStatus: from what is known of a pod's containers on the backend and what the API
// already says. Pure, so that the same facts always lead to the same status, and repeating it changes nothing.
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod, PodSpec, PodStatus, Time } from "../kube/types.gen.ts";
import type { PodFailure, PodReport } from "../provider/pods.ts";
import { podConditions } from "./conditions.ts";
import { hasRun, settled } from "./container-status.ts";
import { isTerminalPhase, type PodPhase, podPhase } from "./phase.ts";
import { distinctIPs, podIPsOf } from "./pod-addresses.ts";
import { type Containers, containersOf, isPast } from "./pod-containers.ts";
import type { PodSituation } from "./pod-situation.ts";
import { isSidecar } from "./restart-policy.ts";
import { cappedText, wholeSeconds } from "./text-and-time.ts";

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
    ...podLevelResources(spec, current, report),
    ...(hosts[0] === undefined ? {} : { hostIP: hosts[0], hostIPs: hosts.map((ip) => ({ ip })) }),
    ...(podIPs[0] === undefined ? {} : { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) }),
    conditions: unbegun ? conditions.filter((one) => saidOfRefused(one.type, current)) : conditions,
    ...listed("initContainerStatuses", containers.init),
    ...listed("containerStatuses", containers.main),
    ...listed("ephemeralContainerStatuses", containers.ephemeral),
  };
}

/** Of a pod that has some as a whole; while others are asked for than are in force, those that were. */
function podLevelResources(
  { resources: asked }: PodSpec,
  current: PodStatus,
  report: PodReport | undefined,
): Pick<PodStatus, "resources" | "allocatedResources"> {
  if (asked === undefined) return {};
  const { resources = asked, allocatedResources = asked.requests } = report?.resize === undefined ? {} : current;
  return { resources, ...(allocatedResources !== undefined && { allocatedResources }) };
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
