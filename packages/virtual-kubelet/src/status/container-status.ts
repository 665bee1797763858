// Facts about one container, and what the API already says of it -> v1.ContainerStatus. Pure.
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  EphemeralContainer,
  PodSpec,
  Time,
  VolumeMountStatus,
} from "../kube/types.gen.ts";
import type { ContainerReport } from "../provider/pods.ts";
import { mayRestartAll, restartDecision } from "./restart-policy.ts";
import { cappedText, wholeSeconds } from "./text-and-time.ts";

export type ContainerRole = "init" | "sidecar" | "main" | "ephemeral";

export interface ContainerFacts {
  readonly role: ContainerRole;
  readonly container: Container | EphemeralContainer;
  readonly report: ContainerReport | undefined;
  /** What the API says of it. */
  readonly current: ContainerStatus | undefined;
  readonly spec: PodSpec;
  /** Whole seconds. */
  readonly now: Time;
  /**
   * How to read that the backend shows no such container: it has not been asked ("keep"), it has lost it ("unknown"), or,
   * for an init container of a pod whose main containers have run, it has cleaned it up after its success ("completed").
   */
  readonly absent: "keep" | "unknown" | "completed";
  /** Nothing of the pod can run any more: the report is a memory, and an end that the API knows is later than it. */
  readonly over: boolean;
  /** Read-only mounts are so with all below them, where a pod asks for it if it is possible. */
  readonly recursiveReadOnly: boolean;
}

/** Of a container that cannot be made because something is missing that it refers to. */
export const unresolvedReason = "CreateContainerConfigError";

const longestMessage = 4096;

/** The container ended, but nobody saw how. */
export function unknownEnd(containerID: string | undefined, startedAt: Time | undefined): ContainerState {
  return {
    terminated: {
      exitCode: 137,
      reason: "ContainerStatusUnknown",
      message: "The container is gone from the backend; how it ended is not known",
      ...(startedAt ? { startedAt } : {}),
      ...(containerID ? { containerID } : {}),
    },
  };
}

/** Has this container run at least once? */
export function hasRun(status: ContainerStatus): boolean {
  return Boolean(status.state?.running ?? status.state?.terminated ?? status.lastState?.terminated);
}

/** The status of one container. A termination that the API knows and that is final never turns back. */
export function containerStatus(facts: ContainerFacts): ContainerStatus {
  const { report, current, role, container } = facts;
  const state = stateOf(facts);
  const frozen = report !== undefined && state === current?.state;
  const source = frozen ? undefined : report;
  const containerID = source?.containerID ?? (frozen || isSameRun(facts) ? current?.containerID : undefined);
  const running = Boolean(state.running);
  const started = running && (source?.started ?? (source ? true : (current?.started ?? false)));
  const ready = started && (source?.ready ?? (source ? true : (current?.ready ?? false)));
  const resources = report?.resources ?? container.resources ?? {};
  const { requests } = resources;
  const mounts = mountStatuses(container, facts.recursiveReadOnly);
  const user = report === undefined ? current?.user : report.user;
  const stopSignal = container.lifecycle?.stopSignal;
  return {
    name: container.name,
    image:
      report?.image ?? (report === undefined && current && hasRun(current) ? current.image : (container.image ?? "")),
    imageID: report?.imageID ?? (report === undefined ? (current?.imageID ?? "") : ""),
    ...(containerID ? { containerID } : {}),
    state,
    lastState: lastStateOf(facts, state),
    ready: role === "ephemeral" ? false : role === "init" ? state.terminated?.exitCode === 0 : ready,
    restartCount: role === "ephemeral" ? 0 : restartCount(facts, state),
    ...(role === "ephemeral" ? {} : { started }),
    ...(requests && Object.keys(requests).length > 0 ? { allocatedResources: requests } : {}),
    ...(role === "ephemeral" ? {} : { resources }),
    ...(mounts.length > 0 ? { volumeMounts: mounts } : {}),
    ...(user === undefined ? {} : { user }),
    ...(stopSignal === undefined || !containerID ? {} : { stopSignal }),
  };
}

/** The same container, now that nothing of the pod can run any more. `everStarted`: it counts as having been started. */
export function settled(status: ContainerStatus, everStarted: boolean, plainInit = false): ContainerStatus {
  if (status.state?.terminated) return status;
  const previous = status.lastState?.terminated;
  if (status.state?.waiting && previous) {
    const succeeded = plainInit && previous.exitCode === 0;
    return { ...status, state: { terminated: previous }, lastState: {}, ...stopped(status), ready: succeeded };
  }
  if (!status.state?.running && !everStarted) return status;
  return { ...status, state: unknownEnd(status.containerID, status.state?.running?.startedAt), ...stopped(status) };
}

function stopped(status: ContainerStatus): Pick<ContainerStatus, "ready" | "started"> {
  return status.started === undefined ? { ready: false } : { ready: false, started: false };
}

function stateOf(facts: ContainerFacts): ContainerState {
  const { report, current } = facts;
  const known = current?.state;
  if (report === undefined) return absentState(facts);
  const state = report.state;
  if (!state.terminated && known?.terminated) {
    const remembered = facts.over && (report.restartCount ?? 0) <= (current?.restartCount ?? 0);
    if (remembered || !mayLeaveTerminated(facts, known.terminated.exitCode)) return known;
  }
  if (state.terminated) return { terminated: terminatedState(state.terminated, facts) };
  if (state.running) {
    const before = isSameRun(facts) ? known?.running?.startedAt : undefined;
    return { running: { startedAt: wholeSeconds(state.running.startedAt) ?? before ?? facts.now } };
  }
  const { reason, message } = state.waiting ?? {};
  return {
    waiting: {
      reason: reason || waitingReason(facts),
      ...(message ? { message: cappedText(message, longestMessage) } : {}),
    },
  };
}

