// The statuses of all containers of a pod, in the API's order. Pure.
import type { ContainerStatus, Pod, PodSpec, Time } from "../kube/types.gen.ts";
import type { ContainerReport } from "../provider/pods.ts";
import { type ContainerRole, containerStatus, unresolvedReason } from "./container-status.ts";
import type { PodSituation } from "./pod-situation.ts";
import { isSidecar } from "./restart-policy.ts";

export interface Containers {
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly ephemeral: readonly ContainerStatus[];
  /** The backend says that one of them runs, whatever the API's final states say. */
  readonly running: boolean;
}

/** Each container of the spec as its status, by what the backend says and the API knows; none is settled yet. */
export function containersOf(
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
  const all = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  if (situation.type === "providerFailed" && situation.waiting !== undefined) {
    const { waiting, message } = situation;
    return all.map(({ name }) => {
      const isIt = waiting.container === undefined || waiting.container === name;
      return { name, state: { waiting: isIt ? { reason: waiting.reason, message } : {} } };
    });
  }
  if (situation.type !== "unresolved") return [];
  const { faults } = situation;
  const none = faults.some(({ container }) => container === undefined);
  return all.map(({ name }) => {
    const fault = none ? undefined : faults.find(({ container }) => container === name);
    const waiting = fault === undefined ? {} : { reason: unresolvedReason, message: fault.message };
    return { name, state: { waiting } };
  });
}

/** Can nothing of the pod run any more, whatever its report says? */
export function isPast(situation: PodSituation): boolean {
  if (situation.type !== "reported") return situation.type === "lost" || situation.type === "ended";
  const { failure, containers } = situation.report;
  return failure !== undefined && !containers.some((one) => one.state.running);
}

function byName(a: ContainerStatus, b: ContainerStatus): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
