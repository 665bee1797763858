// The phase of a pod from the states of its containers, by the kubelet's rules. Pure.
import type { Container, ContainerStateTerminated, ContainerStatus, PodSpec } from "../kube/types.gen.ts";
import { isSidecar, restartDecision } from "./restart-policy.ts";

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed";

export function isTerminalPhase(phase: string | undefined): phase is "Succeeded" | "Failed" {
  return phase === "Succeeded" || phase === "Failed";
}

/** @param over nothing will be restarted any more, whatever the policies say: the pod is being deleted or is gone. */
export function podPhase(
  spec: PodSpec,
  initStatuses: readonly ContainerStatus[],
  mainStatuses: readonly ContainerStatus[],
  over: boolean,
): PodPhase {
  const inits = initPhase(spec, initStatuses);
  if (inits.failed) return "Failed";
  let waiting = inits.pending;
  let running = inits.running;
  let stopped = 0;
  let succeeded = 0;
  let restarting = 0;
  for (const container of spec.containers) {
    const status = statusOf(mainStatuses, container);
    if (status?.state?.running) {
      running = true;
      continue;
    }
    const end = endOf(status);
    if (end === undefined) waiting = true;
    else {
      stopped++;
      if (end.exitCode === 0) succeeded++;
      if (runsAgain(container, spec, status, end)) restarting++;
    }
  }
  if (waiting) return "Pending";
  if (running) return "Running";
  if (stopped === 0) return "Pending";
  if (!over && restarting > 0) return "Running";
  return stopped === succeeded ? "Succeeded" : "Failed";
}

interface InitPhase {
  readonly failed: boolean;
  readonly pending: boolean;
  readonly running: boolean;
}

function initPhase(spec: PodSpec, initStatuses: readonly ContainerStatus[]): InitPhase {
  let failed = false;
  let pending = false;
  let running = false;
  for (const container of spec.initContainers ?? []) {
    const status = statusOf(initStatuses, container);
    const end = endOf(status);
    if (!isSidecar(container)) {
      if (end === undefined) pending = true;
      else if (end.exitCode !== 0 && !runsAgain(container, spec, status, end)) failed = true;
    } else if (status?.state?.running) {
      // Not started yet, it holds back the main containers: they wait, and with them the phase.
      running = true;
    } else if (end === undefined) pending = true;
  }
  return { failed, pending, running };
}

function statusOf(statuses: readonly ContainerStatus[], container: Container): ContainerStatus | undefined {
  return statuses.find((status) => status.name === container.name);
}

/** How the container ended, if it neither runs nor still has its first run before it. */
function endOf(status: ContainerStatus | undefined): ContainerStateTerminated | undefined {
  if (status === undefined || status.state?.running) return undefined;
  return status.state?.terminated ?? status.lastState?.terminated ?? undefined;
}

/** What waits although it has ended runs again, whatever the policies say: its image was changed, or all start over. */
function runsAgain(
  container: Container,
  spec: PodSpec,
  status: ContainerStatus | undefined,
  end: ContainerStateTerminated,
): boolean {
  if (status?.state?.waiting || end.reason === "RestartingAllContainers") return true;
  return restartDecision(container, spec, end.exitCode) !== "no";
}