/** Do the report and the API speak of the same run of the container? Without a report there is no other. */
function isSameRun({ report, current }: ContainerFacts): boolean {
  if (report === undefined) return true;
  if ((report.restartCount ?? 0) > (current?.restartCount ?? 0)) return false;
  return !(
    report.state.running &&
    (current?.state?.terminated ?? current?.lastState?.terminated) &&
    !current?.state?.running
  );
}

/** Never less than before; counted here where the backend does not count. */
function restartCount(facts: ContainerFacts, state: ContainerState): number {
  const { report, current } = facts;
  const before = current?.restartCount ?? 0;
  if (report?.restartCount !== undefined) return Math.max(report.restartCount, before);
  return state.running && !isSameRun(facts) ? before + 1 : before;
}

function absentState(facts: ContainerFacts): ContainerState {
  const { current } = facts;
  const known = current?.state;
  if (known?.terminated) return known;
  if (facts.absent === "completed") return { terminated: completed(facts) };
  if (known?.running)
    return facts.absent === "keep" ? known : unknownEnd(current?.containerID, known.running.startedAt);
  // Nothing but a missing reference was in the way, and that is over.
  if (known?.waiting && known.waiting.reason !== unresolvedReason) return known;
  return { waiting: { reason: waitingReason(facts) } };
}

function completed({ current, now }: ContainerFacts): ContainerStateTerminated {
  const startedAt = current?.state?.running?.startedAt;
  return {
    exitCode: 0,
    reason: "Completed",
    message: "The backend no longer shows the container; main containers have run, so it had succeeded",
    finishedAt: now,
    ...(startedAt ? { startedAt } : {}),
    ...(current?.containerID ? { containerID: current.containerID } : {}),
  };
}

function waitingReason({ spec }: ContainerFacts): string {
  return (spec.initContainers?.length ?? 0) > 0 ? "PodInitializing" : "ContainerCreating";
}

function mayLeaveTerminated({ role, container, spec }: ContainerFacts, exitCode: number): boolean {
  if (role === "ephemeral") return false;
  return mayRestartAll(spec) || restartDecision(container, spec, exitCode) !== "no";
}

function terminatedState(end: ContainerStateTerminated, facts: ContainerFacts): ContainerStateTerminated {
  const { report, current, now } = facts;
  const sameRun = isSameRun(facts);
  const known = sameRun ? current?.state : undefined;
  const startedAt = wholeSeconds(end.startedAt) ?? known?.terminated?.startedAt ?? known?.running?.startedAt;
  const containerID = end.containerID || report?.containerID || (sameRun ? current?.containerID : undefined);
  return {
    exitCode: end.exitCode,
    reason: end.reason || (end.exitCode === 0 ? "Completed" : "Error"),
    finishedAt: wholeSeconds(end.finishedAt) ?? known?.terminated?.finishedAt ?? now,
    ...(startedAt ? { startedAt } : {}),
    ...(end.signal ? { signal: end.signal } : {}),
    ...(end.message ? { message: cappedText(end.message, longestMessage) } : {}),
    ...(containerID ? { containerID } : {}),
  };
}

function lastStateOf(facts: ContainerFacts, state: ContainerState): ContainerState {
  const { report, current } = facts;
  if (facts.role === "ephemeral") return {};
  const known = current?.lastState?.terminated ? { terminated: current.lastState.terminated } : {};
  if (state === current?.state) return known;
  const reported = report?.lastState?.terminated;
  if (reported) return { terminated: lastTerminated(reported, current) };
  // It ran, and is not there any more.
  if (state.waiting && current?.state?.running) return unknownEnd(current.containerID, current.state.running.startedAt);
  // The end of the run before, which the backend has forgotten.
  return current?.state?.terminated && !state.terminated ? { terminated: current.state.terminated } : known;
}

function lastTerminated(end: ContainerStateTerminated, current: ContainerStatus | undefined): ContainerStateTerminated {
  const startedAt = wholeSeconds(end.startedAt);
  const finishedAt = wholeSeconds(end.finishedAt) ?? current?.lastState?.terminated?.finishedAt;
  return {
    exitCode: end.exitCode,
    reason: end.reason || (end.exitCode === 0 ? "Completed" : "Error"),
    ...(startedAt ? { startedAt } : {}),
    ...(finishedAt ? { finishedAt } : {}),
    ...(end.signal ? { signal: end.signal } : {}),
    ...(end.message ? { message: cappedText(end.message, longestMessage) } : {}),
    ...(end.containerID ? { containerID: end.containerID } : {}),
  };
}

function mountStatuses(
  container: Container | EphemeralContainer,
  canRecursively: boolean,
): readonly VolumeMountStatus[] {
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly, recursiveReadOnly: wanted }) => {
    const recursive = wanted === "Enabled" || (wanted === "IfPossible" && canRecursively);
    const recursiveReadOnly = recursive ? "Enabled" : "Disabled";
    return { name, mountPath, ...(readOnly ? { readOnly: true, recursiveReadOnly } : {}) };
  });
}
